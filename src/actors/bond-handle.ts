/**
 * A bond as its user holds it: what it is, how it does, and a way to end it. Handles live in the group's registry while their bond is
 * steady; one that has ended keeps its reason.
 */
import { createAtom, type ReadonlyAtom } from '@xstate/store'
import { type CloseReason, TesseraError } from '../errors.ts'
import type { BondId } from '../identity/digest.ts'
import type { PeerEntry } from '../identity/peer-entry.ts'
import type { Lane, Link } from '../transport/transport.ts'
import type { WaitOptions } from './when.ts'

/** Smoothed round-trip time and its variation, in milliseconds (RFC 6298 §2). */
export interface RoundTrip {
  readonly srttMs: number
  readonly rttvarMs: number
}

export interface BondHandleDeps {
  readonly id: BondId
  readonly link: Link
  readonly peer: ReadonlyAtom<PeerEntry>
  /** The chart's state now, as XState prints it. */
  readonly state: () => unknown
  readonly rtt: () => RoundTrip | null
  readonly requestClose: (reason: CloseReason) => void
}

export class Bond {
  /** The same at both ends, new for each link. */
  readonly id: BondId
  /** The peer's newest signed entry; watchable. */
  readonly peer: ReadonlyAtom<PeerEntry>
  readonly #deps: BondHandleDeps
  readonly #ended = createAtom<CloseReason | null>(null)

  constructor(deps: BondHandleDeps) {
    this.#deps = deps
    this.id = deps.id
    this.peer = deps.peer
  }

  /** The state of the bond's chart. */
  get state(): unknown {
    return this.isTerminated ? this.#ended.get() : this.#deps.state()
  }

  /** Null until a first `Pong`. */
  get rtt(): RoundTrip | null {
    return this.#deps.rtt()
  }

  get isTerminated(): boolean {
    return this.#ended.get() !== null
  }

  /** Resolves with the close reason once the bond is down. Rejects `Aborted`. */
  terminated({ signal }: WaitOptions = {}): Promise<CloseReason> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new TesseraError('Aborted', { cause: signal.reason }))
      const already = this.#ended.get()
      if (already) return resolve(already)
      const abort = () => {
        subscription.unsubscribe()
        reject(new TesseraError('Aborted', { cause: signal?.reason }))
      }
      const subscription = this.#ended.subscribe((reason) => {
        if (!reason) return
        subscription.unsubscribe()
        signal?.removeEventListener('abort', abort)
        resolve(reason)
      })
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** Ends the bond and waits until it is down. The group dials the peer again where the reason allows it. */
  async close(reason: CloseReason = 'Cancelled', options?: WaitOptions): Promise<CloseReason> {
    if (!this.isTerminated) this.#deps.requestClose(reason)
    return this.terminated(options)
  }

  /** For the group: an encoded message to this peer; false where it was not queued. */
  send(bytes: Uint8Array, lane: Lane): boolean {
    return this.#deps.link.send(bytes, lane)
  }

  /** For the group: the bond is down. */
  end(reason: CloseReason): void {
    if (!this.isTerminated) this.#ended.set(reason)
  }
}
