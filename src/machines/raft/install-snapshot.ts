/**
 * A follower takes its leader's snapshot (Raft §7, figure 13): it lacks entries that the leader has compacted away.
 *
 * Lifecycle: chunks come in order and are kept on disk beside this member's own snapshot -> all are there and together have the checksum
 * (`raft.snapshotReceived`) -> installed: the snapshot is this member's own, the log begins after it, the state machine is restored.
 *
 * Where it leaves the paper: a chunk is acknowledged by how many are there, so a transfer that was cut off goes on where it ended,
 * also after a restart. A heartbeat is an AppendEntries as always; it is rejected until the snapshot is installed.
 */
import { assert } from '../../errors.ts'
import type { PeerId } from '../../identity/keys.ts'
import { latest } from './configuration.ts'
import { type RaftContext, update, withDeadline, withSnapshots } from './context.ts'
import type { EventNamed } from './events.ts'
import { hearLeader } from './follower.ts'
import { bytesOf, Log } from './log.ts'
import { type InstallSnapshot, isSame, type LogIndex, type Snapshot } from './messages.ts'
import { chain, type Effect, refuseTerm, reply, type Step, stay, write, writeSnapshot } from './step.ts'

/** Raft figure 13, all of its receiver's rules. */
export function onInstallSnapshot(context: RaftContext, { from, message }: EventNamed<'raft.installSnapshot'>): Step {
  const { index } = message.snapshot
  if (message.term < context.term) return [context, refuseTerm(context, from)]
  assert(context.leader !== context.self, `a second leader in term ${context.term}: ${from}`)
  return chain(hearLeader(context, from), (next) =>
    index <= next.commitIndex ? [next, holdsAll(next, from, index)] : keepChunk(next, from, message),
  )
}

/** Chunks come in order; one that does not is answered with what is there. */
function keepChunk(context: RaftContext, from: PeerId, { snapshot, chunk, data }: InstallSnapshot): Step {
  const { receiving } = context.snapshots
  const next = receiving && isSame(snapshot, receiving.snapshot) ? receiving.next : 0
  if (chunk !== next || chunk >= snapshot.chunks) return [context, chunksHeld(context, from, snapshot.index, next)]
  const kept = withSnapshots(context, { receiving: { snapshot, next: next + 1 } })
  return chain(writeSnapshot(kept, { kind: 'chunk', snapshot, chunk, data }), (written) => [
    written,
    chunksHeld(written, from, snapshot.index, next + 1),
  ])
}

function chunksHeld(context: RaftContext, to: PeerId, index: LogIndex, next: number): Effect[] {
  return reply(context, to, { type: 'InstallSnapshotResponse', term: context.term, index, next })
}

function holdsAll(context: RaftContext, to: PeerId, matchIndex: LogIndex): Effect[] {
  const { term, reads } = context
  return reply(context, to, { type: 'AppendEntriesResponse', term, matchIndex, round: reads.answeredRound })
}

/** All chunks are on disk. Where they are not what the leader has, they are asked for once more. */
export function onSnapshotReceived(context: RaftContext, event: EventNamed<'raft.snapshotReceived'>): Step {
  const { snapshots, leader, commitIndex } = context
  const { receiving } = snapshots
  if (receiving === null || receiving.snapshot.index !== event.index) return stay(context)
  const done = withSnapshots(context, { receiving: null })
  if (event.index <= commitIndex) return stay(done)
  if (!event.intact) return [done, leader === null ? [] : chunksHeld(done, leader, event.index, 0)]
  return chain(install(done, receiving.snapshot), (next) => [
    next,
    leader === null ? [] : holdsAll(next, leader, event.index),
  ])
}

/** Raft figure 13, 6 to 8: entries after it stay where the log agrees with it there; else it is all there is. */
function install(context: RaftContext, snapshot: Snapshot): Step {
  const { index, term, configuration } = snapshot
  const agrees = context.log.matches(index, term)
  const log = agrees ? context.log.compactedTo(index) : Log.of([], snapshot)
  const later = agrees ? context.configurations.filter((one) => one.index > index) : []
  const configurations = [configuration, ...later]
  const next = update(context, {
    log,
    configurations,
    configuration: latest(configurations),
    commitIndex: index,
    snapshots: { ...context.snapshots, saved: snapshot, takenAt: index, appliedBytes: 0 },
    uncommittedBytes: context.leader === context.self ? bytesOf(log.between(index + 1, log.lastIndex)) : 0,
  })
  const from = (log.lastIndex + 1) as LogIndex
  return chain(write(withDeadline(next), false, from, [], { kind: 'install', snapshot }), (written) => [
    written,
    [{ type: 'restore', params: { snapshot } }],
  ])
}
