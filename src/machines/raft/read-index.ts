/**
 * Linearizable reads without a log entry (Raft §8, Thesis §6.4).
 *
 * A leader that has committed an entry of its own term knows the newest commit index; that it still leads it learns from
 * a majority that answers a round begun *after* the read came. Reads that come while a round is under way share the
 * next one. A follower asks its leader for the index, and loses the read when it loses the leader.
 */
import { type RaftContext, withReads } from './context.ts'
import type { EventNamed } from './events.ts'
import { reachedByMajority } from './quorum.ts'
import { beginRound } from './replication.ts'
import { chain, type Effect, type Step, sendTo, stay } from './step.ts'

/** Raft §8: only an entry of its own term tells a leader what is committed. */
export function hasCommittedInTerm({ log, commitIndex, term }: RaftContext): boolean {
  return log.termAt(commitIndex) === term
}

/** `from` null: a read of this member. */
export function askRead(context: RaftContext, id: number, from: EventNamed<'raft.readIndex'>['from'] | null): Step {
  const waiting = [...context.reads.waiting, { id, from }]
  return settleReads(withReads(context, { waiting }))
}

/** Answer what is confirmed, then begin a round for what waits, unless one is still under way. */
export function settleReads(context: RaftContext): Step {
  const { confirming, waiting } = context.reads
  if (confirming.length === 0 && waiting.length === 0) return stay(context)
  return chain(answerConfirmed(context), (next) => {
    const { reads } = next
    const idle = reads.confirming.length === 0 && reads.waiting.length > 0
    return idle && hasCommittedInTerm(next) ? chain(beginRound(next), answerConfirmed) : stay(next)
  })
}

function answerConfirmed(context: RaftContext): Step {
  const { configuration, self, progress, reads } = context
  const confirmed = reachedByMajority(configuration, (voter) =>
    voter === self ? reads.round : (progress.get(voter)?.round ?? 0),
  )
  const ready = reads.confirming.filter((read) => read.round <= confirmed)
  if (ready.length === 0) return stay(context)
  const confirming = reads.confirming.filter((read) => read.round > confirmed)
  const next = withReads(context, { confirming })
  return [next, ready.flatMap(({ id, from, index }) => readAnswer(next, id, from, index))]
}

function readAnswer(
  context: RaftContext,
  id: number,
  from: EventNamed<'raft.readIndex'>['from'] | null,
  index: RaftContext['commitIndex'],
): Effect[] {
  if (from !== null) return sendTo(context, [from], { type: 'ReadIndexResponse', id, index }, 0)
  return [{ type: 'respond', params: { kind: 'readReady', id, index } }]
}

/** The leader lost its place: nobody can confirm these any more. Other members notice by the change of leader. */
export function loseLeaderReads(context: RaftContext): Step {
  const { waiting, confirming } = context.reads
  const own = [...waiting, ...confirming].filter(({ from }) => from === null)
  return [withReads(context, { waiting: [], confirming: [] }), lost(own)]
}

/** A follower asks its leader. */
export function forwardRead(context: RaftContext, id: number): Step {
  const { leader, peers, reads, nowMs } = context
  if (leader === null || !peers.has(leader)) return [context, lost([{ id }])]
  const forwarded = [...reads.forwarded, { id, askedMs: nowMs }]
  return [withReads(context, { forwarded }), sendTo(context, [leader], { type: 'ReadIndex', id }, 0)]
}

export function onReadIndexResponse(context: RaftContext, event: EventNamed<'raft.readIndexResponse'>): Step {
  const { id, index } = event.message
  const { reads } = context
  if (event.from !== context.leader || !reads.forwarded.some((read) => read.id === id)) return stay(context)
  const forwarded = reads.forwarded.filter((read) => read.id !== id)
  return [withReads(context, { forwarded }), [{ type: 'respond', params: { kind: 'readReady', id, index } }]]
}

export function loseForwarded(context: RaftContext): Step {
  const { forwarded } = context.reads
  if (forwarded.length === 0) return stay(context)
  return [withReads(context, { forwarded: [] }), lost(forwarded)]
}

/** A question or its answer was dropped on the way: give up after an election timeout. */
export function expireForwarded(context: RaftContext): Step {
  const { reads, nowMs, election } = context
  const isOld = (read: { askedMs: number }): boolean => nowMs - read.askedMs >= election.timing.electionTimeoutMs
  if (!reads.forwarded.some(isOld)) return stay(context)
  const forwarded = reads.forwarded.filter((read) => !isOld(read))
  return [withReads(context, { forwarded }), lost(reads.forwarded.filter(isOld))]
}

export function lost(reads: readonly { readonly id: number }[]): Effect[] {
  return reads.map(({ id }) => ({ type: 'respond', params: { kind: 'readLost', id } }))
}
