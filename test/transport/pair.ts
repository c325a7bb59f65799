/**
 * Two endpoints of one transport, and links between them with all that comes over them on record. A dialler and an acceptor with
 * fixed identities, on a clock that the test moves.
 */
import type { Clock } from '../../src/clock.ts'
import type { CloseReason } from '../../src/errors.ts'
import { Identity } from '../../src/identity/keys.ts'
import { WIRE } from '../../src/limits.ts'
import type { DialOptions, Endpoint, Link, Listener, Protocol, Transport } from '../../src/transport/transport.ts'
import { ManualClock } from './manual-clock.ts'

export interface Harness {
  transport(): Transport
  /** An address to listen on; the transport may complete it. */
  readonly listenAddress: string
  /** Like a real one, but nothing listens there. */
  readonly deadAddress: string
  /** An address that accepts a connection and then says nothing. */
  silentAddress(): Promise<string>
  dispose(): Promise<void>
}

const GROUPS: Protocol = 'tessera.groups.1'

/** One end of a link with all that came over it. */
export class Recorded {
  readonly link: Link
  readonly messages: Uint8Array[] = []
  readonly batches: number[] = []
  readonly closed: Promise<{ reason: CloseReason; byPeer: boolean }>
  closings = 0
  #wake: () => void = () => {}

  constructor(link: Link) {
    this.link = link
    link.onMessages((messages) => {
      this.messages.push(...messages)
      this.batches.push(messages.length)
      this.#wake()
    })
    this.closed = new Promise((resolve) => {
      link.onClose((reason, byPeer) => {
        this.closings++
        resolve({ reason, byPeer })
      })
    })
  }

  async received(count: number): Promise<Uint8Array[]> {
    while (this.messages.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.messages
  }
}

export class Pair {
  readonly clock = new ManualClock()
  readonly dialler: Endpoint
  readonly acceptor: Endpoint
  readonly diallerIdentity = Identity.fromSeed(new Uint8Array(32).fill(1))
  readonly acceptorIdentity = Identity.fromSeed(new Uint8Array(32).fill(2))
  listener: Listener | null = null
  readonly #accepted: Link[] = []
  readonly #waiting: ((link: Link) => void)[] = []

  constructor(harness: Harness) {
    const deps = (identity: Identity): { identity: Identity; clock: Clock } => ({ identity, clock: this.clock })
    this.dialler = harness.transport().endpoint(deps(this.diallerIdentity))
    this.acceptor = harness.transport().endpoint(deps(this.acceptorIdentity))
  }

  async listen(address: string, protocols: readonly Protocol[] = [GROUPS, 'tessera.discovery.1']): Promise<string> {
    this.listener = await this.acceptor.listen(address, protocols, (link) => {
      const waiting = this.#waiting.shift()
      if (waiting) waiting(link)
      else this.#accepted.push(link)
    })
    return this.listener.addresses[0]!
  }

  accepted(): Promise<Link> {
    const link = this.#accepted.shift()
    if (link) return Promise.resolve(link)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  async links(address: string, options: Partial<DialOptions> = {}): Promise<[Recorded, Recorded]> {
    const dialled = await this.dialler.dial(address, { protocol: GROUPS, ...options })
    return [new Recorded(dialled), new Recorded(await this.accepted())]
  }

  async close(): Promise<void> {
    const down = Promise.all([this.dialler.close(), this.acceptor.close()])
    this.clock.advance(WIRE.closeTimeoutMs)
    await down
  }
}
