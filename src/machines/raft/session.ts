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
import { partitionPoint } from '../partition-point.ts'

/** What came of commands that were applied one after the other: sequence, index and result of each are one further than those before. */
export interface Run<Result> {
  readonly sequence: number
  readonly index: number
  readonly results: readonly Result[]
}

/** A session as plain values. */
export interface KeptSession<Result> {
  readonly id: number
  readonly nonce: string
  /** Results up to here have arrived at the client and are forgotten. */
  readonly acknowledged: number
  /** In log time. */
  readonly usedMs: number
  /** In order of their sequences. */
  readonly runs: readonly Run<Result>[]
}

/** A session table as plain values: sessions in order of last use, the oldest first. */
export interface KeptSessions<Result> {
  readonly nowMs: number
  readonly sessions: readonly KeptSession<Result>[]
}

/** One that its command's results are put into as it is applied. */
export interface OpenRun<Result> extends Run<Result> {
  readonly results: Result[]
}

export class Session<Result> {
  readonly nonce: string
  #acknowledged: number
  usedMs: number
  /** In order of their sequences, none of which stands in two. Each goes once all of it is acknowledged. */
  readonly #runs: OpenRun<Result>[]

  constructor({ nonce, acknowledged, usedMs, runs }: Omit<KeptSession<Result>, 'id'>) {
    this.nonce = nonce
    this.#acknowledged = acknowledged
    this.usedMs = usedMs
    this.#runs = runs.map((run) => ({ ...run, results: [...run.results] }))
  }

  kept(id: number): KeptSession<Result> {
    const { nonce, usedMs } = this
    return { id, nonce, acknowledged: this.#acknowledged, usedMs, runs: [...this.#runs] }
  }

  /** Answers up to here have arrived. */
  acknowledge(sequence: number): void {
    if (sequence <= this.#acknowledged) return
    this.#acknowledged = sequence
    const runs = this.#runs
    let gone = 0
    while (gone < runs.length && endOf(runs[gone]!) <= sequence + 1) gone++
    if (gone > 0) runs.splice(0, gone)
  }

  /**
   * What is to be done with a command: apply it, and put its result into a run; tell what came of it when it was applied; or nothing, because
   * its answer has arrived long ago.
   */
  decide(sequence: number): 'apply' | 'stale' | Run<Result> {
    if (sequence <= this.#acknowledged) return 'stale'
    const last = this.#runs.at(-1)
    if (last === undefined || sequence >= endOf(last)) return 'apply'
    const run = this.#runs[this.#placeAfter(sequence) - 1]
    if (run === undefined || sequence >= endOf(run)) return 'apply'
    const place = sequence - run.sequence
    return { sequence, index: run.index + place, results: [run.results[place]!] }
  }

  /** A run that begins with a command that is to be applied; it goes on as long as each that follows is. */
  begin(sequence: number, index: number): OpenRun<Result> {
    const run: OpenRun<Result> = { sequence, index, results: [] }
    this.#runs.splice(this.#placeAfter(sequence), 0, run)
    return run
  }

  /** How many runs begin at or before `sequence`. */
  #placeAfter(sequence: number): number {
    const runs = this.#runs
    return partitionPoint(runs.length, (place) => runs[place]!.sequence <= sequence)
  }
}

/** The sequence after those of a run. */
function endOf({ sequence, results }: Run<unknown>): number {
  return sequence + results.length
}

export class SessionTable<Result> {
  /** In order of last use, the oldest first. */
  readonly #sessions = new Map<number, Session<Result>>()
  /** The one used last: it need not be moved there again, and most entries follow one of the same session. */
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
    this.#sessions.set(index, new Session({ nonce, acknowledged: 0, usedMs: this.#nowMs, runs: [] }))
    this.#newest = index
    this.#nextExpiryMs = Math.min(this.#nextExpiryMs, this.#nowMs + this.#idleMs)
    if (this.#sessions.size <= this.#sessionsMax) return
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest)
      return
    }
  }

  /** An entry with commands of session `id` was committed; null where it is forgotten, and nobody knows what came of them. */
  use(id: number): Session<Result> | null {
    const session = this.#sessions.get(id)
    if (session === undefined) return null
    if (id !== this.#newest) {
      this.#sessions.delete(id)
      this.#sessions.set(id, session)
      this.#newest = id
    }
    session.usedMs = this.#nowMs
    return session
  }

  /** All of it, as plain values for a snapshot, to be read at once; the order of use is theirs. */
  kept(): KeptSessions<Result> {
    return { nowMs: this.#nowMs, sessions: [...this.#sessions].map(([id, session]) => session.kept(id)) }
  }

  /** Becomes what `kept` told on another member, or here before. */
  restore({ nowMs, sessions }: KeptSessions<Result>): void {
    this.#nowMs = nowMs
    this.#sessions.clear()
    this.#newest = sessions.at(-1)?.id ?? 0
    this.#nextExpiryMs = Number.POSITIVE_INFINITY
    for (const { id, ...session } of sessions) {
      this.#sessions.set(id, new Session(session))
      this.#nextExpiryMs = Math.min(this.#nextExpiryMs, session.usedMs + this.#idleMs)
    }
  }
}
