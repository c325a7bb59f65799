/**
 * Log compaction (Raft §7; Thesis §5.1): a snapshot of the state machine stands for the beginning of the log, which is dropped. Every member
 * takes its own, of what it has applied.
 *
 * Lifecycle of one: due -> `takeSnapshot` -> saved (on disk) -> the log is cut before it, but for a tail that followers may still ask for.
 *
 * Invariants: the log is cut only behind a snapshot that is on disk, and never past it. A leader keeps what a follower that answers
 * still lacks, and takes no new snapshot while one is on its way to a follower, each up to a bound: else a busy group would outrun
 * whoever catches up, again and again.
 */
import { type RaftContext, update, withSnapshots } from './context.ts'
import type { EventNamed } from './events.ts'
import type { LogIndex } from './messages.ts'
import type { Progress } from './progress.ts'
import { replicate } from './replication.ts'
import { chain, type Step, stay, writeSnapshot } from './step.ts'

/** How many times `bytesMax` the log may hold for the sake of those who catch up. */
const PATIENCE = 2

/** After a commit. The configuration in force there is the first of those that still matter. */
export function takeSnapshotWhenDue(context: RaftContext): Step {
  if (!isDue(context)) return stay(context)
  const { commitIndex: index, log, configurations, formation } = context
  const at = { index, term: log.termAt(index)!, configuration: configurations[0]!, founders: formation.voters }
  const next = withSnapshots(context, { taking: true, takenAt: index, appliedBytes: 0 })
  return [next, [{ type: 'takeSnapshot', params: at }]]
}

/**
 * Thesis §5.1.2: after so many entries, but not before the log has grown by what the last snapshot took, so that a large state is not
 * written more often than the log itself; and in any case after so many bytes.
 */
function isDue(context: RaftContext): boolean {
  const { compaction, saved, taking, takenAt, appliedBytes } = context.snapshots
  if (taking) return false
  const { entriesMax, bytesMax } = compaction
  const grown = context.commitIndex - takenAt >= entriesMax && appliedBytes >= (saved?.bytes ?? 0)
  if (!grown && appliedBytes < bytesMax) return false
  return appliedBytes >= PATIENCE * bytesMax || !answering(context).some(({ state }) => state === 'snapshot')
}

/** The followers of this leader that are there. */
function answering({ progress, nowMs, election }: RaftContext): readonly Progress[] {
  const { electionTimeoutMs } = election.timing
  return [...progress.values()].filter(({ lastContactMs }) => nowMs - lastContactMs < electionTimeoutMs)
}

/** It is on disk, so what it stands for need not stay in the log. One that came from a leader meanwhile is newer. */
export function onSnapshotSaved(context: RaftContext, { snapshot }: EventNamed<'raft.snapshotSaved'>): Step {
  const { saved } = context.snapshots
  if (saved !== null && saved.index >= snapshot.index) return stay(withSnapshots(context, { taking: false }))
  return chain(compact(withSnapshots(context, { taking: false, saved: snapshot }), snapshot.index), (next) =>
    replicate(next, 'entries'),
  )
}

/** The state machine could not be asked, or the disk: the log stays until the next one is due. */
export function onSnapshotAbandoned(context: RaftContext): Step {
  return stay(withSnapshots(context, { taking: false }))
}

function compact(context: RaftContext, upTo: LogIndex): Step {
  const { log } = context
  const index = firstKept(context, upTo)
  if (index <= log.offset) return stay(context)
  const compacted = log.compactedTo(index)
  return writeSnapshot(update(context, { log: compacted }), { kind: 'compact', base: compacted.base })
}

/** After which entry the log goes on: a short tail is kept, and a longer one where a follower that answers is further behind. */
function firstKept(context: RaftContext, upTo: LogIndex): LogIndex {
  const { log, snapshots } = context
  const { trailingMax, trailingBytesMax, bytesMax } = snapshots.compaction
  const tail = log.tailStart(upTo, trailingBytesMax, trailingMax)
  const needed = answering(context).map(({ state, match }) => (state === 'replicate' ? match : tail))
  const least = Math.min(tail, ...needed)
  if (least === tail) return tail
  return Math.max(least, log.tailStart(upTo, bytesMax, Number.POSITIVE_INFINITY)) as LogIndex
}
