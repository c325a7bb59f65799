/**
 * The form of every rule: from context (and event) to a `Step`, the next context and the effects, in order. `chain` puts rules
 * one after the other. The steps that all roles share are here: to write, to send, to commit.
 *
 * `writes` is how persist-before-send is kept (Thesis §10.2.1): each write has a number, every send names the number it
 * waits for, and a leader counts its own entries only up to `durableIndex`.
 */
import type { PeerId } from '../../identity/keys.ts'
import { afterCommit, afterWrite, latest } from './configuration.ts'
import { type RaftContext, snapshotsWith, update, type Writes } from './context.ts'
import type { Apply, Persist, Respond, Restore, Send, SendChunk, SnapshotWrite, TakeSnapshot } from './effects.ts'
import { bytesOf, type Log } from './log.ts'
import type { Entry, LogIndex, RaftMessage } from './messages.ts'

export type Effect =
  | { readonly type: 'persist'; readonly params: Persist }
  | { readonly type: 'send'; readonly params: Send }
  | { readonly type: 'apply'; readonly params: Apply }
  | { readonly type: 'respond'; readonly params: Respond }
  | { readonly type: 'takeSnapshot'; readonly params: TakeSnapshot }
  | { readonly type: 'sendChunk'; readonly params: SendChunk }
  | { readonly type: 'restore'; readonly params: Restore }

export type Step = readonly [RaftContext, readonly Effect[]]
export type Rule = (context: RaftContext) => Step

const NO_EFFECTS: readonly Effect[] = []

/** Only the context changes. */
export function stay(context: RaftContext): Step {
  return [context, NO_EFFECTS]
}

/** Each rule on what the one before left. */
export function chain([context, effects]: Step, ...rules: readonly Rule[]): Step {
  let current = context
  let all = effects
  for (const rule of rules) {
    const [next, more] = rule(current)
    current = next
    if (more.length > 0) all = all.length > 0 ? [...all, ...more] : more
  }
  return [current, all]
}

/** One message to peers we are bonded with; to nobody is no effect. */
export function sendTo(context: RaftContext, to: readonly PeerId[], message: RaftMessage, after: number): Effect[] {
  const bonded = to.every((peer) => context.peers.has(peer)) ? to : to.filter((peer) => context.peers.has(peer))
  return bonded.length === 0 ? [] : [{ type: 'send', params: { to: bonded, message, after } }]
}

/** A message that must not leave before everything this member has decided is on disk. */
export function reply(context: RaftContext, to: PeerId, message: RaftMessage): Effect[] {
  return sendTo(context, [to], message, context.writes.issued)
}

/** Raft §5.1: what an older term sent is refused, and its sender should know that the term is over. */
export function refuseTerm(context: RaftContext, to: PeerId): Effect[] {
  return reply(context, to, { type: 'NewerTerm', term: context.term })
}

/** Raft figure 2, persistent state: term, vote and formation to disk. */
export function writeHardState(context: RaftContext): Step {
  return write(context, true, (context.log.lastIndex + 1) as LogIndex, [])
}

/** The log becomes `log`: written from `from` on with `entries`. The configuration follows it (Raft §6). */
export function writeEntries(context: RaftContext, log: Log, from: LogIndex, entries: readonly Entry[]): Step {
  const configurations = afterWrite(context.configurations, from, entries)
  const next = update(context, { log, configurations, configuration: latest(configurations) })
  return write(next, false, from, entries)
}

/** What becomes of a snapshot, or of the log's beginning; what the log ends with stays. */
export function writeSnapshot(context: RaftContext, snapshot: SnapshotWrite): Step {
  return write(context, false, (context.log.lastIndex + 1) as LogIndex, [], snapshot)
}

/** Term, vote, formation, entries and snapshot in one write. */
export function write(
  context: RaftContext,
  hard: boolean,
  from: LogIndex,
  entries: readonly Entry[],
  snapshot: SnapshotWrite | null = null,
): Step {
  const { writes, log } = context
  const number = writes.issued + 1
  const cut = (from - 1) as LogIndex
  const pending = writes.pending.map((one) => (one.lastIndex > cut ? { ...one, lastIndex: cut } : one))
  const next: Writes = {
    issued: number,
    hardState: hard ? number : writes.hardState,
    durableIndex: Math.min(writes.durableIndex, cut) as LogIndex,
    pending: [...pending, { number, lastIndex: log.lastIndex }],
  }
  const { term, votedFor, formation } = context
  const hardState = hard ? { term, votedFor, formation } : null
  return [
    update(context, { writes: next }),
    [{ type: 'persist', params: { number, hardState, from, entries, snapshot } }],
  ]
}

/** The disk answered for every write up to `number`. */
export function onPersisted(context: RaftContext, number: number): RaftContext {
  const { writes } = context
  const done = writes.pending.findLast((one) => one.number <= number)
  if (done === undefined) return context
  const pending = writes.pending.filter((one) => one.number > number)
  const { issued, hardState } = writes
  return update(context, { writes: { issued, hardState, durableIndex: done.lastIndex, pending } })
}

/** What this member itself decided counts from here on, as what others tell it does: a vote, an acceptance. */
export function isHardStateOnDisk({ hardState, pending }: Writes): boolean {
  return !pending.some(({ number }) => number <= hardState)
}

/** Raft §5.3: entries up to `commitIndex` are committed; hand them on in order, once. */
export function commitUpTo(context: RaftContext, commitIndex: LogIndex): Step {
  if (commitIndex <= context.commitIndex) return stay(context)
  const from = (context.commitIndex + 1) as LogIndex
  const entries = context.log.between(from, commitIndex)
  const bytes = bytesOf(entries)
  const next = update(context, {
    commitIndex,
    configurations: afterCommit(context.configurations, commitIndex),
    snapshots: snapshotsWith(context.snapshots, { appliedBytes: context.snapshots.appliedBytes + bytes }),
    uncommittedBytes: context.leader === context.self ? context.uncommittedBytes - bytes : 0,
  })
  return [next, [{ type: 'apply', params: { from, entries } }]]
}
