/**
 * Client sessions on the apply side (Thesis §6.3): a command that comes twice, because its answer or its leader was lost,
 * is applied once, and the second time gets the first time's result.
 *
 * Every member feeds its table the same committed entries in the same order, so all tables agree, also on which session
 * is forgotten when there are too many: the one used least recently *in the log*. So they do on which
 * was idle for too long, as time is the newest that stands in an entry: a clock that is set back moves nothing. Within a session commands may come in
 * any order, as a client has several under way; `acknowledged` says up to where it has all answers.
 *
 * Mutable, for speed: its one owner is the actor that applies commands.
 */
import { RAFT } from '../../limits.ts'
import { BySequence } from './by-sequence.ts'

interface Session<Result> {
  readonly nonce: string
  /** Results up to here have arrived at the client and are forgotten. */
  acknowledged: number
  readonly results: BySequence<Result>
  /** In log time. */
  usedMs: number
}

/** A session as plain values. */
export interface KeptSession<Result> {
  readonly id: number
  readonly nonce: string
  readonly acknowledged: number
  readonly usedMs: number
  readonly results: readonly (readonly [sequence: number, result: Result])[]
}

/** A session table as plain values: sessions in order of last use, the oldest first. */
export interface KeptSessions<Result> {
  readonly nowMs: number
  readonly sessions: readonly KeptSession<Result>[]
}

export type SessionDecision<Result> = 'apply' | 'stale' | 'expired' | { readonly cached: Result }

export class SessionTable<Result> {
  /** In order of last use, the oldest first. */
  readonly #sessions = new Map<number, Session<Result>>()
  /** The one used last: it need not be moved there again, and most commands follow one of the same session. */
  #newest = 0
  readonly #sessionsMax: number
  readonly #idleMs: number
  /** The newest time of an entry so far. */
  #nowMs = 0
  /** Before this log time no session is idle for too long. */
  #nextExpiryMs = Number.POSITIVE_INFINITY

  constructor(sessionsMax: number = RAFT.sessionsMax, idleMs: number = RAFT.sessionIdleMs) {
    this.#sessionsMax = sessionsMax
    this.#idleMs = idleMs
  }

  get size(): number {
    return this.#sessions.size
  }

  /** An entry with this time was committed, whatever its kind; told before what it holds. */
  advance(timeMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, timeMs)
    if (this.#nowMs < this.#nextExpiryMs) return
    this.#nextExpiryMs = Number.POSITIVE_INFINITY
    for (const [id, { usedMs }] of this.#sessions) {
      if (this.#nowMs - usedMs < this.#idleMs) {
        this.#nextExpiryMs = usedMs + this.#idleMs
        return
      }
      this.#sessions.delete(id)
    }
  }

  /** A committed session entry at `index`; the index is the session's id from now on. */
  open(index: number, nonce: string): void {
    this.#sessions.set(index, { nonce, acknowledged: 0, results: new BySequence(), usedMs: this.#nowMs })
    this.#newest = index
    this.#nextExpiryMs = Math.min(this.#nextExpiryMs, this.#nowMs + this.#idleMs)
    if (this.#sessions.size <= this.#sessionsMax) return
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest)
      return
    }
  }

  /**
   * What to do with a committed command: apply it (and `record` its result), answer it from the cache, drop it because
   * its answer has arrived long ago, or fail it because its session is forgotten and nobody knows.
   */
  decide(id: number, sequence: number, acknowledged: number): SessionDecision<Result> {
    const session = this.#sessions.get(id)
    if (session === undefined) return 'expired'
    if (id !== this.#newest) {
      this.#sessions.delete(id)
      this.#sessions.set(id, session)
      this.#newest = id
    }
    session.usedMs = this.#nowMs
    forget(session, Math.min(acknowledged, sequence - 1))
    if (sequence <= session.acknowledged) return 'stale'
    if (!session.results.has(sequence)) return 'apply'
    return { cached: session.results.get(sequence) as Result }
  }

  /** All of it, as plain values for a snapshot; the order of use is theirs. */
  kept(): KeptSessions<Result> {
    const sessions = [...this.#sessions].map(([id, { nonce, acknowledged, results, usedMs }]) => {
      return { id, nonce, acknowledged, usedMs, results: results.entries() }
    })
    return { nowMs: this.#nowMs, sessions }
  }

  /** Becomes what `kept` told on another member, or here before. */
  restore({ nowMs, sessions }: KeptSessions<Result>): void {
    this.#nowMs = nowMs
    this.#sessions.clear()
    this.#newest = sessions.at(-1)?.id ?? 0
    this.#nextExpiryMs = Number.POSITIVE_INFINITY
    for (const { id, nonce, acknowledged, usedMs, results } of sessions) {
      const session: Session<Result> = { nonce, acknowledged, usedMs, results: new BySequence() }
      for (const [sequence, result] of results) session.results.set(sequence, result)
      this.#sessions.set(id, session)
      this.#nextExpiryMs = Math.min(this.#nextExpiryMs, usedMs + this.#idleMs)
    }
  }

  /** The result of a command that `decide` said to apply. */
  record(id: number, sequence: number, result: Result): void {
    this.#sessions.get(id)?.results.set(sequence, result)
  }
}

function forget(session: Session<unknown>, acknowledged: number): void {
  if (acknowledged <= session.acknowledged) return
  session.acknowledged = acknowledged
  session.results.deleteUpTo(acknowledged)
}
