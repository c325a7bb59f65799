/**
 * A member's own client: carries its commands to the leader and settles each promise with the result of its own command.
 *
 * Every command belongs to the member's session (Thesis §6.3) and has a sequence number, so offering it again, to the same leader or
 * the next, applies it once. Commands of one turn of the event loop leave together (`offer.ts`). They are offered again when another
 * leader is known, when nothing at all was answered for `RAFT.resendMs`, and when what was offered later has been answered. A command waits
 * until its deadline, then it is given up with `DeadlineExceeded`: whether it will be applied is not known.
 *
 * Lifecycle of a command: waiting (has a sequence) -> offered, maybe often -> settled. Its entry names it by (session, sequence); an index
 * alone never settles anything, for another command may have taken it.
 */
import type { Clock } from '../clock.ts'
import { type ErrorCode, TesseraError } from '../errors.ts'
import { RAFT } from '../limits.ts'
import { partitionPoint } from '../machines/partition-point.ts'
import type { Commands, Proposal } from '../machines/raft/messages.ts'
import type { Run } from '../machines/raft/session.ts'
import { type Place, sizeOf } from '../transport/cbor-writer.ts'
import { Failure } from './failure.ts'
import { Offer } from './offer.ts'

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

/** One command, and whoever asked for it. */
export interface Call {
  /** Handed back with an error. */
  readonly command: unknown
  /** When it is settled: once its command stands in this member's log, or once it is applied. */
  readonly until: 'appended' | 'applied'
  settle(error: TesseraError | null, index: number, result: unknown): void
}

/** How often deadlines and silence are looked at. */
const SWEEP_MS = 100

export class Client {
  readonly #deps: ClientDeps
  /** In order of their sequences; what is settled goes as soon as all before it is. */
  readonly #offers: Offer[] = []
  /** The last of them, while it may grow. */
  #gathering: Offer | null = null
  #waiting = 0
  #waitingBytes = 0
  #feeding = 0
  #nextSequence = 1
  #session: number | null = null
  #nonce: string | null = null
  #flushing = false
  /** When the first command of this turn came: the clock is not asked for each. */
  #turnMs = 0
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
    return this.#waiting
  }

  /** The open session's id, or null. */
  get session(): number | null {
    return this.#session
  }

  /** Settles each of `calls`, the encodings of whose commands stand at `places`; this itself is synchronous and throws nothing. */
  submit(calls: readonly Call[], places: readonly Place[], options: ExecuteOptions): void {
    const refusal = this.#refusal(places, options.signal)
    if (refusal) {
      for (const call of calls) call.settle(refusal(call.command), 0, undefined)
      return
    }
    const deadlineMs = this.#deadlineMs(options)
    const told = options.signal ? this.#untilAborted(options.signal, calls) : calls
    for (const [i, call] of told.entries()) this.#wait(call, places[i]!, deadlineMs)
    this.#offerSoon()
    this.#sweepSoon()
  }

  /** `submit` of one call, without the lists: nearly every call is one. */
  submitOne(call: Call, place: Place, options: ExecuteOptions): void {
    if (options.signal || this.#stopped || !this.#hasRoom(1, sizeOf(place)))
      return this.submit([call], [place], options)
    this.#wait(call, place, this.#deadlineMs(options))
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
    const offer = this.#offerOf(sequence)
    for (let i = 0; i < count; i++) {
      if (offer?.callOf(sequence + i)?.until === 'appended')
        this.#settle(offer, sequence + i, null, index + i, undefined)
    }
  }

  /** Commands of `session` were applied. */
  applied(session: number, { sequence, index, results }: Run<unknown>): void {
    if (session !== this.#session) return
    const offer = this.#offerOf(sequence)
    if (!offer || offer.isSettled) return
    this.#answeredOfferMs = Math.max(this.#answeredOfferMs, offer.lastMs)
    this.#isAnswered = true
    for (let i = 0; i < results.length; i++) {
      const result = results[i]
      if (!(result instanceof Failure)) this.#settle(offer, sequence + i, null, index + i, result)
      else if (result.code === 'SessionExpired') return this.#sessionExpired()
      else this.#fail(offer, sequence + i, result.code, { detail: result.detail, index: index + i })
    }
    if (this.#waiting === 0) this.#noteAnswers(this.#deps.clock.monotonicMs())
  }

  /**
   * The leader would not take these. One that was offered before may stand in a log already, so it goes on waiting; a new one is
   * handed back. Without a leader all go on waiting for one.
   */
  refused(proposals: readonly Proposal[], code: 'NoLeader' | 'Busy'): void {
    if (code === 'NoLeader') return
    for (const proposal of proposals) {
      if (proposal.kind !== 'commands') continue
      const offer = this.#offerOf(proposal.sequence)
      if (offer?.times !== 1) continue
      const end = proposal.sequence + proposal.count
      for (let sequence = proposal.sequence; sequence < end; sequence++) this.#fail(offer, sequence, 'Busy')
    }
  }

  /** Another leader is known: it may not have what the last one was given. */
  leaderChanged(): void {
    this.#offerAll()
  }

  /** Every waiting call is rejected, and every later one. */
  stop(code: ErrorCode): void {
    this.#stopped = new TesseraError(code)
    this.#failAll(() => true, code)
    this.#deps.clock.clearTimeout(this.#sweeper)
    this.#sweeper = null
  }

  #refusal(places: readonly Place[], signal: AbortSignal | undefined): ((command: unknown) => TesseraError) | null {
    if (this.#stopped) return (command) => new TesseraError(this.#stopped?.code ?? 'NotJoined', { command })
    if (signal?.aborted) return (command) => aborted(command, signal)
    let bytes = 0
    for (const place of places) bytes += sizeOf(place)
    return this.#hasRoom(places.length, bytes) ? null : (command) => new TesseraError('Busy', { command })
  }

  /** For so many commands more, of so many bytes together, none larger than a command may be. */
  #hasRoom(count: number, bytes: number): boolean {
    return this.#waiting + count <= RAFT.waitingCommandsMax && this.#waitingBytes + bytes <= RAFT.waitingBytesMax
  }

  #deadlineMs({ timeoutMs = RAFT.executeTimeoutMs }: ExecuteOptions): number {
    if (!this.#flushing) this.#turnMs = this.#deps.clock.monotonicMs()
    return this.#turnMs + timeoutMs
  }

  #wait(call: Call, place: Place, deadlineMs: number): void {
    if (this.#waiting === 0) this.#beginAfterPause(this.#turnMs)
    const bytes = sizeOf(place)
    this.#gathererFor(bytes).add(call, place, deadlineMs)
    this.#nextSequence++
    this.#waiting++
    this.#waitingBytes += bytes
    if (call.until === 'appended') this.#feeding++
  }

  /** What one turn gathers goes together; but what fills an entry need not wait for more: disks and peers take it up meanwhile. */
  #gathererFor(bytes: number): Offer {
    if (this.#gathering?.hasRoom(bytes)) return this.#gathering
    this.#offerGathered()
    const offer = new Offer(this.#nextSequence)
    this.#offers.push(offer)
    this.#gathering = offer
    return offer
  }

  /** After a long silence the group may have forgotten the session, or be about to: all that was said in it is settled. */
  #beginAfterPause(nowMs: number): void {
    if (this.#session !== null && nowMs - this.#lastAnswerMs >= RAFT.sessionIdleMs / 2) {
      this.#session = null
      this.#nonce = null
    }
    this.#lastAnswerMs = nowMs
  }

  /** The offer that command `sequence` is of. */
  #offerOf(sequence: number): Offer | undefined {
    const offers = this.#offers
    const offer = offers[partitionPoint(offers.length, (place) => offers[place]!.end <= sequence)]
    return offer && offer.sequence <= sequence ? offer : undefined
  }

  #settle(offer: Offer, sequence: number, error: TesseraError | null, index: number, result: unknown): void {
    const call = offer.take(sequence)
    if (call === null) return
    this.#waiting--
    if (call.until === 'appended') this.#feeding--
    if (offer.isSettled) this.#forget(offer)
    call.settle(error, index, result)
  }

  #forget(offer: Offer): void {
    this.#waitingBytes -= offer.bytes
    if (offer === this.#gathering) this.#gathering = null
    while (this.#offers[0]?.isSettled) this.#offers.shift()
  }

  #fail(
    offer: Offer,
    sequence: number,
    code: ErrorCode,
    { detail, index = 0 }: { detail?: string; index?: number } = {},
  ): void {
    const call = offer.callOf(sequence)
    if (call === null) return
    const error = new TesseraError(code, { ...(detail === undefined ? {} : { detail }), command: call.command })
    this.#settle(offer, sequence, error, index, undefined)
  }

  /** Whoever waits for what `isMeant`. */
  #failAll(isMeant: (offer: Offer, deadlineMs: number) => boolean, code: ErrorCode): void {
    for (const offer of [...this.#offers]) {
      for (const sequence of offer.waitingUntil((deadlineMs) => isMeant(offer, deadlineMs)))
        this.#fail(offer, sequence, code)
    }
  }

  /** The next calls, which are given up when the signal fires; the last one settled takes the listener off. */
  #untilAborted(signal: AbortSignal, calls: readonly Call[]): readonly Call[] {
    const first = this.#nextSequence
    let open = calls.length
    const giveUp = () => {
      for (const [i, { command }] of calls.entries()) {
        const offer = this.#offerOf(first + i)
        if (offer) this.#settle(offer, first + i, aborted(command, signal), 0, undefined)
      }
    }
    signal.addEventListener('abort', giveUp, { once: true })
    return calls.map((call) => ({
      command: call.command,
      until: call.until,
      settle: (error, index, result) => {
        if (--open === 0) signal.removeEventListener('abort', giveUp)
        call.settle(error, index, result)
      },
    }))
  }

  #offerSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    this.#deps.clock.endOfTurn(() => {
      this.#flushing = false
      if (this.#session === null) this.#openSession()
      else this.#offerGathered()
    })
  }

  #openSession(): void {
    if (this.#nonce !== null || this.#waiting === 0) return
    this.#nonce = this.#deps.nonce()
    this.#deps.propose([{ kind: 'session', nonce: this.#nonce }])
  }

  /** What was gathered goes; without a session it stays until there is one. */
  #offerGathered(): void {
    const gathered = this.#gathering
    this.#gathering = null
    if (gathered) this.#offer([gathered])
  }

  /** Offers again all that waits; the session makes that harmless. */
  #offerAll(): void {
    if (this.#waiting === 0) return
    if (this.#session === null) {
      if (this.#nonce === null) this.#openSession()
      else this.#deps.propose([{ kind: 'session', nonce: this.#nonce }])
      return
    }
    this.#gathering = null
    this.#offer(this.#offers)
  }

  #offer(offers: readonly Offer[]): void {
    const session = this.#session
    const [oldest] = this.#offers
    if (session === null || oldest === undefined) return
    const acknowledged = oldest.firstWaiting - 1
    const nowMs = this.#deps.clock.monotonicMs()
    const proposals = offers.flatMap((offer) => offer.proposals(session, acknowledged, nowMs))
    if (proposals.length > 0) this.#deps.propose(proposals)
  }

  /** The group forgot this session: what was offered in it may or may not be applied; what was not goes into a new one. */
  #sessionExpired(): void {
    this.#session = null
    this.#nonce = null
    this.#failAll(({ times }) => times > 0, 'SessionExpired')
    this.#openSession()
  }

  #sweepSoon(): void {
    if (this.#sweeper !== null || this.#waiting === 0) return
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
    this.#failAll((_, deadlineMs) => deadlineMs <= nowMs, 'DeadlineExceeded')
    if (nowMs - this.#lastAnswerMs >= RAFT.resendMs) {
      this.#lastAnswerMs = nowMs
      this.#offerAll()
    } else this.#offer(this.#offers.filter((offer) => this.#isOvertaken(offer, nowMs)))
  }

  /** Later offers were answered, and this one has had its time. */
  #isOvertaken({ times, lastMs }: Offer, nowMs: number): boolean {
    return times > 0 && lastMs < this.#answeredOfferMs && nowMs - lastMs >= RAFT.resendMs
  }
}

function aborted(command: unknown, signal: AbortSignal): TesseraError {
  return new TesseraError('Aborted', { command, cause: signal.reason })
}
