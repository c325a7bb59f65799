/**
 * Links inside one process, for tests and simulation: the same channel as on a real wire, over a network that can be cut, healed,
 * delayed and stalled. Deterministic: the order of deliveries depends on the seed, the clock and the calls, on nothing else; nothing is
 * ever delivered in the stack of the sender.
 *
 * Faults. A *cut* path is silent, like a partition: links stay open, what is sent waits as in TCP and arrives after `heal`, unless the
 * link ended before. `dropLinks` ends links at both ends, as `UnexpectedClose`. A *stalled* endpoint reads nothing. `crash` is a killed
 * process: its listeners are gone, its links end, and it never dials or listens again.
 *
 * A place in these calls is a name given to `transport(name)`, an address, or a peer id.
 */
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { type Clock, systemClock } from '../clock.ts'
import { TesseraError } from '../errors.ts'
import { crypto } from '../identity/crypto.ts'
import { Connections } from './connections.ts'
import { Credential } from './credential.ts'
import { ClearHandshake, type Handshake, type HandshakeSettings, NoiseHandshake } from './handshake.ts'
import { Faults } from './memory-faults.ts'
import { MemoryEnd, type Party, type Path } from './memory-wire.ts'
import type { DialOptions, Endpoint, Link, Listener, Protocol, Transport } from './transport.ts'

const SCHEME = 'memory://'

export interface MemoryNetworkOptions {
  /** Decides the delays, and the shared randoms where nothing is encrypted. */
  readonly seed: number
  readonly clock?: Clock
  /** Delay of each delivery, in milliseconds; a range is drawn from uniformly. Default 0. */
  readonly delayMs?: number | { readonly min: number; readonly max: number }
  /** False leaves out the ciphers, for speed; identities and shared randoms stay right. Default true. */
  readonly encrypted?: boolean
}

export interface MemoryNetwork {
  /** A transport for any number of endpoints; `name` is a place for all of them. */
  transport(name?: string): Transport
  /** Silences both directions between two places. */
  cut(a: string, b: string): void
  /** Silences one direction. */
  cutOneWay(from: string, to: string): void
  heal(a: string, b: string): void
  /** Only places of one group reach each other; places that are in none form one more group. Replaces an earlier partition. */
  partition(groups: readonly (readonly string[])[]): void
  /** Undoes every cut, partition and stall. */
  healAll(): void
  /** Ends every link between two places, at both ends at once. */
  dropLinks(a: string, b: string): void
  /** The place reads nothing until `resume`. */
  stall(place: string): void
  resume(place: string): void
  crash(place: string): void
}

export function createMemoryNetwork(options: MemoryNetworkOptions): MemoryNetwork {
  return new Network(options)
}

interface Listening {
  readonly party: Party
  readonly protocols: readonly Protocol[]
  readonly accept: (link: Link) => void
}

/** What a dialler's end asks for, until the other end has answered. */
interface Request {
  readonly address: string
  readonly protocol: Protocol
  readonly secret: Uint8Array
}

class Network implements MemoryNetwork, Path {
  readonly #clock: Clock
  readonly #delay: () => number
  readonly #seed: number
  readonly #encrypted: boolean
  readonly #faults = new Faults()
  readonly #parties: Party[] = []
  readonly #listening = new Map<string, Listening>()
  readonly #ends = new Set<MemoryEnd>()
  /** Ends with something held by a fault; also after they are down, because what they said last is still on its way. */
  readonly #holding = new Set<MemoryEnd>()
  readonly #requests = new Map<MemoryEnd, Request>()
  /** Without delay: what is to run at the next 0 ms timer, in order. */
  #ready: (() => void)[] = []
  #linkCount = 0
  #portCount = 0

  constructor({ seed, clock = systemClock, delayMs = 0, encrypted = true }: MemoryNetworkOptions) {
    this.#seed = seed
    this.#clock = clock
    this.#encrypted = encrypted
    this.#delay = delays(seed, delayMs)
  }

  transport(name?: string): Transport {
    return {
      understands: (address) => address.startsWith(SCHEME),
      endpoint: (deps) => {
        const party: Party = {
          names: new Set([deps.identity.peer]),
          connections: new Connections(deps),
          credential: this.#encrypted ? new Credential(deps.identity) : null,
          crashed: false,
        }
        if (name !== undefined) party.names.add(placeOf(name))
        this.#parties.push(party)
        return new MemoryEndpoint(this, party)
      },
    }
  }

  cut(a: string, b: string): void {
    this.cutOneWay(a, b)
    this.cutOneWay(b, a)
  }

  cutOneWay(from: string, to: string): void {
    this.#faults.cut(placeOf(from), placeOf(to))
  }

  heal(a: string, b: string): void {
    this.#faults.heal(placeOf(a), placeOf(b))
    this.#release()
  }

  partition(groups: readonly (readonly string[])[]): void {
    this.#faults.partition(groups.map((group) => group.map(placeOf)))
    this.#release()
  }

  healAll(): void {
    this.#faults.clear()
    this.#release()
  }

  dropLinks(a: string, b: string): void {
    for (const end of [...this.#ends]) {
      if (end.other && this.#is(end, a) && this.#is(end.other, b)) {
        const { other } = end
        end.break()
        other.break()
      }
    }
  }

  stall(place: string): void {
    this.#faults.stall(placeOf(place))
  }

  resume(place: string): void {
    this.#faults.resume(placeOf(place))
    this.#release()
  }

  crash(place: string): void {
    for (const party of this.#parties) if (party.names.has(placeOf(place))) party.crashed = true
    for (const [address, { party }] of this.#listening) if (party.crashed) this.#listening.delete(address)
    for (const end of [...this.#ends]) if (end.party.crashed) end.cut()
  }

  /** For endpoints: starts a connection to whoever listens at `address` when it gets there. */
  connect(from: Party, address: string, protocol: Protocol, secret: Uint8Array): MemoryEnd {
    const end = this.#newEnd(from)
    const target = this.#listening.get(placeOf(address))
    if (!target || from.crashed) {
      this.schedule(end, () => this.#refuse(end, `Nobody listens at ${address}.`))
      return end
    }
    const remote = this.#newEnd(target.party)
    end.other = remote
    remote.other = end
    this.#requests.set(remote, { address: placeOf(address), protocol, secret })
    end.push('syn')
    return end
  }

  listen(party: Party, address: string, protocols: readonly Protocol[], accept: (link: Link) => void): string {
    const place = placeOf(address) || `listener-${++this.#portCount}`
    if (this.#listening.has(place) || party.crashed || party.connections.closed) {
      throw new TesseraError('ListenFailed', { detail: `${address} is in use, or its endpoint is closed.` })
    }
    party.names.add(place)
    this.#listening.set(place, { party, protocols, accept })
    return SCHEME + place
  }

  unlisten(address: string): void {
    this.#listening.delete(placeOf(address))
  }

  newSecret(): Uint8Array {
    return crypto.blake3(utf8ToBytes(`tessera.memory.link:${this.#seed}:${++this.#linkCount}`))
  }

  blocked(from: MemoryEnd, to: MemoryEnd): boolean {
    return this.#faults.blocked(from.party.names, to.party.names)
  }

  schedule(from: MemoryEnd, task: () => void): void {
    const now = this.#clock.now()
    const due = Math.max(from.lastDueMs, now + this.#delay())
    from.lastDueMs = due
    if (due > now) this.#clock.setTimeout(task, due - now)
    else if (this.#ready.push(task) === 1) this.#clock.setTimeout(() => this.#runReady(), 0)
  }

  /** A dialler's first item has reached the end at the listener. */
  arrived(end: MemoryEnd): void {
    const request = this.#requests.get(end)!
    this.#requests.delete(end)
    const listening = this.#listening.get(request.address)
    if (!listening || listening.party.connections.closed) {
      end.push(refusal('Nobody listens any more.'))
    } else if (!listening.protocols.includes(request.protocol)) {
      const detail = `${request.protocol} is not spoken there.`
      end.push(new TesseraError('DialFailed', { detail, reason: 'InvalidProtocol' }))
    } else {
      this.#accept(end, request, listening)
    }
  }

  #accept(end: MemoryEnd, request: Request, { party: { connections }, accept }: Listening): void {
    const release = connections.slots.take()
    if (!release) {
      end.push(refusal('No slot for an unproven peer is free there.'))
      return
    }
    const shake = this.shaker(end.party, request.secret)
    const connect = (events: NonNullable<MemoryEnd['events']>): MemoryEnd => {
      end.events = events
      return end
    }
    connections.accept(request.protocol, shake, connect, release, accept)
    end.push('opened')
  }

  holding(end: MemoryEnd): void {
    this.#holding.add(end)
  }

  ended(end: MemoryEnd): void {
    this.#ends.delete(end)
    this.#requests.delete(end)
  }

  /** How `party` shakes hands. */
  shaker({ credential }: Party, secret: Uint8Array): (settings: HandshakeSettings) => Handshake {
    if (credential) return (settings) => new NoiseHandshake(settings, credential)
    return (settings) => new ClearHandshake(settings, secret)
  }

  #runReady(): void {
    const tasks = this.#ready
    this.#ready = []
    let done = 0
    try {
      for (const task of tasks) {
        done++
        task()
      }
    } finally {
      // A handler that throws must not take the packets of others with it.
      if (done < tasks.length) {
        if (this.#ready.length === 0) this.#clock.setTimeout(() => this.#runReady(), 0)
        this.#ready.unshift(...tasks.slice(done))
      }
    }
  }

  #refuse(end: MemoryEnd, detail: string): void {
    end.events?.refused(refusal(detail))
    end.break()
  }

  #newEnd(party: Party): MemoryEnd {
    const end = new MemoryEnd(this, party)
    this.#ends.add(end)
    return end
  }

  #is(end: MemoryEnd, place: string): boolean {
    return end.party.names.has(placeOf(place))
  }

  #release(): void {
    for (const end of [...this.#holding]) {
      if (end.other && this.blocked(end, end.other)) continue
      this.#holding.delete(end)
      end.release()
    }
  }
}

class MemoryEndpoint implements Endpoint {
  readonly #network: Network
  readonly #party: Party
  readonly #connections: Connections
  readonly #listeners = new Set<Listener>()

  constructor(network: Network, party: Party) {
    this.#network = network
    this.#party = party
    this.#connections = party.connections
  }

  dial(address: string, options: DialOptions): Promise<Link> {
    const secret = this.#network.newSecret()
    return this.#connections.dial(options, this.#network.shaker(this.#party, secret), (events) => {
      const end = this.#network.connect(this.#party, address, options.protocol, secret)
      end.events = events
      return end
    })
  }

  async listen(address: string, protocols: readonly Protocol[], accept: (link: Link) => void): Promise<Listener> {
    const actual = this.#network.listen(this.#party, address, protocols, accept)
    const listener: Listener = {
      addresses: [actual],
      close: async () => {
        if (this.#listeners.delete(listener)) this.#network.unlisten(actual)
      },
    }
    this.#listeners.add(listener)
    return listener
  }

  async close(): Promise<void> {
    const listeners = [...this.#listeners].map((listener) => listener.close())
    await Promise.all([...listeners, this.#connections.close('GracefulShutdown')])
  }
}

function placeOf(address: string): string {
  return address.startsWith(SCHEME) ? address.slice(SCHEME.length) : address
}

function refusal(detail: string): TesseraError {
  return new TesseraError('DialFailed', { detail })
}

/** Delays as the options ask, drawn from the seed (mulberry32). */
function delays(seed: number, delayMs: NonNullable<MemoryNetworkOptions['delayMs']>): () => number {
  if (typeof delayMs === 'number') return () => delayMs
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    const unit = ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
    return delayMs.min + unit * (delayMs.max - delayMs.min)
  }
}
