/**
 * Leading: append, replicate, commit, beat, and step down when a majority is silent (Raft §5.3, §5.4.2, §8; Thesis §6.2).
 *
 * A leader never counts an entry of an older term by its copies; it commits a no-op of its own first, and all before it
 * with it (§5.4.2). It changes the configuration one member at a time (Thesis §4.1), by the rules of `membership.ts`.
 */
import type { PeerId } from '../../identity/keys.ts'
import { RAFT } from '../../limits.ts'
import { takeSnapshotWhenDue } from './compaction.ts'
import { isVoter, latestIndex, othersThan } from './configuration.ts'
import {
  LONG_AGO_MS,
  NEVER_MS,
  otherMembers,
  otherVoters,
  type RaftContext,
  update,
  withElection,
  withReads,
} from './context.ts'
import type { EventNamed } from './events.ts'
import { refuse } from './follower.ts'
import { bytesOf } from './log.ts'
import { mayChange, nextConfiguration, reluctance } from './membership.ts'
import type { Configuration, Entry, LogIndex, Proposal, Term } from './messages.ts'
import {
  chunksTaken,
  heard,
  isStaleRejection,
  matched,
  measured,
  type Progress,
  probing,
  rejected,
  restarted,
} from './progress.ts'
import { isMajority, reachedByMajority } from './quorum.ts'
import { hasCommittedInTerm, loseLeaderReads, settleReads } from './read-index.ts'
import { beginRound, isReachable, replicate } from './replication.ts'
import { chain, commitUpTo, type Step, sendTo, stay, writeEntries } from './step.ts'

/** Raft §5.2, §8: everyone hears of the new leader with its no-op. */
export function lead(context: RaftContext): Step {
  const { self, nowMs, election, log, commitIndex, term } = context
  const progress = new Map(otherMembers(context).map((peer) => [peer, probing(firstNext(context, peer), nowMs)]))
  const uncommittedBytes = bytesOf(log.between(commitIndex + 1, log.lastIndex))
  const next = update(context, {
    leader: self,
    progress,
    uncommittedBytes,
    election: { ...election, votes: new Map(), deadlineMs: NEVER_MS },
    reads: { ...context.reads, round: 1, roundDueMs: nowMs + election.timing.heartbeatIntervalMs },
  })
  return append(next, [{ kind: 'noop', term, timeMs: nowMs }])
}

/** A peer without a log is sent all of it; one that holds ours probably has most (figure 2, nextIndex). */
function firstNext({ peers, log }: RaftContext, peer: PeerId): LogIndex {
  return (peers.get(peer)?.formation === null ? 1 : log.lastIndex + 1) as LogIndex
}

function append(context: RaftContext, entries: readonly Entry[]): Step {
  const from = (context.log.lastIndex + 1) as LogIndex
  const next = update(context, { uncommittedBytes: context.uncommittedBytes + bytesOf(entries) })
  return chain(writeEntries(next, next.log.append(entries), from, entries), (written) => replicate(written, 'entries'))
}

/** Raft §5.3: commands become entries of this term. */
export function onPropose(context: RaftContext, proposals: readonly Proposal[], timeMs: number): Step {
  if (context.election.transfer !== null) return refuse(context, proposals, 'NoLeader')
  if (context.uncommittedBytes >= RAFT.uncommittedBytesMax) return refuse(context, proposals, 'Busy')
  return appendProposals(context, proposals, timeMs)
}

/** Those of another member. One that cannot be taken is dropped: its sender offers it again. */
export function onForwardedProposals(context: RaftContext, proposals: readonly Proposal[]): Step {
  const full = context.election.transfer !== null || context.uncommittedBytes >= RAFT.uncommittedBytesMax
  return full ? stay(context) : appendProposals(context, proposals, context.nowMs)
}

function appendProposals(context: RaftContext, proposals: readonly Proposal[], timeMs: number): Step {
  if (proposals.length === 0) return stay(context)
  const { term } = context
  return append(
    context,
    proposals.map((proposal) => entryOf(proposal, term, timeMs)),
  )
}

/** Field by field: a spread that adds fields makes an object twice as large, and the log keeps millions. */
function entryOf(proposal: Proposal, term: Term, timeMs: number): Entry {
  if (proposal.kind === 'session') return { kind: 'session', nonce: proposal.nonce, term, timeMs }
  const { session, sequence, acknowledged, count, packed } = proposal
  return { kind: 'commands', session, sequence, acknowledged, count, packed, term, timeMs }
}

/** Raft §5.3, §5.4.2: a majority holds an entry of this term, so it and all before it are committed. */
export function advanceCommit(context: RaftContext): Step {
  const { configuration, self, writes, progress, log, term, commitIndex } = context
  const index = reachedByMajority(configuration, (voter) =>
    voter === self ? writes.durableIndex : (progress.get(voter)?.match ?? 0),
  ) as LogIndex
  if (index <= commitIndex || log.termAt(index) !== term) return stay(context)
  // Only these commits let the configuration change: the first of a term, and that of the change before.
  const changes = !hasCommittedInTerm(context) || latestIndex(context.configurations) > commitIndex
  const committed = chain(commitUpTo(context, index), takeSnapshotWhenDue)
  const changed = changes ? chain(committed, reconfigure) : committed
  return chain(changed, (moved) => replicate(moved, 'commit'), settleReads)
}

/** Its log agrees with ours up to `matchIndex`. */
export function onAppendEntriesResponse(
  context: RaftContext,
  { from, message }: EventNamed<'raft.appendEntriesResponse'>,
): Step {
  const before = context.progress.get(from)
  const { term, matchIndex, round } = message
  if (before === undefined || term !== context.term || !context.log.isEnd(matchIndex)) return stay(context)
  const agreed = matched(heard(before, context.nowMs, round), matchIndex)
  const after = isVoter(context.configuration, from) ? agreed : measuredBy(context, agreed)
  return chain(
    stay(withProgress(asFollower(context, from), from, after)),
    advanceCommit,
    sendMore(from),
    settleReads,
    handOver,
  )
}

function measuredBy({ log, nowMs, election }: RaftContext, progress: Progress): Progress {
  return measured(progress, log.lastIndex, nowMs, election.timing.electionTimeoutMs)
}

function withProgress(context: RaftContext, peer: PeerId, progress: Progress): RaftContext {
  return update(context, { progress: new Map(context.progress).set(peer, progress) })
}

/** It answered us, so it holds our log, whatever it said before (or we missed). */
function asFollower(context: RaftContext, peer: PeerId): RaftContext {
  const { peers, formation } = context
  const known = peers.get(peer)
  if (known === undefined || known.formation === formation.id) return context
  return update(context, { peers: new Map(peers).set(peer, { ...known, formation: formation.id }) })
}

/** Its window has room again. */
function sendMore(peer: PeerId): (context: RaftContext) => Step {
  return (context) =>
    context.progress.get(peer)!.next <= context.log.lastIndex ? replicate(context, 'entries') : stay(context)
}

/** Raft §5.3: its log differs before that place; look further back, whole terms at a time. */
export function onAppendEntriesRejection(
  context: RaftContext,
  { from, message }: EventNamed<'raft.appendEntriesRejection'>,
): Step {
  const before = context.progress.get(from)
  if (before === undefined || message.term !== context.term) return stay(context)
  const answered = heard(before, context.nowMs, message.round)
  if (isStaleRejection(before, message.prevIndex)) return settleReads(withProgress(context, from, answered))
  const hint = context.log.lastAtOrBelow(message.hintIndex, message.hintTerm) + 1
  const after = rejected(answered, message.prevIndex, hint)
  return chain(replicate(withProgress(context, from, after), 'entries'), settleReads)
}

/** Raft §7: so much of our snapshot is on its disk. */
export function onInstallSnapshotResponse(
  context: RaftContext,
  { from, message }: EventNamed<'raft.installSnapshotResponse'>,
): Step {
  const before = context.progress.get(from)
  if (before === undefined || message.term !== context.term) return stay(context)
  const { nowMs } = context
  const after = chunksTaken(heard(before, nowMs, before.round), message.index, message.next, nowMs)
  return replicate(withProgress(asFollower(context, from), from, after), 'entries')
}

/** A new bond: what was under way on the old one is lost. It goes on once the peer has said which log it holds. */
export function restartPeer(context: RaftContext, peer: PeerId): Step {
  const known = context.progress.get(peer)
  return stay(
    known === undefined ? context : withProgress(context, peer, restarted(known, nextOf(context, peer, known))),
  )
}

function nextOf(context: RaftContext, peer: PeerId, { match }: Progress): LogIndex {
  return match > 0 ? ((match + 1) as LogIndex) : firstNext(context, peer)
}

/** A bonded peer said which log it holds: send it what it lacks, or admit it. */
export function reachPeer(context: RaftContext, peer: PeerId): Step {
  const known = context.progress.get(peer)
  if (known === undefined || !isReachable(context, peer)) return reconfigure(context)
  const next = nextOf(context, peer, known)
  const corrected = known.match === 0 && known.next > next ? restarted(known, next) : known
  return replicate(withProgress(context, peer, corrected), 'entries')
}

/** Raft §6, Thesis §4.1: the next change, where one is due and the one before is done. In force as soon as it is appended. */
export function reconfigure(context: RaftContext): Step {
  const configuration = mayChange(context) ? nextConfiguration(context) : null
  if (configuration === null) return stay(context)
  const { term, nowMs } = context
  const next = update(context, { progress: progressFor(context, configuration) })
  return append(next, [{ kind: 'configuration', term, timeMs: nowMs, configuration }])
}

/** Of each other member: what is known of it, or a beginning. */
function progressFor(context: RaftContext, configuration: Configuration): ReadonlyMap<PeerId, Progress> {
  const { self, progress, nowMs } = context
  return new Map(
    othersThan(configuration, self).map((peer) => [
      peer,
      progress.get(peer) ?? probing(firstNext(context, peer), nowMs),
    ]),
  )
}

/** Heartbeats when due (Raft §5.2), an end to a transfer that takes too long (Thesis §3.10), and changes that are due. */
export function onLeaderTick(context: RaftContext): Step {
  const { election, nowMs, reads } = context
  const { transfer } = election
  const next = transfer !== null && nowMs >= transfer.deadlineMs ? withElection(context, { transfer: null }) : context
  return chain(nowMs >= reads.roundDueMs ? beginRound(next) : stay(next), reconfigure)
}

/** Thesis §6.2: no majority answered within an election timeout, so others may have another leader by now. */
export function isUnheard({ configuration, self, progress, election }: RaftContext, nowMs: number): boolean {
  return !isMajority(configuration, (voter) => {
    const lastContactMs = progress.get(voter)?.lastContactMs ?? LONG_AGO_MS
    return voter === self || nowMs - lastContactMs < election.timing.electionTimeoutMs
  })
}

/** Thesis §3.10: to `to`, or to the voter whose log is the fullest, of those who do not mind first. */
export function transferLeadership(context: RaftContext, wanted: PeerId | undefined): Step {
  const able = otherVoters(context).filter((voter) => isReachable(context, voter) && mayLead(context, voter))
  const matchOf = (voter: PeerId): number => context.progress.get(voter)?.match ?? 0
  const to =
    wanted ?? able.sort((a, b) => reluctance(context, a) - reluctance(context, b) || matchOf(b) - matchOf(a))[0]
  if (to === undefined || !able.includes(to)) return stay(context)
  const deadlineMs = context.nowMs + context.election.timing.electionTimeoutMs
  return handOver(withElection(context, { transfer: { to, deadlineMs, asked: false } }))
}

function mayLead({ peers }: RaftContext, peer: PeerId): boolean {
  return peers.get(peer)?.preference !== 'observer'
}

/** Once its log is as long as ours it may campaign, and will win. */
function handOver(context: RaftContext): Step {
  const { election, progress, log, term, writes } = context
  const { transfer } = election
  if (transfer === null || transfer.asked) return stay(context)
  if (progress.get(transfer.to)?.match !== log.lastIndex) return stay(context)
  const next = withElection(context, { transfer: { ...transfer, asked: true } })
  return [next, sendTo(context, [transfer.to], { type: 'TimeoutNow', term }, writes.hardState)]
}

/** No longer leading: whatever only a leader has is gone. */
export function concede(context: RaftContext): Step {
  const [next, effects] = loseLeaderReads(context)
  const silent = withReads(withElection(next, { transfer: null }), { roundDueMs: NEVER_MS })
  return [update(silent, { leader: null, progress: new Map(), uncommittedBytes: 0 }), effects]
}
