/**
 * A peer that speaks the wire by hand: it can do all that a member does, and stop being one at any step. Below the channel it is a bare
 * WebSocket or TCP connection (`RawPeer`, `RawSocket`).
 */
import { systemClock } from '../../src/clock.ts'
import type { CloseReason } from '../../src/errors.ts'
import type { GroupId, NetworkId } from '../../src/identity/digest.ts'
import type { GroupKey } from '../../src/identity/group-key.ts'
import { Identity } from '../../src/identity/keys.ts'
import { ENTRY_VERSION, type PeerEntry, type SignedEntry, signEntry } from '../../src/identity/peer-entry.ts'
import type { HandshakeStart } from '../../src/machines/bond/messages.ts'
import type { DiscoveryMessage } from '../../src/machines/discovery/messages.ts'
import { decodeHandshake, encodeDiscovery, encodeHandshake } from '../../src/transport/codec.ts'
import { FrameReader } from '../../src/transport/frame.ts'
import type { Session } from '../../src/transport/handshake.ts'
import type { Endpoint } from '../../src/transport/transport.ts'
import { webSocket } from '../../src/transport/websocket.ts'
import { RawPeer, sealed } from '../transport/raw-peer.ts'

/** Rejects where `promise` takes longer than `ms`: nothing here waits for ever. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Looks once each turn of the event loop. */
export async function eventually(what: string, holds: () => boolean, ms = 10_000): Promise<void> {
  const untilMs = Date.now() + ms
  while (!holds()) {
    if (Date.now() > untilMs) throw new Error(`${what}: not within ${ms} ms`)
    await turn()
  }
}

export interface Target {
  readonly address: string
  readonly network: NetworkId
  readonly group: GroupId
  readonly key: GroupKey
  readonly tickets: PeerEntry['tickets']
}

/** A channel held by hand: what is said on it, what is heard, and why it ended. */
export class Wiretap {
  readonly peer: RawPeer
  readonly session: Session
  readonly heard: Uint8Array[] = []
  readonly #reader = new FrameReader()
  #reason: CloseReason | null = null

  constructor(peer: RawPeer, session: Session) {
    this.peer = peer
    this.session = session
    this.#reader.messageBytesMax = 2 ** 24
  }

  say(...messages: Uint8Array[]): void {
    this.peer.webSocket.send(sealed(this.session, ...messages))
  }

  /** One frame exactly as given. */
  frame(plaintext: Uint8Array): void {
    this.peer.webSocket.send(this.session.seal(plaintext))
  }

  /** The reason with which the other end closes, whatever it says before. */
  async ended(): Promise<CloseReason> {
    while (this.#reason === null) await this.#read()
    return this.#reason
  }

  async message(count = 1): Promise<Uint8Array> {
    while (this.heard.length < count) await this.#read()
    return this.heard[count - 1]!
  }

  async #read(): Promise<void> {
    this.#reason = this.#reader.read(this.session.open(await this.peer.packet()), this.heard)
  }
}

export class Hostile {
  readonly identity = Identity.ephemeral()
  readonly target: Target
  readonly endpoint: Endpoint
  readonly #taps: RawPeer[] = []
  #update = Date.now()

  constructor(target: Target) {
    this.target = target
    this.endpoint = webSocket().endpoint({ identity: this.identity, clock: systemClock })
  }

  /** What it says of itself, each newer than the last. */
  entry(changes: Partial<PeerEntry> = {}): SignedEntry {
    const { network, group, tickets } = this.target
    const entry: PeerEntry = {
      protocolVersion: ENTRY_VERSION,
      network,
      peer: this.identity.peer,
      incarnation: 1,
      update: ++this.#update,
      departed: false,
      addresses: [],
      tags: [],
      groups: [group],
      tickets,
      ...changes,
    }
    return signEntry(entry, this.identity)
  }

  /** Puts entries before the target, and returns what it said to that. */
  async announce(...entries: SignedEntry[]): Promise<CloseReason> {
    return this.discover({ type: 'Announce', network: this.target.network, entries })
  }

  async discover(message: DiscoveryMessage): Promise<CloseReason> {
    const link = await this.endpoint.dial(this.target.address, { protocol: 'tessera.discovery.1' })
    link.send(encodeDiscovery(message))
    return within(5_000, 'the answer', new Promise((resolve) => link.onClose(resolve)))
  }

  async raw(): Promise<RawPeer> {
    const raw = await RawPeer.open(this.target.address, this.identity)
    this.#taps.push(raw)
    return raw
  }

  /** A channel, with nothing said on it yet. */
  async channel(topic: GroupId | null = this.target.group): Promise<Wiretap> {
    const raw = await this.raw()
    return new Wiretap(raw, await raw.shake({ topic }))
  }

  start({ session }: Wiretap, changes: Partial<HandshakeStart> = {}): Uint8Array {
    const { network, group, key } = this.target
    const proof = key.prove(session.sharedRandom(group), this.identity.peer)
    return encodeHandshake({ type: 'HandshakeStart', network, group, proof, entry: this.entry(), ...changes })
  }

  /** A bond like any other: known, allowed, proven, steady. */
  async bond(): Promise<Wiretap> {
    await this.announce(this.entry())
    const tap = await this.channel()
    tap.say(this.start(tap))
    const end = decodeHandshake(await within(5_000, 'HandshakeEnd', tap.message()))
    if (end.type !== 'HandshakeEnd') throw new Error(`got ${end.type}`)
    tap.say(encodeHandshake({ type: 'Peers', bonds: [] }))
    return tap
  }

  /** Gone, and said so: nobody dials it any more. */
  async close(): Promise<void> {
    for (const raw of this.#taps) raw.webSocket.terminate()
    await this.announce(this.entry({ departed: true, groups: [], addresses: [] }))
    await this.endpoint.close()
  }
}
