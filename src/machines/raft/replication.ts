/**
 * What a leader sends to whom (Raft §5.3; Thesis §10.2.1: batched and pipelined). Peers that are at the same place get the
 * same message, so it is encoded once. AppendEntries wait for the leader's term on its disk, not for its entries: disk and
 * network work at the same time, and the leader counts itself only when its disk has answered.
 */

import { assert } from '../../errors.ts'
import type { PeerId } from '../../identity/keys.ts'
import { RAFT } from '../../limits.ts'
import { type RaftContext, update, withReads } from './context.ts'
import { type Batch, NO_ENTRIES } from './log.ts'
import type { AppendEntries, LogIndex } from './messages.ts'
import { chunkSent, maySend, maySendChunk, type Progress, resentWhenStalled, sent, transferring } from './progress.ts'
import { type Effect, type Step, sendTo, stay } from './step.ts'

/**
 * Why messages go out. `entries`: there may be some to send. `commit`: the commit index moved and every follower should
 * know at once, since its own clients wait for it. `heartbeat`: everyone must hear and answer.
 */
export type Occasion = 'entries' | 'commit' | 'heartbeat'

interface Outgoing {
  readonly next: LogIndex
  readonly batch: Batch
  readonly to: PeerId[]
}

/** May this bonded peer get our log: it has none yet, or ours? */
export function isReachable({ peers, formation }: RaftContext, peer: PeerId): boolean {
  const held = peers.get(peer)?.formation
  return held === null || (held !== undefined && held === formation.id)
}

/** Send each follower what its state and its window allow. */
export function replicate(context: RaftContext, occasion: Occasion): Step {
  const outgoing = new Map<number, Outgoing>()
  const chunks: Effect[] = []
  let progress: Map<PeerId, Progress> | null = null
  for (const [peer, before] of context.progress) {
    if (!isReachable(context, peer)) continue
    const after = lacksEntries(context, before)
      ? feedSnapshot(context, peer, before, occasion, outgoing, chunks)
      : feed(context, peer, before, occasion, outgoing)
    if (after === before) continue
    progress ??= new Map(context.progress)
    progress.set(peer, after)
  }
  if (outgoing.size === 0 && chunks.length === 0) return stay(context)
  const effects = effectsOf(context, outgoing)
  return [
    progress === null ? context : update(context, { progress }),
    chunks.length === 0 ? effects : [...effects, ...chunks],
  ]
}

/** Raft §7: the next entry it needs is compacted away. */
function lacksEntries({ log }: RaftContext, { state, next }: Progress): boolean {
  return state === 'snapshot' || next <= log.offset
}

/** Chunks of our snapshot, the newest there is; and heartbeats, which it rejects and thereby answers. */
function feedSnapshot(
  context: RaftContext,
  peer: PeerId,
  before: Progress,
  occasion: Occasion,
  outgoing: Map<number, Outgoing>,
  chunks: Effect[],
): Progress {
  const { log, snapshots, nowMs, term, election, writes } = context
  const snapshot = snapshots.saved
  assert(snapshot !== null, `the log begins after ${log.offset}, and nothing stands for what was before`)
  let progress = before.transfer?.index === snapshot.index ? before : transferring(before, snapshot, nowMs)
  if (occasion === 'heartbeat') {
    progress = resentWhenStalled(progress, nowMs, election.timing.electionTimeoutMs)
    const next = (log.offset + 1) as LogIndex
    put(outgoing, next * 2 + 1, peer, next, () => NO_ENTRIES)
  }
  for (; maySendChunk(progress); progress = chunkSent(progress)) {
    const chunk = progress.transfer!.next
    chunks.push({ type: 'sendChunk', params: { to: peer, term, snapshot, chunk, after: writes.hardState } })
  }
  return progress
}

function feed(
  { log }: RaftContext,
  peer: PeerId,
  before: Progress,
  occasion: Occasion,
  outgoing: Map<number, Outgoing>,
): Progress {
  let progress = occasion === 'heartbeat' && before.probing ? { ...before, probing: false } : before
  let silent = true
  while (maySend(progress, log.lastIndex)) {
    const { next } = progress
    const batch = put(outgoing, next * 2, peer, next, () => log.slice(next, RAFT.appendBytesMax, RAFT.appendEntriesMax))
    progress = sent(progress, (next + batch.span - 1) as LogIndex, batch.bytes)
    silent = false
  }
  if (silent && occasion !== 'entries' && progress.state === 'replicate') {
    put(outgoing, progress.next * 2 + 1, peer, progress.next, () => NO_ENTRIES)
  }
  return progress
}

/** Join the peers that get the same message. Messages with entries and without have keys of their own. */
function put(outgoing: Map<number, Outgoing>, key: number, peer: PeerId, next: LogIndex, batchOf: () => Batch): Batch {
  const known = outgoing.get(key)
  if (known !== undefined) {
    known.to.push(peer)
    return known.batch
  }
  const batch = batchOf()
  outgoing.set(key, { next, batch, to: [peer] })
  return batch
}

/** In log order, because a peer may get several. */
function effectsOf(context: RaftContext, outgoing: ReadonlyMap<number, Outgoing>): Effect[] {
  const groups = [...outgoing.values()]
  if (groups.length > 1) groups.sort((a, b) => a.next - b.next)
  const effects: Effect[] = []
  for (const { next, batch, to } of groups) {
    effects.push(...sendTo(context, to, appendEntries(context, next, batch), context.writes.hardState))
  }
  return effects
}

function appendEntries({ term, log, commitIndex, reads }: RaftContext, next: LogIndex, batch: Batch): AppendEntries {
  const prevIndex = (next - 1) as LogIndex
  const prevTerm = log.termAt(prevIndex) ?? log.baseTerm
  return {
    type: 'AppendEntries',
    term,
    prevIndex,
    prevTerm,
    commit: commitIndex,
    round: reads.round,
    entries: batch.entries,
  }
}

/**
 * Thesis §6.4: everyone must answer a new round. Reads that wait join it, if the commit index can be trusted already
 * (Raft §8). A round is a heartbeat too.
 */
export function beginRound(context: RaftContext): Step {
  const { reads, log, commitIndex, term, nowMs, election } = context
  const round = reads.round + 1
  const joins = log.termAt(commitIndex) === term
  const joining = joins ? reads.waiting.map((read) => ({ ...read, index: commitIndex, round })) : []
  const next = withReads(context, {
    round,
    roundDueMs: nowMs + election.timing.heartbeatIntervalMs,
    waiting: joins ? [] : reads.waiting,
    confirming: [...reads.confirming, ...joining],
  })
  return replicate(next, 'heartbeat')
}
