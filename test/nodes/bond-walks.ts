/**
 * Two real bond actors on a memory network: a subject, which a generated path leads step by step, and its peer, which is what the path needs
 * it to be. Each event of the path is brought about by what causes it: a message is sent by the peer's own link, a deadline passes, a
 * dial comes through. The network is cut between the steps, so nothing reaches the subject before its time.
 *
 * Beside the subject runs the model: the chart alone, with nothing behind it, on a clock in lockstep. It is told what the wire amounts to.
 */
import { type AnyEventObject, createActor, type SnapshotFrom } from 'xstate'
import { BOND } from '../../src/limits.ts'
import type { BondEvent, BondInput, LinkCommand } from '../../src/machines/bond/events.ts'
import type { bondMachine } from '../../src/machines/bond/machine.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import { encodeBond } from '../../src/transport/codec.ts'
import { createMemoryNetwork } from '../../src/transport/memory.ts'
import type { Link } from '../../src/transport/transport.ts'
import { inert } from '../bond/paths.ts'
import { BOND_ID, FOREVER, GROUP } from '../bond/rig.ts'
import { type Bond, KEY, Party, PEER, SUBJECT, startBond, WRONG_KEY } from './bond-party.ts'

type Snapshot = SnapshotFrom<typeof bondMachine>

const [HERE, THERE] = ['subject', 'peer']
const SILENT = { steady: { liveness: 'silent' } } as const
const STEP_MS = 10
/** Longer than the longest silence. */
const LOST_MS = 2 * BOND.missedMax * BOND.livenessIntervalMs

/** What both must agree on at each step. */
export function view({ value, status, context }: Snapshot) {
  const { outcome, reason, syncAttempts, entryDue, expires } = context
  return { value, status, outcome, reason, syncAttempts, entryDue, expires }
}

interface Asked {
  resolve: (answer: unknown) => void
  reject: (error: Error) => void
}

export class Walk {
  readonly clock = new SimulatedClock()
  readonly #modelClock = new SimulatedClock()
  readonly #network = createMemoryNetwork({ seed: 1, clock: this.clock, encrypted: false })
  readonly #subject = new Party(SUBJECT, HERE)
  readonly #peer = new Party(PEER, THERE)
  readonly #input: BondInput
  readonly model: Bond
  /** What the subject has asked outside and not been told yet. */
  readonly #asked: Asked[] = []
  readonly #endpoints = [this.#subject, this.#peer].map(({ identity, name }) =>
    this.#network.transport(name).endpoint({ identity, clock: this.clock }),
  )

  constructor(input: BondInput) {
    // Twice the same address: a dial that is not answered goes on to the next, so the step's own deadline is met.
    const addresses = input.role === 'dialler' ? [`memory://${THERE}`, `memory://${THERE}`] : []
    this.#input = { ...input, self: SUBJECT.peer, peer: PEER.peer, addresses }
    this.model = createActor(inert, { input: this.#input, clock: this.#modelClock })
  }

  get subject(): Bond {
    if (!this.#subject.bond) throw new Error('the subject has not started')
    return this.#subject.bond
  }

  get peer(): Bond | null {
    return this.#peer.bond
  }

  /** `withLink`: false where the link that was accepted is gone when the subject takes it. */
  async start(withLink: boolean): Promise<void> {
    const [here, there] = this.#endpoints
    await here?.listen(`memory://${HERE}`, ['tessera.groups.1'], (link) =>
      this.#accept(this.#subject, withLink ? link : null),
    )
    await there?.listen(`memory://${THERE}`, ['tessera.groups.1'], (link) => this.#accept(this.#peer, link))
    this.model.start()
    if (this.#input.role === 'dialler') {
      this.#cut()
      this.#spawn(this.#subject, this.#input, null)
    } else {
      const { self, peer } = this.#input
      const dialler = { ...this.#input, role: 'dialler', self: peer, peer: self, group: GROUP } as const
      this.#spawn(this.#peer, { ...dialler, addresses: [`memory://${HERE}`] }, null)
    }
    await this.clock.advance(0)
    this.#cut()
  }

  /** Brings `event` about, and tells the model. False where nothing on the wire could: then the path ends here. */
  async take(event: AnyEventObject): Promise<boolean> {
    const before = this.model.getSnapshot()
    const told = (await this.#order(event)) ?? (await this.#answer(event)) ?? (await this.#wire(event, before))
    if (told === null) return false
    for (const each of told) if (this.model.getSnapshot().status === 'active') this.model.send(each as BondEvent)
    await this.#pass(isTimer(event) ? delayOf(event, before) : 0)
    // From here on the peer hears that the subject lives.
    if (this.model.getSnapshot().matches('steady')) await this.#openOneWay(HERE, THERE)
    return true
  }

  /** Time enough for every deadline, on a network without faults. */
  async settle(): Promise<void> {
    this.#network.healAll()
    await this.clock.advance(LOST_MS)
  }

  stop(): void {
    for (const bond of [this.model, this.#subject.bond, this.#peer.bond]) bond?.stop()
  }

  /** A peer that is heard goes on being heard, one that is silent stays so. */
  async #pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += BOND.livenessIntervalMs) {
      const now = this.model.getSnapshot()
      if (now.matches('steady') && !now.matches(SILENT)) await this.#signOfLife({ type: 'bond.heard' })
      await this.#passAtOnce(Math.min(BOND.livenessIntervalMs, ms - passed))
    }
    await this.#passAtOnce(0)
  }

  async #passAtOnce(ms: number): Promise<void> {
    await this.clock.advance(ms)
    await this.#modelClock.advance(ms)
  }

  /** What the group of the subject says, and time: both simply come. */
  async #order(event: AnyEventObject): Promise<AnyEventObject[] | null> {
    if (isTimer(event)) return this.#isStarting() ? null : []
    if (!ORDERS.has(event.type) || this.#isStarting()) return null
    this.subject.send(event as BondEvent)
    return [event]
  }

  /** What tickets and sync come to. */
  async #answer(event: AnyEventObject): Promise<AnyEventObject[] | null> {
    const outcome = /^xstate\.(done|error)\.actor\.(?!link)/.exec(event.type)?.[1]
    const asked = outcome && this.#asked.pop()
    if (!asked) return null
    if (outcome === 'done') asked.resolve(event.output)
    else asked.reject(new Error('refused'))
    await this.clock.advance(0)
    return [event]
  }

  async #wire(event: AnyEventObject, before: Snapshot): Promise<AnyEventObject[] | null> {
    if (event.type === 'link.opened') return this.#opened(event)
    if (event.type === 'link.failed') return this.#failed(event, before)
    if (event.type === 'link.closed' && isDialling(before)) return this.#openedAndClosed(event, before)
    if (!isOpen(before)) return null
    if (event.type === 'bond.silent' || event.type === 'bond.lost') return this.#silence(event)
    if (event.type === 'bond.heard') return this.#signOfLife(event)
    const steady = before.matches('steady')
    const command = steady ? steadyCommand(event) : this.#handshakeCommand(event)
    this.#peer.lies = event.genuine === false || event.known === false
    if (event.reason === 'UnexpectedClose') return this.#broken(event)
    if (event.type === 'link.closed') void this.#peer.link?.close(event.reason)
    else if (event.type === 'bond.undecodable') this.#peer.link?.send(Uint8Array.of(0xff, 0xff))
    else if (!command) return null
    else if (steady) this.#tellPeersLink(command)
    else await this.#shake(command, before)
    await this.#deliver()
    return steady ? [{ type: 'bond.heard' }, event] : [event]
  }

  /** No link ends before it stands, so here the tickets are granted and the dial comes through first. */
  async #openedAndClosed(event: AnyEventObject, before: Snapshot): Promise<AnyEventObject[]> {
    const told: AnyEventObject[] = []
    if (before.matches({ handshake: { dialling: 'authenticating' } })) {
      told.push(...((await this.#answer({ type: 'xstate.done.actor.checkTickets', output: FOREVER })) ?? []))
    }
    told.push(...(await this.#opened({ type: 'link.opened', bondId: BOND_ID })))
    if (event.reason === 'UnexpectedClose') return [...told, ...this.#broken(event)]
    void this.#peer.link?.close(event.reason)
    await this.#deliver()
    return [...told, event]
  }

  #broken(event: AnyEventObject): AnyEventObject[] {
    this.#network.dropLinks(HERE, THERE)
    return [event]
  }

  async #signOfLife(event: AnyEventObject): Promise<AnyEventObject[]> {
    this.#peer.link?.send(encodeBond({ type: 'Ping', sentMs: 0 }))
    await this.#deliver()
    return [event]
  }

  /** Nothing of what the peer says arrives, for as long as it takes. */
  async #silence(event: AnyEventObject): Promise<AnyEventObject[]> {
    const isTold = () => {
      const now = this.subject.getSnapshot()
      return now.status !== 'active' || (event.type === 'bond.silent' && now.matches(SILENT))
    }
    for (let passed = 0; passed < LOST_MS && !isTold(); passed += STEP_MS) await this.#passAtOnce(STEP_MS)
    return [event]
  }

  async #opened(event: AnyEventObject): Promise<AnyEventObject[]> {
    if (this.#input.role === 'dialler') {
      this.#network.healAll()
      await this.clock.advance(0)
      this.#cut()
    }
    return [event]
  }

  async #failed(event: AnyEventObject, before: Snapshot): Promise<AnyEventObject[] | null> {
    if (this.#input.role === 'acceptor')
      return before.matches({ handshake: { accepting: 'connecting' } }) ? [event] : null
    if (!before.matches({ handshake: { dialling: 'connecting' } })) return null
    await this.#endpoints[1]?.close()
    this.#network.healAll()
    await this.clock.advance(0)
    return [event]
  }

  /** The peer becomes what the message shows it to be, and its link is told to send it. */
  #handshakeCommand(event: AnyEventObject): LinkCommand | null {
    const peer = this.#peer
    switch (event.type) {
      case 'bond.handshakeStart':
        peer.network = event.network
        peer.group = event.group
        peer.key = event.proven ? KEY : WRONG_KEY
        return { type: 'link.sendStart' }
      case 'bond.handshakeEnd':
        peer.key = event.proven ? KEY : WRONG_KEY
        return { type: 'link.sendEnd' }
      case 'bond.peers':
        return { type: 'link.sendPeers' }
      default:
        return null
    }
  }

  /** Where the message is the peer's next one anyway, its own chart sends it; else its link is made to. */
  async #shake(command: LinkCommand, before: Snapshot): Promise<void> {
    const { bond } = this.#peer
    const isDue =
      (command.type === 'link.sendStart' && bond?.getSnapshot().matches({ handshake: { dialling: 'claiming' } })) ||
      (command.type === 'link.sendEnd' &&
        before.matches({ handshake: { dialling: 'proving' } }) &&
        this.#peer.key === KEY) ||
      (command.type === 'link.sendPeers' && before.matches({ handshake: { accepting: 'proving' } }))
    if (!isDue) this.#tellPeersLink(command)
    else if (command.type === 'link.sendStart') bond?.send({ type: 'bond.granted' })
    else await this.#openOneWay(HERE, THERE)
  }

  #tellPeersLink(command: LinkCommand): void {
    this.#peer.end?.handle(command)
  }

  /** All that the peer has sent reaches the subject. */
  async #deliver(): Promise<void> {
    await this.#openOneWay(THERE, HERE)
    this.#cut()
  }

  async #openOneWay(from: string, to: string): Promise<void> {
    this.#network.heal(from, to)
    this.#network.cutOneWay(to, from)
    await this.clock.advance(0)
  }

  #cut(): void {
    this.#network.cut(HERE, THERE)
  }

  /** An acceptor's link stands before its chart does: there is no moment in which it waits for one. */
  #isStarting(): boolean {
    return this.model.getSnapshot().matches({ handshake: { accepting: 'connecting' } })
  }

  #accept(party: Party, link: Link | null): void {
    const { identity } = party
    const other = identity === SUBJECT ? PEER : SUBJECT
    const base = { ...this.#input, role: 'acceptor', self: identity.peer, peer: other.peer, addresses: [] } as const
    const input = party === this.#subject ? this.#input : { ...base, group: GROUP }
    this.#spawn(party, { ...input, linkNumber: 1 }, link)
  }

  #spawn(party: Party, input: BondInput, accepted: Link | null): void {
    const isSubject = party === this.#subject
    const endpoint = this.#endpoints[isSubject ? 0 : 1]!
    const asks = isSubject ? { ask: this.#ask } : {}
    startBond(party, { input, endpoint, accepted, clock: this.clock, ...asks })
  }

  readonly #ask = <Output>(): Promise<Output> =>
    new Promise((resolve, reject) => this.#asked.push({ resolve: resolve as Asked['resolve'], reject }))
}

const ORDERS = new Set([
  'bond.granted',
  'bond.refused',
  'bond.superseded',
  'bond.close',
  'bond.depart',
  'bond.entryChanged',
])

function isTimer({ type }: AnyEventObject): boolean {
  return type.startsWith('xstate.after.')
}

function delayOf({ type }: AnyEventObject, { context }: Snapshot): number {
  if (type.includes('.beforeDialAgain.')) return BOND.redialMinMs * 2 ** Math.max(0, context.syncAttempts - 1)
  return BOND.handshakeStepTimeoutMs
}

/** Before its link stands. */
function isDialling(snapshot: Snapshot): boolean {
  const states = ['authenticating', 'connecting'] as const
  return states.some((state) => snapshot.matches({ handshake: { dialling: state } }))
}

/** The link stands, and both ends know. */
function isOpen(snapshot: Snapshot): boolean {
  if (!snapshot.context.linked) return false
  if (snapshot.context.role === 'acceptor') return !snapshot.matches({ handshake: { accepting: 'connecting' } })
  const talks = (['claiming', 'proving'] as const).some((state) => snapshot.matches({ handshake: { dialling: state } }))
  return talks || snapshot.matches('steady')
}

/** What the peer's link is told, for the subject to hear `event` in its steady state. */
function steadyCommand(event: AnyEventObject): LinkCommand | null {
  switch (event.type) {
    case 'bond.departure':
      return { type: 'link.departure' }
    case 'bond.entryUpdate':
      return { type: 'link.sendEntry' }
    default:
      return null
  }
}
