/**
 * A member's own client: carries its commands to the leader and settles each promise with the result of its own command.
 *
 * Every command belongs to the member's session (Thesis §6.3) and has a sequence number, so offering it again, to the same leader or
 * the next, applies it once. Commands of one turn of the event loop leave together (`proposals.ts`). They are offered again when another
 * leader is known, when nothing at all was answered for `RAFT.resendMs`, and when what was offered later has been answered. A command waits
 * until its deadline, then it is given up with `DeadlineExceeded`: whether it will be applied is not known.
 *
 * Lifecycle of a command: waiting (has a sequence) -> offered, maybe often -> settled. Its entry names it by (session, sequence); an index
 * alone never settles anything, for another command may have taken it.
 */
import type { Clock } from '../clock.ts'
import { type ErrorCode, TesseraError } from '../errors.ts'
import { RAFT } from '../limits.ts'
import { BySequence } from '../machines/raft/by-sequence.ts'
import type { Commands, Proposal } from '../machines/raft/messages.ts'
import { type Place, sizeOf } from '../transport/cbor-writer.ts'
import { together } from './proposals.ts'

/** What came of a command, alike on every member, and the index where. */
export type Outcome =
  | { readonly ok: true; readonly index: number; readonly result: unknown }
  | {
      readonly ok: false
      readonly index: number
      readonly code: 'CommandFailed' | 'SessionExpired'
      readonly detail: string
    }

export interface ExecuteOptions {
  readonly signal?: AbortSignal
  /** Milliseconds until the command is given up. Default: `RAFT.executeTimeoutMs`. */
  readonly timeoutMs?: number
}

export interface ClientDeps {
  readonly clock: Clock
  /** A name for a new session, unique for ever: 32 random hex digits. */
  readonly nonce: () => string
  /** Offers proposals to the raft machine, which appends or forwards them. */
  readonly propose: (proposals: readonly Proposal[]) => void
}

/** When a call is settled: once its command stands in this member's log, or once it is applied. */
type Until = 'appended' | 'applied'

/** Whoever asked for some commands together. */
export interface Call {
  /** Command `i` of the call is settled. */
  settle(i: number, error: TesseraError | null, index: number, result: unknown): void
}

interface Waiting {
  readonly sequence: number
  /** Its place in its call. */
  readonly i: number
  readonly command: unknown
  /** Where its encoding stands. */
  readonly place: Place
  readonly until: Until
  readonly deadlineMs: number
  readonly call: Call
  /** How many times it was offered to a leader, and when last. */
  offers: number
  offeredMs: number
}

/** How often deadlines and silence are looked at. */
const SWEEP_MS = 100

export class Client {
  readonly #deps: ClientDeps
  readonly #waiting = new BySequence<Waiting>()
  #waitingBytes = 0
  #feeding = 0
  #nextSequence = 1
  #session: number | null = null
  #nonce: string | null = null
  #flushing = false
  /** When the first command of this turn came: the clock is not asked for each. */
  #turnMs = 0
  #unoffered: Waiting[] = []
  #unofferedBytes = 0
  #sweeper: unknown = null
  #lastAnswerMs = 0
  /** Something was answered since the last look. */
  #isAnswered = false
  /** The newest offer that was answered: what was offered before it and is not answered was lost on the way. */
  #answeredOfferMs = 0
  #stopped: TesseraError | null = null

  constructor(deps: ClientDeps) {
    this.#deps = deps
  }

  /** Commands that have no answer yet. */
  get waiting(): number {
    return this.#waiting.size
  }

  get #all(): Waiting[] {
    return this.#waiting.entries().map(([, waiting]) => waiting)
  }

  /** The open session's id, or null. */
  get session(): number | null {
    return this.#session
  }

  /** Settles each of `commands` (with its encoding) through `call`; this itself is synchronous and throws nothing. */
  submit(
    commands: readonly unknown[],
    encoded: readonly Place[],
    until: Until,
    options: ExecuteOptions,
    call: Call,
  ): void {
    const { length } = commands
    const refusal = this.#refusal(encoded, options.signal)
    if (refusal) {
      for (let i = 0; i < length; i++) call.settle(i, refusal(commands[i]), 0, undefined)
      return
    }
    const deadlineMs = this.#deadlineMs(options)
    const told = options.signal ? this.#untilAborted(options.signal, length, call) : call
    for (let i = 0; i < length; i++) this.#wait(i, commands[i], encoded[i] as Place, until, deadlineMs, told)
    this.#offerSoon()
    this.#sweepSoon()
  }

  /** `submit` of one command, without the lists: nearly every call is one. */
  submitOne(command: unknown, place: Place, until: Until, options: ExecuteOptions, call: Call): void {
    if (options.signal || this.#stopped || !this.#hasRoom(1, sizeOf(place))) {
      return this.submit([command], [place], until, options, call)
    }
    this.#wait(0, command, place, until, this.#deadlineMs(options), call)
    this.#offerSoon()
    this.#sweepSoon()
  }

  /** The entry that opens a session was applied at `index`. */
  sessionOpened(nonce: string, index: number): void {
    if (nonce !== this.#nonce || this.#session !== null) return
    this.#session = index
    this.#offerAll()
  }

  /** These now stand in this member's log, from `index` on; they may still be lost with their leader. */
  appended({ session, sequence, count }: Commands, index: number): void {
    if (this.#feeding === 0 || session !== this.#session) return
    for (let i = 0; i < count; i++) {
      const waiting = this.#waiting.get(sequence + i)
      if (waiting?.until === 'appended') this.#settle(waiting, null, index + i, undefined)
    }
  }

  /** Command `sequence` of `session` was applied. */
  applied(session: number, sequence: number, outcome: Outcome): void {
    if (session !== this.#session) return
    const waiting = this.#waiting.get(sequence)
    if (!waiting) return
    this.#answeredOfferMs = Math.max(this.#answeredOfferMs, waiting.offeredMs)
    this.#isAnswered = true
    if (this.#waiting.size === 1) this.#noteAnswers(this.#deps.clock.monotonicMs())
    if (outcome.ok) this.#settle(waiting, null, outcome.index, outcome.result)
    else if (outcome.code === 'SessionExpired') this.#sessionExpired()
    else
      this.#settle(
        waiting,
        new TesseraError(outcome.code, { detail: outcome.detail, command: waiting.command }),
        outcome.index,
        undefined,
      )
  }

  /**
   * The leader would not take these. One that was offered before may stand in a log already, so it goes on waiting; a new one is
   * handed back. Without a leader all go on waiting for one.
   */
  refused(proposals: readonly Proposal[], code: 'NoLeader' | 'Busy'): void {
    if (code === 'NoLeader') return
    for (const proposal of proposals) {
      if (proposal.kind !== 'commands') continue
      const end = proposal.sequence + proposal.count
      for (let sequence = proposal.sequence; sequence < end; sequence++) {
        const waiting = this.#waiting.get(sequence)
        if (waiting?.offers === 1)
          this.#settle(waiting, new TesseraError('Busy', { command: waiting.command }), 0, undefined)
      }
    }
  }

  /** Another leader is known: it may not have what the last one was given. */
  leaderChanged(): void {
    this.#offerAll()
  }

  /** Every waiting call is rejected, and every later one. */
  stop(code: ErrorCode): void {
    this.#stopped = new TesseraError(code)
    for (const waiting of this.#all) this.#settle(waiting, new TesseraError(code), 0, undefined)
    this.#deps.clock.clearTimeout(this.#sweeper)
    this.#sweeper = null
  }

  #refusal(encoded: readonly Place[], signal: AbortSignal | undefined): ((command: unknown) => TesseraError) | null {
    if (this.#stopped) return (command) => new TesseraError(this.#stopped?.code ?? 'NotJoined', { command })
    if (signal?.aborted) return (command) => aborted(command, signal)
    let bytes = 0
    for (const one of encoded) bytes += sizeOf(one)
    return this.#hasRoom(encoded.length, bytes) ? null : (command) => new TesseraError('Busy', { command })
  }

  /** For so many commands more, of so many bytes together, none larger than a command may be. */
  #hasRoom(count: number, bytes: number): boolean {
    return this.#waiting.size + count <= RAFT.waitingCommandsMax && this.#waitingBytes + bytes <= RAFT.waitingBytesMax
  }

  #deadlineMs({ timeoutMs = RAFT.executeTimeoutMs }: ExecuteOptions): number {
    if (!this.#flushing) this.#turnMs = this.#deps.clock.monotonicMs()
    return this.#turnMs + timeoutMs
  }

  #wait(i: number, command: unknown, place: Place, until: Until, deadlineMs: number, call: Call): void {
    if (this.#waiting.size === 0) this.#beginAfterPause(this.#turnMs)
    const sequence = this.#nextSequence++
    const waiting: Waiting = { sequence, i, command, place, until, deadlineMs, call, offers: 0, offeredMs: 0 }
    this.#waiting.set(sequence, waiting)
    this.#waitingBytes += sizeOf(place)
    if (until === 'appended') this.#feeding++
    this.#unoffered.push(waiting)
    this.#unofferedBytes += sizeOf(place)
  }

  /** After a long silence the group may have forgotten the session, or be about to: all that was said in it is settled. */
  #beginAfterPause(nowMs: number): void {
    if (this.#session !== null && nowMs - this.#lastAnswerMs >= RAFT.sessionIdleMs / 2) {
      this.#session = null
      this.#nonce = null
    }
    this.#lastAnswerMs = nowMs
  }

  #settle(waiting: Waiting, error: TesseraError | null, index: number, result: unknown): void {
    if (!this.#waiting.delete(waiting.sequence)) return
    this.#waitingBytes -= sizeOf(waiting.place)
    if (waiting.until === 'appended') this.#feeding--
    waiting.call.settle(waiting.i, error, index, result)
  }

  /** `call` for the next `count` commands, which are given up when the signal fires; the last one settled takes the listener off. */
  #untilAborted(signal: AbortSignal, count: number, call: Call): Call {
    const first = this.#nextSequence
    let open = count
    const giveUp = () => {
      for (let sequence = first; sequence < first + count; sequence++) {
        const waiting = this.#waiting.get(sequence)
        if (waiting) this.#settle(waiting, aborted(waiting.command, signal), 0, undefined)
      }
    }
    signal.addEventListener('abort', giveUp, { once: true })
    return {
      settle: (i, error, index, result) => {
        if (--open === 0) signal.removeEventListener('abort', giveUp)
        call.settle(i, error, index, result)
      },
    }
  }

  /** What one turn gathers goes together; but what fills an entry need not wait for more: disks and peers take it up meanwhile. */
  #offerSoon(): void {
    if (this.#session !== null && this.#unofferedBytes >= RAFT.entryBytesMax) return this.#offerGathered()
    if (this.#flushing) return
    this.#flushing = true
    this.#deps.clock.endOfTurn(() => {
      this.#flushing = false
      if (this.#session === null) this.#openSession()
      else this.#offerGathered()
    })
  }

  #offerGathered(): void {
    this.#offer(this.#takeGathered())
  }

  #takeGathered(): readonly Waiting[] {
    const gathered = this.#unoffered
    this.#unoffered = []
    this.#unofferedBytes = 0
    return gathered
  }

  #openSession(): void {
    if (this.#nonce !== null || this.#waiting.size === 0) return
    this.#nonce = this.#deps.nonce()
    this.#deps.propose([{ kind: 'session', nonce: this.#nonce }])
  }

  /** Offers again all that waits; the session makes that harmless. */
  #offerAll(): void {
    if (this.#waiting.size === 0) return
    if (this.#session === null) {
      if (this.#nonce === null) this.#openSession()
      else this.#deps.propose([{ kind: 'session', nonce: this.#nonce }])
      return
    }
    this.#takeGathered()
    this.#offer(this.#all)
  }

  #offer(gathered: readonly Waiting[]): void {
    const session = this.#session
    const oldest = this.#waiting.first
    if (session === null || oldest === undefined) return
    const acknowledged = oldest - 1
    const nowMs = this.#deps.clock.monotonicMs()
    const offered = this.#stillWaiting(gathered)
    for (const waiting of offered) {
      waiting.offers++
      waiting.offeredMs = nowMs
    }
    if (offered.length > 0) this.#deps.propose(together(offered, session, acknowledged))
  }

  /** Some may have been given up since they were gathered. */
  #stillWaiting(gathered: readonly Waiting[]): readonly Waiting[] {
    const isWaiting = ({ sequence }: Waiting) => this.#waiting.has(sequence)
    return gathered.every(isWaiting) ? gathered : gathered.filter(isWaiting)
  }

  /** The group forgot this session: what was offered in it may or may not be applied; what was not goes into a new one. */
  #sessionExpired(): void {
    this.#session = null
    this.#nonce = null
    for (const waiting of this.#all) {
      if (waiting.offers > 0)
        this.#settle(waiting, new TesseraError('SessionExpired', { command: waiting.command }), 0, undefined)
    }
    this.#openSession()
  }

  #sweepSoon(): void {
    if (this.#sweeper !== null || this.#waiting.size === 0) return
    this.#sweeper = this.#deps.clock.setTimeout(() => {
      this.#sweeper = null
      this.#sweep(this.#deps.clock.monotonicMs())
      this.#sweepSoon()
    }, SWEEP_MS)
  }

  /** When the last that waited is answered, else at the next look: not at each of a batch. */
  #noteAnswers(nowMs: number): void {
    if (this.#isAnswered) this.#lastAnswerMs = nowMs
    this.#isAnswered = false
  }

  #sweep(nowMs: number): void {
    this.#noteAnswers(nowMs)
    for (const waiting of this.#all) {
      if (waiting.deadlineMs > nowMs) continue
      this.#settle(waiting, new TesseraError('DeadlineExceeded', { command: waiting.command }), 0, undefined)
    }
    if (nowMs - this.#lastAnswerMs >= RAFT.resendMs) {
      this.#lastAnswerMs = nowMs
      this.#offerAll()
    } else this.#offer(this.#all.filter((waiting) => this.#isOvertaken(waiting, nowMs)))
  }

  /** Later offers were answered, and this one has had its time. */
  #isOvertaken({ offers, offeredMs }: Waiting, nowMs: number): boolean {
    return offers > 0 && offeredMs < this.#answeredOfferMs && nowMs - offeredMs >= RAFT.resendMs
  }
}

function aborted(command: unknown, signal: AbortSignal): TesseraError {
  return new TesseraError('Aborted', { command, cause: signal.reason })
}
