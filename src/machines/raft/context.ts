/**
 * The state of one member and the form of every rule over it. A rule is a function from context (and event) to a `Step`:
 * the next context and the effects, in order. `chain` puts rules one after the other. Nothing here is ever changed in place.
 *
 * `writes` is how persist-before-send is kept (Thesis §10.2.1): each write has a number, every send names the number it
 * waits for, and a leader counts its own entries only up to `durableIndex`.
 */
import type { PeerId } from '../../identity/keys.ts'
import type { RaftTiming } from '../../limits.ts'
import { nextBetween, type RandomState, randomFrom } from '../random.ts'
import { afterCommit, afterWrite, type Configurations, isVoter, latest, othersThan } from './configuration.ts'
import type { Apply, Formation, HardState, Persist, Respond, Send } from './effects.ts'
import { Log } from './log.ts'
import type { Configuration, Entry, FormationId, LogIndex, RaftMessage, Term } from './messages.ts'
import type { Progress } from './progress.ts'

export interface RaftInput {
  readonly self: PeerId
  /** How many voters this member would form a group with; 0: it only joins. */
  readonly voters: number
  readonly timing: RaftTiming
  readonly seed: RandomState
  readonly nowMs: number
  /** What was on disk, at a restart. */
  readonly persisted?: { readonly hardState: HardState; readonly entries: readonly Entry[] }
}

/** A bonded peer, and what it said of itself. `formation` is undefined until it introduced itself. */
export interface Neighbour {
  readonly formation: FormationId | null | undefined
  readonly voters: number
}

/** The state of forming the first configuration; of no meaning once formed. */
export interface Founding {
  /** Who is known to have accepted the proposal this member is bound to. */
  readonly accepted: ReadonlySet<PeerId>
  /** When to tell the voters again, or to propose again after a refusal. */
  readonly againMs: number
  /** It met a formed group: it joins that and never forms one. */
  readonly joinsOnly: boolean
}

export interface Writes {
  /** The number of the newest write. */
  readonly issued: number
  /** The newest write with term and vote. */
  readonly hardState: number
  /** Entries up to here are on disk. */
  readonly durableIndex: LogIndex
  /** Writes under way, and the last index each brings to disk. */
  readonly pending: readonly { readonly number: number; readonly lastIndex: LogIndex }[]
}

export interface LeaderRead {
  readonly id: number
  /** Null: a read of this member. */
  readonly from: PeerId | null
  /** What must be applied before it is answered, and the round that confirms the leadership. */
  readonly index: LogIndex
  readonly round: number
}

export interface Reads {
  /** Not yet in a round. */
  readonly waiting: readonly { readonly id: number; readonly from: PeerId | null }[]
  /** In a round that a majority has not yet answered. */
  readonly confirming: readonly LeaderRead[]
  /** Asked of the leader. */
  readonly forwarded: readonly { readonly id: number; readonly askedMs: number }[]
}

export interface RaftContext {
  readonly self: PeerId
  readonly foundingVoters: number
  readonly timing: RaftTiming
  readonly nowMs: number
  readonly random: RandomState
  readonly peers: ReadonlyMap<PeerId, Neighbour>
  /** When to introduce ourselves again to those who seem not to know us. */
  readonly introduceDueMs: number
  /** Peers already reported as `rivalGroup`. */
  readonly rivals: ReadonlySet<PeerId>
  readonly formation: Formation
  readonly founding: Founding
  readonly term: Term
  readonly votedFor: PeerId | null
  readonly leader: PeerId | null
  /** When an AppendEntries of a leader last came; what stickiness counts from (Thesis §4.2.3). */
  readonly leaderHeardMs: number
  readonly log: Log
  readonly commitIndex: LogIndex
  /** Handed to `apply`. */
  readonly appliedIndex: LogIndex
  readonly configuration: Configuration
  readonly configurations: Configurations
  readonly writes: Writes
  /** Drawn anew for every wait, so that two members seldom campaign together (Raft §5.2). */
  readonly electionTimeoutMs: number
  readonly electionDeadlineMs: number
  readonly votes: ReadonlyMap<PeerId, boolean>
  /** The newest round answered to the leader. */
  readonly answeredRound: number
  readonly reads: Reads
  // What only a leader has.
  readonly progress: ReadonlyMap<PeerId, Progress>
  readonly round: number
  readonly heartbeatDueMs: number
  readonly uncommittedBytes: number
  readonly transfer: { readonly to: PeerId; readonly deadlineMs: number; readonly asked: boolean } | null
}

export type Effect =
  | { readonly type: 'persist'; readonly params: Persist }
  | { readonly type: 'send'; readonly params: Send }
  | { readonly type: 'apply'; readonly params: Apply }
  | { readonly type: 'respond'; readonly params: Respond }

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

export const NEVER_MS = Number.POSITIVE_INFINITY
export const LONG_AGO_MS = Number.NEGATIVE_INFINITY
const UNFORMED: Formation = { status: 'none', id: null, voters: [], refused: [] }
export const NO_READS: Reads = { waiting: [], confirming: [], forwarded: [] }

export function initialContext(input: RaftInput): RaftContext {
  const entries = input.persisted?.entries ?? []
  const hardState = input.persisted?.hardState ?? { term: 0 as Term, votedFor: null, formation: UNFORMED }
  const log = Log.of(entries)
  const configurations = afterWrite([], 1 as LogIndex, entries)
  return {
    self: input.self,
    foundingVoters: input.voters,
    timing: input.timing,
    nowMs: input.nowMs,
    random: randomFrom(input.seed),
    peers: new Map(),
    introduceDueMs: input.nowMs + input.timing.electionTimeoutMs,
    rivals: new Set(),
    formation: hardState.formation,
    founding: { accepted: acceptedAtStart(input.self, hardState.formation), againMs: input.nowMs, joinsOnly: false },
    term: hardState.term,
    votedFor: hardState.votedFor,
    leader: null,
    leaderHeardMs: LONG_AGO_MS,
    log,
    commitIndex: 0 as LogIndex,
    appliedIndex: 0 as LogIndex,
    configuration: latest(configurations),
    configurations,
    writes: { issued: 0, hardState: 0, durableIndex: log.lastIndex, pending: [] },
    electionTimeoutMs: input.timing.electionTimeoutMs,
    electionDeadlineMs: NEVER_MS,
    votes: new Map(),
    answeredRound: 0,
    reads: NO_READS,
    progress: new Map(),
    round: 0,
    heartbeatDueMs: NEVER_MS,
    uncommittedBytes: 0,
    transfer: null,
  }
}

function acceptedAtStart(self: PeerId, { status, voters }: Formation): ReadonlySet<PeerId> {
  return new Set(status === 'accepted' ? [self, voters[0]!] : [])
}

/** The earliest moment at which a tick is due before the next regular one; `NEVER_MS` where nothing waits. */
export function nextDeadlineMs(context: RaftContext): number {
  const { electionDeadlineMs, heartbeatDueMs, founding, nowMs } = context
  const formingMs = context.formation.status !== 'formed' && founding.againMs > nowMs ? founding.againMs : NEVER_MS
  return Math.min(electionDeadlineMs, heartbeatDueMs, formingMs)
}

/** A random moment between two durations from now. */
export function drawn(context: RaftContext, minMs: number, maxMs: number): [number, RaftContext] {
  const [value, random] = nextBetween(context.random, minMs, maxMs)
  return [value, { ...context, random }]
}

/** Raft §5.2: wait for a leader, for a time drawn anew. A member without a vote waits for ever. */
export function withFreshTimeout(context: RaftContext): RaftContext {
  const { electionTimeoutMs, electionJitterMs } = context.timing
  const [timeout, next] = drawn(context, electionTimeoutMs, electionTimeoutMs + electionJitterMs)
  return withDeadline({ ...next, electionTimeoutMs: timeout })
}

/** The same timeout from now on. */
export function withDeadline(context: RaftContext): RaftContext {
  const { configuration, self, nowMs, electionTimeoutMs } = context
  const electionDeadlineMs = isVoter(configuration, self) ? nowMs + electionTimeoutMs : NEVER_MS
  return { ...context, electionDeadlineMs }
}

/** One message to peers we are bonded with; to nobody is no effect. */
export function sendTo(context: RaftContext, to: readonly PeerId[], message: RaftMessage, after: number): Effect[] {
  const bonded = to.filter((peer) => context.peers.has(peer))
  return bonded.length === 0 ? [] : [{ type: 'send', params: { to: bonded, message, after } }]
}

/** A message that must not leave before everything this member has decided is on disk. */
export function reply(context: RaftContext, to: PeerId, message: RaftMessage): Effect[] {
  return sendTo(context, [to], message, context.writes.issued)
}

export function otherVoters(context: RaftContext): PeerId[] {
  return context.configuration.voters.filter((voter) => voter !== context.self)
}

export function otherMembers(context: RaftContext): PeerId[] {
  return othersThan(context.configuration, context.self)
}

/** Raft figure 2, persistent state: term, vote and formation to disk. */
export function writeHardState(context: RaftContext): Step {
  return write(context, true, (context.log.lastIndex + 1) as LogIndex, [])
}

/** The log becomes `log`: written from `from` on with `entries`. The configuration follows it (Raft §6). */
export function writeEntries(context: RaftContext, log: Log, from: LogIndex, entries: readonly Entry[]): Step {
  const configurations = afterWrite(context.configurations, from, entries)
  const next = { ...context, log, configurations, configuration: latest(configurations) }
  return write(next, false, from, entries)
}

/** Term, vote, formation and entries in one write. */
export function write(context: RaftContext, hard: boolean, from: LogIndex, entries: readonly Entry[]): Step {
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
  return [{ ...context, writes: next }, [{ type: 'persist', params: { number, hardState, from, entries } }]]
}

/** The disk answered for every write up to `number`. */
export function onPersisted(context: RaftContext, number: number): RaftContext {
  const { writes } = context
  const done = writes.pending.findLast((one) => one.number <= number)
  if (done === undefined) return context
  const pending = writes.pending.filter((one) => one.number > number)
  return { ...context, writes: { ...writes, durableIndex: done.lastIndex, pending } }
}

/** Raft §5.3: entries up to `commitIndex` are committed; hand them on in order, once. */
export function commitUpTo(context: RaftContext, commitIndex: LogIndex): Step {
  if (commitIndex <= context.commitIndex) return stay(context)
  const from = (context.appliedIndex + 1) as LogIndex
  const entries = context.log.between(from, commitIndex)
  const configurations = afterCommit(context.configurations, commitIndex)
  return [
    { ...context, commitIndex, appliedIndex: commitIndex, configurations },
    [{ type: 'apply', params: { from, entries } }],
  ]
}
