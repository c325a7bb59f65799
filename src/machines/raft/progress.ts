/**
 * What a leader knows of one follower's log (Raft figure 2, nextIndex and matchIndex), and how much it may send it.
 *
 *   probe       where the two logs part is not known: one AppendEntries at a time, until it is answered or a heartbeat
 *               is due. Every peer starts here, and comes back after a rejection or with a new bond.
 *   replicate   they agree up to `match`: entries go out as they come (Thesis §10.2.1), `next` runs ahead of the answers
 *               and a window bounds what is under way.
 *   snapshot    it lacks entries that are compacted away: the snapshot goes to it in chunks, a few at a time (Raft §7), until
 *               it answers with an index past that.
 *
 * A learner catches up in rounds (Thesis §4.2.1): each ends with what the log held when it began, and a round that took
 * less than an election timeout shows that it can keep up.
 *
 * Only messages with entries are in the window; an answer frees all up to its match index.
 */
import { RAFT } from '../../limits.ts'
import type { LogIndex, Snapshot } from './messages.ts'

interface InFlight {
  readonly lastIndex: LogIndex
  readonly bytes: number
}

/** A round under way: what to reach, since when, and whether the one before was short enough. */
interface CatchUp {
  readonly target: LogIndex
  readonly sinceMs: number
  readonly fit: boolean
}

/** A snapshot on its way: chunks before `taken` are on the follower's disk, those before `next` were sent. */
interface Transfer {
  readonly index: LogIndex
  readonly chunks: number
  readonly taken: number
  readonly next: number
  /** When `taken` last moved, or everything since was sent again. */
  readonly sinceMs: number
  /** How often that was. */
  readonly resends: number
}

/** Each time a transfer is waited for twice as long, up to so many times: what is slow and not lost only gets slower by more of it. */
const RESENDS_COUNTED_MAX = 5

export interface Progress {
  readonly state: 'probe' | 'replicate' | 'snapshot'
  /** The highest index known to be on the follower's disk as in our log. */
  readonly match: LogIndex
  readonly next: LogIndex
  /** A probe is under way. */
  readonly probing: boolean
  readonly inFlight: readonly InFlight[]
  readonly inFlightBytes: number
  /** When it last answered; what check-quorum counts (Thesis §6.2). */
  readonly lastContactMs: number
  /** The highest confirmation round it answered (Thesis §6.4). */
  readonly round: number
  /** Of a learner that has answered; null for all others. */
  readonly catchUp: CatchUp | null
  /** In state `snapshot` only. */
  readonly transfer: Transfer | null
}

const NOTHING: readonly InFlight[] = []

/** `next` is a guess: right for a peer that held the whole log, corrected by its first answer for any other. */
export function probing(next: LogIndex, nowMs: number): Progress {
  return {
    state: 'probe',
    match: 0 as LogIndex,
    next,
    probing: false,
    inFlight: NOTHING,
    inFlightBytes: 0,
    lastContactMs: nowMs,
    round: 0,
    catchUp: null,
    transfer: null,
  }
}

/** `{ ...progress, ...changes }`, but ten times as fast (see `update` of the context): every message and every answer makes another. */
function changed(progress: Progress, changes: Partial<Progress>): Progress {
  const copy: Progress = {
    state: progress.state,
    match: progress.match,
    next: progress.next,
    probing: progress.probing,
    inFlight: progress.inFlight,
    inFlightBytes: progress.inFlightBytes,
    lastContactMs: progress.lastContactMs,
    round: progress.round,
    catchUp: progress.catchUp,
    transfer: progress.transfer,
  }
  return Object.assign(copy, changes)
}

/** What was under way on the old bond is gone: find out again, from what is known for sure. */
export function restarted(progress: Progress, next: LogIndex): Progress {
  return {
    ...progress,
    state: 'probe',
    next,
    probing: false,
    inFlight: NOTHING,
    inFlightBytes: 0,
    catchUp: null,
    transfer: null,
  }
}

/** Raft §7: it needs what only the snapshot has. */
export function transferring(progress: Progress, { index, chunks }: Snapshot, sinceMs: number): Progress {
  const transfer = { index, chunks, taken: 0, next: 0, sinceMs, resends: 0 }
  return { ...restarted(progress, progress.next), state: 'snapshot', transfer }
}

/** May the next chunk go out now? */
export function maySendChunk({ transfer }: Progress): boolean {
  if (transfer === null) return false
  const { chunks, next, taken } = transfer
  return next < chunks && next - taken < RAFT.snapshotChunksInFlightMax
}

export function chunkSent(progress: Progress): Progress {
  const { transfer } = progress
  return transfer === null ? progress : changed(progress, { transfer: { ...transfer, next: transfer.next + 1 } })
}

/**
 * It has all chunks before `next` of the snapshot at `index`: more than before, where part of it had come over an earlier bond; or fewer,
 * where it found what had come damaged.
 */
export function chunksTaken(progress: Progress, index: LogIndex, next: number, nowMs: number): Progress {
  const { transfer } = progress
  if (transfer === null || transfer.index !== index || next === transfer.taken) return progress
  const sent = next > transfer.taken ? Math.max(transfer.next, next) : next
  return changed(progress, { transfer: { ...transfer, taken: next, next: sent, sinceMs: nowMs } })
}

/** Nothing came of the chunks under way for so long: they were lost, or their answers. The last is sent again where all are taken. */
export function resentWhenStalled(progress: Progress, nowMs: number, patienceMs: number): Progress {
  const { transfer } = progress
  if (transfer === null || nowMs - transfer.sinceMs < patienceMs * 2 ** transfer.resends) return progress
  const next = Math.min(transfer.taken, transfer.chunks - 1)
  const resends = Math.min(transfer.resends + 1, RESENDS_COUNTED_MAX)
  return changed(progress, { transfer: { ...transfer, next, sinceMs: nowMs, resends } })
}

/** May the next entries go out now? */
export function maySend(progress: Progress, lastIndex: LogIndex): boolean {
  if (progress.state === 'snapshot') return false
  if (progress.state === 'probe') return !progress.probing
  return progress.next <= lastIndex && !isFull(progress)
}

function isFull({ inFlight, inFlightBytes }: Progress): boolean {
  return inFlight.length >= RAFT.inFlightMessagesMax || inFlightBytes >= RAFT.inFlightBytesMax
}

/** Entries up to `lastIndex` were sent. A probe leaves `next` where it is: it may have to be sent again. */
export function sent(progress: Progress, lastIndex: LogIndex, bytes: number): Progress {
  if (progress.state === 'probe') return changed(progress, { probing: true })
  return changed(progress, {
    next: (lastIndex + 1) as LogIndex,
    inFlight: [...progress.inFlight, { lastIndex, bytes }],
    inFlightBytes: progress.inFlightBytes + bytes,
  })
}

/** It answered, whatever it said. */
export function heard(progress: Progress, nowMs: number, round: number): Progress {
  return changed(progress, { lastContactMs: nowMs, round: Math.max(progress.round, round) })
}

/** Raft §5.3: its log agrees with ours up to `matchIndex`. */
export function matched(progress: Progress, matchIndex: LogIndex): Progress {
  const match = Math.max(progress.match, matchIndex) as LogIndex
  if (progress.transfer !== null && matchIndex < progress.transfer.index) return changed(progress, { match })
  const next = Math.max(progress.state === 'replicate' ? progress.next : 0, match + 1) as LogIndex
  let freed = 0
  let place = 0
  for (; place < progress.inFlight.length && progress.inFlight[place]!.lastIndex <= match; place++) {
    freed += progress.inFlight[place]!.bytes
  }
  return {
    state: 'replicate',
    match,
    next,
    probing: false,
    inFlight: place === 0 ? progress.inFlight : progress.inFlight.slice(place),
    inFlightBytes: progress.inFlightBytes - freed,
    lastContactMs: progress.lastContactMs,
    round: progress.round,
    catchUp: progress.catchUp,
    transfer: null,
  }
}

/** Thesis §4.2.1: an answer of a learner may end a round and begin the next. */
export function measured(progress: Progress, lastIndex: LogIndex, nowMs: number, roundMs: number): Progress {
  const { catchUp, match } = progress
  if (catchUp !== null && match < catchUp.target) return progress
  const fit = catchUp !== null && nowMs - catchUp.sinceMs < roundMs
  return changed(progress, { catchUp: { target: lastIndex, sinceMs: nowMs, fit } })
}

/** Its last round was short, and the one under way is not long already. */
export function isCaughtUp({ catchUp }: Progress, nowMs: number, roundMs: number): boolean {
  return catchUp?.fit === true && nowMs - catchUp.sinceMs < roundMs
}

/** A rejection that an answer since has overtaken, or that is not about the probe under way, says nothing new. */
export function isStaleRejection({ state, match, next }: Progress, prevIndex: LogIndex): boolean {
  if (state === 'snapshot') return true
  return state === 'replicate' ? prevIndex <= match : prevIndex !== next - 1
}

/** Raft §5.3: it does not hold the entry before `next`; look again at `hint`, but never before what is known to match. */
export function rejected(progress: Progress, prevIndex: LogIndex, hint: number): Progress {
  const next = Math.max(progress.match + 1, Math.min(prevIndex, hint)) as LogIndex
  return restarted(progress, next)
}
