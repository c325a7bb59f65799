/**
 * How a leader changes the configuration, as pure rules: who is admitted, who may vote, who is removed. One rule at a time
 * proposes the next configuration, which differs from the one before by one member (Thesis §4.1), so that any majority of
 * the one and any majority of the other share a member.
 *
 * The target is odd: an even number of voters bears no more failures than the odd one below it. No rule ever takes a vote
 * from who has it and is there; a change is proposed only while a majority of what it leads to answers, so that it can be
 * committed, and the leader is never removed: who leaves hands over first, and its successor removes it.
 */
import type { PeerId } from '../../identity/keys.ts'
import { RAFT } from '../../limits.ts'
import { isMember, isVoter, latestIndex, withLearner, without, withVoter } from './configuration.ts'
import { LONG_AGO_MS, otherVoters, type RaftContext } from './context.ts'
import type { Configuration } from './messages.ts'
import { isCaughtUp } from './progress.ts'
import { isMajority } from './quorum.ts'
import { hasCommittedInTerm } from './read-index.ts'
import { isReachable } from './replication.ts'

type Rule = (context: RaftContext) => Configuration | null

/** Thesis §4.1 and its correction of 2015: the change before and an entry of this term are committed. */
export function mayChange(context: RaftContext): boolean {
  const { configurations, commitIndex, election } = context
  return latestIndex(configurations) <= commitIndex && hasCommittedInTerm(context) && election.transfer === null
}

/** What the configuration should become next; null where it is as it should be, or cannot be better yet. */
export function nextConfiguration(context: RaftContext): Configuration | null {
  for (const rule of [departure, admission, promotion, replacement, burial]) {
    const next = rule(context)
    if (next !== null) return next
  }
  return null
}

/** The largest odd number of voters there are members for, within `votersMax`. */
export function votersTarget(votersMax: number, available: number): number {
  const most = Math.min(votersMax, available)
  return most % 2 === 0 ? most - 1 : most
}

/** Who said goodbye is no member any more. */
export const departure: Rule = (context) => {
  const { configuration, membership } = context
  for (const peer of membership.departed) {
    if (!isMember(configuration, peer)) continue
    const next = without(configuration, peer)
    if (!isVoter(configuration, peer) || canDecide(context, next)) return next
  }
  return null
}

/** Thesis §4.2.1: a bonded peer that holds no log, or ours, follows it from now on. */
export const admission: Rule = (context) => {
  const { configuration, peers } = context
  const waiting = [...peers.keys()].filter((peer) => isReachable(context, peer) && !isMember(configuration, peer))
  const [newcomer] = waiting.sort()
  return newcomer === undefined ? null : withLearner(configuration, newcomer)
}

/** Thesis §4.2.1: a learner that has caught up may vote, while the voters are fewer than they should be. */
export const promotion: Rule = (context) => {
  const { configuration, membership } = context
  const ready = readyLearners(context)
  const [first] = ready
  if (first === undefined) return null
  const present = configuration.voters.filter((voter) => !isGone(context, voter))
  const target = votersTarget(membership.votersMax, present.length + ready.length)
  const next = withVoter(configuration, first)
  return next.voters.length <= target && canDecide(context, next) ? next : null
}

/** A voter that is gone makes room for a learner that has caught up, which is promoted next. */
export const replacement: Rule = (context) => {
  const { configuration } = context
  if (readyLearners(context).length === 0) return null
  for (const voter of otherVoters(context)) {
    const next = without(configuration, voter)
    if (isGone(context, voter) && canDecide(context, next)) return next
  }
  return null
}

/** A learner that is gone is forgotten; should it come back, it is admitted again. */
export const burial: Rule = (context) => {
  const { configuration, peers } = context
  const gone = configuration.learners.find((learner) => isGone(context, learner) && !peers.has(learner))
  return gone === undefined ? null : without(configuration, gone)
}

/** Learners that could vote as of now, those who would rather not last. Observers are never among them. */
function readyLearners(context: RaftContext): PeerId[] {
  const { configuration, progress, nowMs, election } = context
  const ready = configuration.learners.filter((learner) => {
    const known = progress.get(learner)
    const mayVote = isReachable(context, learner) && preferenceOf(context, learner) !== 'observer'
    return mayVote && known !== undefined && isCaughtUp(known, nowMs, election.timing.electionTimeoutMs)
  })
  return ready.sort((a, b) => reluctance(context, a) - reluctance(context, b))
}

function preferenceOf({ peers }: RaftContext, peer: PeerId) {
  return peers.get(peer)?.preference ?? 'normal'
}

/** The lower, the rather it should be chosen. */
export function reluctance(context: RaftContext, peer: PeerId): number {
  return ['normal', 'reluctant', 'observer'].indexOf(preferenceOf(context, peer))
}

/** For how long a member has not answered this leader. */
export function silenceMs({ self, nowMs, progress }: RaftContext, peer: PeerId): number {
  return peer === self ? 0 : nowMs - (progress.get(peer)?.lastContactMs ?? LONG_AGO_MS)
}

function isGone(context: RaftContext, peer: PeerId): boolean {
  return silenceMs(context, peer) >= RAFT.deadAfterMs
}

/** Do a majority of these voters answer now? Else what follows could not be committed. */
function canDecide(context: RaftContext, configuration: Configuration): boolean {
  const { self, peers, election } = context
  return isMajority(configuration, (voter) => {
    const answers = peers.has(voter) && silenceMs(context, voter) < election.timing.electionTimeoutMs
    return voter === self || answers
  })
}
