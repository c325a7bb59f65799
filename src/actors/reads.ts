/**
 * Strong reads: linearizable on any member, without a log entry (Thesis §6.4).
 *
 * Reads of one turn share one request. The raft machine answers with an index: once that is applied here, the local state machine
 * may answer. A request that was lost with its leader is asked again, until the read's deadline.
 *
 * Lifecycle of a request: asked -> confirmed(index) -> applied here -> settled; or lost -> asked again.
 */
import type { Clock } from '../clock.ts'
import { type ErrorCode, TesseraError } from '../errors.ts'
import { RAFT } from '../limits.ts'

export interface ReadOptions {
  readonly signal?: AbortSignal
  /** Milliseconds until the read is given up. Default: `RAFT.executeTimeoutMs`. */
  readonly timeoutMs?: number
}

export interface ReadsDeps {
  readonly clock: Clock
  readonly applied: () => number
  /** Asks the raft machine to confirm read `id`. */
  readonly ask: (id: number) => void
}

interface Reader {
  readonly deadlineMs: number
  readonly resolve: () => void
  readonly reject: (error: TesseraError) => void
}

interface Request {
  readonly readers: Set<Reader>
  askedMs: number
  /** Null until a leader confirmed it. */
  index: number | null
}

/** How often deadlines and lost requests are looked at. */
const SWEEP_MS = 50

export class Reads {
  readonly #deps: ReadsDeps
  readonly #requests = new Map<number, Request>()
  #nextId = 1
  /** Readers of this turn, who will share the next request. */
  #gathering: Set<Reader> | null = null
  #sweeper: unknown = null
  #stopped: ErrorCode | null = null

  constructor(deps: ReadsDeps) {
    this.#deps = deps
  }

  /** Resolves when a local answer is linearizable. Rejects `Aborted`, `DeadlineExceeded`, `NotJoined`. */
  ready({ signal, timeoutMs = RAFT.executeTimeoutMs }: ReadOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#stopped) return reject(new TesseraError(this.#stopped))
      if (signal?.aborted) return reject(new TesseraError('Aborted', { cause: signal.reason }))
      const settled = () => signal?.removeEventListener('abort', abort)
      const reader: Reader = {
        deadlineMs: this.#deps.clock.monotonicMs() + timeoutMs,
        resolve: () => {
          settled()
          resolve()
        },
        reject: (error) => {
          settled()
          reject(error)
        },
      }
      const abort = () => {
        this.#forget(reader)
        reject(new TesseraError('Aborted', { cause: signal?.reason }))
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#gather(reader)
    })
  }

  /** The leader confirmed read `id` at `index`. */
  confirmed(id: number, index: number): void {
    const request = this.#requests.get(id)
    if (!request) return
    request.index = index
    this.advanced()
  }

  /** Read `id` reached no leader, or its leader lost its place. */
  lost(id: number): void {
    const request = this.#requests.get(id)
    if (request) request.askedMs = Number.NEGATIVE_INFINITY
  }

  /** Lost requests are asked of the new leader at once. */
  leaderChanged(): void {
    this.#sweep()
  }

  /** More was applied: settle what waited for it. */
  advanced(): void {
    const applied = this.#deps.applied()
    for (const [id, request] of this.#requests) {
      if (request.index === null || request.index > applied) continue
      this.#requests.delete(id)
      for (const reader of request.readers) reader.resolve()
    }
  }

  stop(code: ErrorCode): void {
    this.#stopped = code
    this.#deps.clock.clearTimeout(this.#sweeper)
    const readers = [
      ...(this.#gathering ?? []),
      ...[...this.#requests.values()].flatMap((request) => [...request.readers]),
    ]
    this.#gathering = null
    this.#requests.clear()
    for (const reader of readers) reader.reject(new TesseraError(code))
  }

  #gather(reader: Reader): void {
    if (this.#gathering) {
      this.#gathering.add(reader)
      return
    }
    this.#gathering = new Set([reader])
    this.#deps.clock.endOfTurn(() => {
      const readers = this.#gathering
      this.#gathering = null
      if (!readers || readers.size === 0) return
      const id = this.#nextId++
      this.#requests.set(id, { readers, askedMs: this.#deps.clock.monotonicMs(), index: null })
      this.#sweepSoon()
      this.#deps.ask(id)
    })
  }

  #forget(reader: Reader): void {
    this.#gathering?.delete(reader)
    for (const request of this.#requests.values()) request.readers.delete(reader)
  }

  #sweepSoon(): void {
    if (this.#requests.size === 0) return
    this.#deps.clock.clearTimeout(this.#sweeper)
    this.#sweeper = this.#deps.clock.setTimeout(() => {
      this.#sweep()
      this.#sweepSoon()
    }, SWEEP_MS)
  }

  #sweep(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    for (const [id, request] of [...this.#requests]) {
      for (const reader of request.readers) {
        if (reader.deadlineMs > nowMs) continue
        request.readers.delete(reader)
        reader.reject(
          new TesseraError('DeadlineExceeded', { detail: 'The read was not confirmed; nothing was changed.' }),
        )
      }
      if (request.readers.size === 0) this.#requests.delete(id)
      else if (request.index === null && nowMs - request.askedMs >= RAFT.resendMs) {
        request.askedMs = nowMs
        this.#deps.ask(id)
      }
    }
  }
}
