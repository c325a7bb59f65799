/**
 * Answering those who would lead, in whatever role one is (Raft §5.2, §5.4.1; Thesis §4.2.3, §9.6). Answered are voters of
 * our configuration, and whoever's log is newer than ours, since a newer configuration may stand in it (Thesis §4.1): what
 * a learner, a removed member or a stranger asks for otherwise never disturbs.
 *
 * Leader stickiness: who has heard a leader within the minimum election timeout denies, and does not even adopt the term
 * of who asks, unless the leader itself sent it (Thesis §3.10). A leader hears itself.
 */
import { RAFT_TIMING } from '../../limits.ts'
import { isMember, isVoter } from './configuration.ts'
import { type RaftContext, update, withDeadline, withElection } from './context.ts'
import type { EventNamed, MessageEvent } from './events.ts'
import type { RaftMessage, RequestVote, Term } from './messages.ts'
import { chain, refuseTerm, reply, type Step, writeHardState } from './step.ts'

type Ballot = Pick<RequestVote, 'term' | 'lastIndex' | 'lastTerm'>

/** Thesis §4.2.3: is there a leader as far as this member can tell? */
export function hearsLeader({ self, leader, nowMs, election }: RaftContext): boolean {
  return leader === self || nowMs - election.leaderHeardMs < election.timing.electionTimeoutMs
}

/** Would this member vote for `from` in `ballot.term`? One vote a term, and only for a log no older than ours. */
function wouldVote(context: RaftContext, from: string, ballot: Ballot): boolean {
  const { term, votedFor, log } = context
  if (ballot.term < term || !log.isNoNewerThan(ballot.lastIndex, ballot.lastTerm)) return false
  return ballot.term > term || votedFor === null || votedFor === from
}

/**
 * Thesis §9.6: nothing is promised; it only tells how a vote would go. Who consents lets the other go first: a hint makes
 * several ask at nearly the same moment, and a split vote would cost all of them.
 */
export function onPreVote(context: RaftContext, event: EventNamed<'raft.preVote'>): Step {
  const { from, message } = event
  const granted = consents(context, event)
  const term = granted ? message.term : context.term
  const next = granted ? afterYou(context) : context
  return [next, reply(next, from, { type: 'PreVoteResponse', term, granted })]
}

function consents(context: RaftContext, { from, message }: EventNamed<'raft.preVote'>): boolean {
  return !hearsLeader(context) && wouldVote(context, from, message)
}

/**
 * Two that ask each other at the same moment would both be told to go ahead, and split the vote. So one of them stops asking: whoever's log is
 * the older, which the other refuses anyway, and of two that are alike the larger id.
 */
export function givesWay(context: RaftContext, event: EventNamed<'raft.preVote'>): boolean {
  const { from, message } = event
  return consents(context, event) && (!isAlike(context, message) || from < context.self)
}

function isAlike({ log }: RaftContext, { lastIndex, lastTerm }: Ballot): boolean {
  return lastIndex === log.lastIndex && lastTerm === log.lastTerm
}

/** It asks again as soon as the other has had its turn. */
export function giveWay(context: RaftContext, event: EventNamed<'raft.preVote'>): Step {
  return onPreVote(withElection(context, { deadlineMs: context.nowMs }), event)
}

function afterYou(context: RaftContext): RaftContext {
  const earliestMs = context.nowMs + RAFT_TIMING.hintPauseMaxMs
  return withElection(context, { deadlineMs: Math.max(context.election.deadlineMs, earliestMs) })
}

export function grantsVote(context: RaftContext, { from, message }: EventNamed<'raft.requestVote'>): boolean {
  if (hearsLeader(context) && !message.transfer) return false
  return message.term === context.term && wouldVote(context, from, message)
}

/** Raft §5.2: a vote is on disk before it is told (figure 2), and postpones our own campaign. */
export function onRequestVote(context: RaftContext, event: EventNamed<'raft.requestVote'>): Step {
  if (event.message.term < context.term) return [context, refuseTerm(context, event.from)]
  const granted = grantsVote(context, event)
  const answer = (next: RaftContext): Step => [
    next,
    reply(next, event.from, { type: 'RequestVoteResponse', term: next.term, granted }),
  ]
  if (!granted) return answer(context)
  const voted = withDeadline(update(context, { votedFor: event.from }))
  return context.votedFor === event.from ? answer(voted) : chain(writeHardState(voted), answer)
}

/**
 * May the sender ask for votes at all? One that is promoted by an entry we do not hold yet may be the only one that can
 * win, so who is ahead of us may ask. A member that was removed lacks the entry that removed it, so it is not ahead of
 * those who hold that.
 */
export function mayAsk(context: RaftContext, { from, message }: MessageEvent): boolean {
  const { configuration, log } = context
  if (isVoter(configuration, from)) return true
  if (!('lastIndex' in message)) return false
  return log.isNoNewerThan(message.lastIndex, message.lastTerm) && !isAlike(context, message)
}

/**
 * Raft §5.1: a newer term that must be adopted before the message is looked at. Not that of a pre-vote or of its consent,
 * which nobody has adopted. A leader's term counts whatever our configuration says, as ours may be the older one. A
 * learner's counts where it says that a term is over, else a leader of an older term could never bring it back.
 */
export function isOfNewerTerm(context: RaftContext, event: MessageEvent): boolean {
  const { message } = event
  return termOf(message) > context.term && mustHeed(context, event)
}

function termOf(message: RaftMessage): number {
  if (message.type === 'PreVote' || (message.type === 'PreVoteResponse' && message.granted)) return 0
  return 'term' in message ? message.term : 0
}

function mustHeed(context: RaftContext, event: MessageEvent): boolean {
  const { from, message } = event
  switch (message.type) {
    case 'AppendEntries':
    case 'InstallSnapshot':
      return true
    case 'NewerTerm':
      return isMember(context.configuration, from)
    case 'RequestVote':
      return mayAsk(context, event) && (message.transfer || !hearsLeader(context))
    default:
      return isVoter(context.configuration, from)
  }
}

/** A leader of the term this member is in. */
export function isOfThisTerm({ term }: RaftContext, { message }: MessageEvent): boolean {
  return termOf(message) === term
}

/** The newer term of an event that `isOfNewerTerm`. */
export function newerTerm({ message }: MessageEvent): Term {
  return termOf(message) as Term
}
