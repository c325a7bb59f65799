/**
 * Campaigning (Raft §5.2), always asked for first (Thesis §9.6): a pre-candidate keeps its term and finds out whether it
 * could win, so a member that was cut off comes back without forcing an election on those who have a leader.
 */
import type { PeerId } from '../../identity/keys.ts'
import { RAFT_TIMING } from '../../limits.ts'
import { drawn, otherVoters, type RaftContext, update, withElection, withFreshTimeout } from './context.ts'
import type { EventNamed, RaftEvent } from './events.ts'
import { loseLeader } from './follower.ts'
import type { PreVote, RequestVote, Term } from './messages.ts'
import { isLost, isMajority, isWon } from './quorum.ts'
import { chain, type Effect, isHardStateOnDisk, type Step, sendTo, stay, writeHardState } from './step.ts'

/** Thesis §9.6: would you vote for me in the term after this one? */
export function askPreVotes(context: RaftContext): Step {
  return chain(loseLeader(context), startCount, (next) => [next, request(next, preVoteOf(next), otherVoters(next))])
}

function preVoteOf({ term, log }: RaftContext): PreVote {
  return { type: 'PreVote', term: (term + 1) as Term, lastIndex: log.lastIndex, lastTerm: log.lastTerm }
}

/** Raft §5.2: a new term, a vote for oneself, both on disk before anyone is asked. */
export function campaign(context: RaftContext, event: RaftEvent): Step {
  const transfer = event.type === 'raft.timeoutNow'
  const next = update(context, { term: (context.term + 1) as Term, votedFor: context.self })
  return chain(writeHardState(next), loseLeader, startCount, (counting) => [
    counting,
    request(counting, voteRequestOf(counting, transfer), otherVoters(counting)),
  ])
}

function voteRequestOf({ term, log }: RaftContext, transfer: boolean): RequestVote {
  return { type: 'RequestVote', term, lastIndex: log.lastIndex, lastTerm: log.lastTerm, transfer }
}

function startCount(context: RaftContext): Step {
  return [withFreshTimeout(withElection(context, { votes: new Map([[context.self, true]]) })), []]
}

function request(context: RaftContext, message: PreVote | RequestVote, to: readonly PeerId[]): Effect[] {
  return sendTo(context, to, message, context.writes.issued)
}

/** A voter that was not bonded when we began is asked too. */
export function askPreVoteOf(context: RaftContext, { from }: EventNamed<'raft.introduce'>): Step {
  return [context, mayAsk(context, from) ? request(context, preVoteOf(context), [from]) : []]
}

export function askVoteOf(context: RaftContext, { from }: EventNamed<'raft.introduce'>): Step {
  return [context, mayAsk(context, from) ? request(context, voteRequestOf(context, false), [from]) : []]
}

/**
 * Whoever asks hears no leader any more: it is asked again where it refused, maybe because it still heard one then. Else both might wait out
 * their timeouts, one refused too early and the other because its log is the older.
 */
export function askPreVoteAgain(context: RaftContext, { from }: EventNamed<'raft.preVote'>): Step {
  if (context.election.votes.get(from) !== false) return stay(context)
  const votes = new Map(context.election.votes)
  votes.delete(from)
  const asking = withElection(context, { votes })
  return [asking, request(asking, preVoteOf(asking), [from])]
}

function mayAsk(context: RaftContext, peer: PeerId): boolean {
  return otherVoters(context).includes(peer) && !context.election.votes.has(peer)
}

export function countPreVote(context: RaftContext, { from, message }: EventNamed<'raft.preVoteResponse'>): RaftContext {
  if (message.granted && message.term !== context.term + 1) return context
  return counted(context, from, message.granted)
}

export function countVote(
  context: RaftContext,
  { from, message }: EventNamed<'raft.requestVoteResponse'>,
): RaftContext {
  return message.term === context.term ? counted(context, from, message.granted) : context
}

function counted(context: RaftContext, from: PeerId, granted: boolean): RaftContext {
  return withElection(context, { votes: new Map(context.election.votes).set(from, granted) })
}

/** One's own vote counts when it is on disk, as another's does: who decides alone might else lead the same term twice. */
export function hasWon({ self, configuration, election, writes }: RaftContext): boolean {
  const { votes } = election
  if (!isWon(configuration, votes)) return false
  return isHardStateOnDisk(writes) || isWon(configuration, new Map(votes).set(self, false))
}

/** So many refused that a majority cannot grant any more. */
export function hasLost({ configuration, election }: RaftContext): boolean {
  return isLost(configuration, election.votes)
}

/** The vote is split: of those that could still grant, no majority is bonded with us. */
export function isSplit({ self, configuration, election, peers }: RaftContext): boolean {
  const mayGrant = (voter: PeerId): boolean => election.votes.get(voter) ?? (voter === self || peers.has(voter))
  return !isMajority(configuration, mayGrant)
}

/**
 * Raft §5.2: after a split vote another random wait. A short one will do, because a majority granted the pre-votes a moment
 * ago: there is no leader to disturb, and a member that is alone never gets here.
 */
export function retrySoon(context: RaftContext): Step {
  const [pauseMs, next] = drawn(context, RAFT_TIMING.hintPauseMinMs, context.election.timing.electionJitterMs)
  return [withElection(withFreshTimeout(next), { deadlineMs: next.nowMs + pauseMs }), []]
}
