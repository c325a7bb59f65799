/**
 * A follower takes what its leader sends, answers once it is on disk, and campaigns when it hears nobody (Raft §5.2, §5.3).
 * Learners are followers whose deadline never comes.
 *
 * Where it leaves the paper: an empty AppendEntries that opens no new round is not answered. It only tells the commit index,
 * and answering it would double the messages of every batch.
 */
import { assert } from '../../errors.ts'
import { RAFT_TIMING } from '../../limits.ts'
import { takeSnapshotWhenDue } from './compaction.ts'
import {
  drawn,
  LONG_AGO_MS,
  mayCampaign,
  patience,
  type RaftContext,
  update,
  withDeadline,
  withElection,
  withFreshTimeout,
  withReads,
} from './context.ts'
import type { EventNamed, MessageEvent } from './events.ts'
import { type AppendEntries, type LogIndex, type Proposal, spansOf } from './messages.ts'
import { loseForwarded } from './read-index.ts'
import {
  chain,
  commitUpTo,
  type Effect,
  refuseTerm,
  reply,
  type Step,
  sendTo,
  stay,
  writeEntries,
  writeHardState,
} from './step.ts'
import { newerTerm } from './voting.ts'

/** Raft §5.1: a newer term makes a follower of everyone, without a vote given in it yet. */
export function adoptTerm(context: RaftContext, event: MessageEvent): Step {
  const next = update(context, { term: newerTerm(event), votedFor: null })
  return chain(writeHardState(next), loseLeader, awaitLeader)
}

/** No leader is known: reads asked of the old one are lost. */
export function loseLeader(context: RaftContext): Step {
  const [next, effects] = loseForwarded(context)
  const leaderless = withElection(update(next, { leader: null }), { leaderHeardMs: LONG_AGO_MS, votes: new Map() })
  return [withReads(leaderless, { answeredRound: 0 }), effects]
}

/** Raft §5.2: wait an election timeout, drawn anew. */
export function awaitLeader(context: RaftContext): Step {
  return stay(withFreshTimeout(context))
}

/** Raft §5.2: no leader heard for an election timeout. */
export function isElectionDue(context: RaftContext, nowMs: number): boolean {
  return nowMs >= context.election.deadlineMs && mayCampaign(context)
}

/** Raft figure 2, AppendEntries, all of its receiver's rules. */
export function onAppendEntries(context: RaftContext, { from, message }: EventNamed<'raft.appendEntries'>): Step {
  if (message.term < context.term) return [context, refuseTerm(context, from)]
  assert(context.leader !== context.self, `a second leader in term ${context.term}: ${from}`)
  const [heard, lost] = hearLeader(context, from)
  if (message.prevIndex < heard.log.offset) return [heard, [...lost, ...holdsCommitted(heard, from, message)]]
  if (!heard.log.matches(message.prevIndex, message.prevTerm))
    return [heard, [...lost, ...rejection(heard, from, message)]]
  return chain(
    [heard, lost],
    (next) => take(next, message),
    (next) => answer(next, from, message),
    (next) => commitUpTo(next, Math.max(next.commitIndex, committedBy(message)) as LogIndex),
    takeSnapshotWhenDue,
  )
}

/** It asks about what this member's snapshot stands for: all that is committed here is in the leader's log too (Raft §5.4). */
function holdsCommitted(context: RaftContext, from: MessageEvent['from'], { round }: AppendEntries): Effect[] {
  const { term, commitIndex: matchIndex } = context
  return reply(context, from, { type: 'AppendEntriesResponse', term, matchIndex, round })
}

/** Election Safety (Raft figure 3) is looked at where it would show first: a second leader in one term. */
export function hearLeader(context: RaftContext, from: EventNamed<'raft.appendEntries'>['from']): Step {
  assert(
    context.leader === null || context.leader === from,
    `${from} leads term ${context.term} beside ${context.leader}`,
  )
  const [next, effects] = context.leader === from ? stay(context) : loseLeader(context)
  const led = next.leader === from ? next : update(next, { leader: from })
  return [withDeadline(led, led.nowMs), effects]
}

/** §5.3: entries that conflict are cut, with all that follow; those that are there already stay. */
function take(context: RaftContext, { prevIndex, entries }: AppendEntries): Step {
  const { log, from, written } = context.log.truncateAndAppend(prevIndex, entries)
  if (from === null) return stay(context)
  assert(from > context.commitIndex, `entry ${from} would replace a committed one (commit ${context.commitIndex})`)
  const [next, effects] = writeEntries(context, log, from, written)
  return [withDeadline(next), effects]
}

/** Only what this message vouched for is known to be the leader's (figure 2, commitIndex). */
function committedBy({ commit, prevIndex, entries }: AppendEntries): number {
  return Math.min(commit, prevIndex + spansOf(entries))
}

function answer(context: RaftContext, from: MessageEvent['from'], message: AppendEntries): Step {
  const { round, prevIndex, entries } = message
  if (entries.length === 0 && round === context.reads.answeredRound) return stay(context)
  const matchIndex = (prevIndex + spansOf(entries)) as LogIndex
  const response = { type: 'AppendEntriesResponse', term: context.term, matchIndex, round } as const
  const answered = round === context.reads.answeredRound ? context : withReads(context, { answeredRound: round })
  return [answered, reply(context, from, response)]
}

/** §5.3, end: tell where to look next: the last of our entries whose term is not past the one that was asked for. */
function rejection(context: RaftContext, from: MessageEvent['from'], message: AppendEntries): Effect[] {
  const { log, term } = context
  const { prevIndex, prevTerm, round } = message
  const hintIndex = log.lastAtOrBelow(prevIndex, prevTerm)
  const hintTerm = log.termAt(hintIndex) ?? log.baseTerm
  return reply(context, from, { type: 'AppendEntriesRejection', term, prevIndex, hintIndex, hintTerm, round })
}

/** The bond to the leader is gone: a hint, not a proof. A voter asks soon whether others miss it too. */
export function onLeaderLost(context: RaftContext): Step {
  return chain(loseLeader(context), (next) => {
    if (!mayCampaign(next)) return stay(next)
    const [pauseMs, drew] = drawn(next, RAFT_TIMING.hintPauseMinMs, RAFT_TIMING.hintPauseMaxMs)
    return stay(withElection(drew, { deadlineMs: drew.nowMs + pauseMs * patience(drew) }))
  })
}

/** Commands go to the leader; it stamps them. */
export function forwardProposals(context: RaftContext, proposals: readonly Proposal[]): Step {
  const { leader, peers } = context
  if (leader === null || !peers.has(leader)) return refuse(context, proposals, 'NoLeader')
  return [context, sendTo(context, [leader], { type: 'Propose', proposals }, 0)]
}

export function refuse(context: RaftContext, proposals: readonly Proposal[], code: 'NoLeader' | 'Busy'): Step {
  return [context, [{ type: 'respond', params: { kind: 'refused', proposals, code } }]]
}

/** Thesis §3.10: the leader asks this voter to take its place. */
export function isAskedToLead(context: RaftContext, { from, message }: EventNamed<'raft.timeoutNow'>): boolean {
  return message.term === context.term && from === context.leader && mayCampaign(context)
}
