/**
 * The state of one member, as plain values: what Raft figure 2 lists, and what this project adds to it. Nothing here is ever
 * changed in place.
 */
import type { PeerId } from '../../identity/keys.ts'
import type { RaftTiming } from '../../limits.ts'
import { nextBetween, type RandomState, randomFrom } from '../random.ts'
import { afterWrite, type Configurations, isVoter, latest, othersThan } from './configuration.ts'
import type { Formation, HardState } from './effects.ts'
import { Log } from './log.ts'
import type { Configuration, Entry, FormationId, LogIndex, Term } from './messages.ts'
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

/**
 * `{ ...context, ...changes }`, but ten times as fast: a literal compiles to plain loads and stores, and every event copies
 * the context several times.
 */
export function update(context: RaftContext, changes: Partial<RaftContext>): RaftContext {
  return Object.assign(copyOf(context), changes)
}

function copyOf(context: RaftContext): RaftContext {
  return {
    self: context.self,
    foundingVoters: context.foundingVoters,
    timing: context.timing,
    nowMs: context.nowMs,
    random: context.random,
    peers: context.peers,
    introduceDueMs: context.introduceDueMs,
    rivals: context.rivals,
    formation: context.formation,
    founding: context.founding,
    term: context.term,
    votedFor: context.votedFor,
    leader: context.leader,
    leaderHeardMs: context.leaderHeardMs,
    log: context.log,
    commitIndex: context.commitIndex,
    appliedIndex: context.appliedIndex,
    configuration: context.configuration,
    configurations: context.configurations,
    writes: context.writes,
    electionTimeoutMs: context.electionTimeoutMs,
    electionDeadlineMs: context.electionDeadlineMs,
    votes: context.votes,
    answeredRound: context.answeredRound,
    reads: context.reads,
    progress: context.progress,
    round: context.round,
    heartbeatDueMs: context.heartbeatDueMs,
    uncommittedBytes: context.uncommittedBytes,
    transfer: context.transfer,
  }
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
  return [value, update(context, { random })]
}

/** Raft §5.2: wait for a leader, for a time drawn anew. A member without a vote waits for ever. */
export function withFreshTimeout(context: RaftContext): RaftContext {
  const { electionTimeoutMs, electionJitterMs } = context.timing
  const [timeout, next] = drawn(context, electionTimeoutMs, electionTimeoutMs + electionJitterMs)
  return withDeadline(update(next, { electionTimeoutMs: timeout }))
}

/** The same timeout from now on. */
export function withDeadline(context: RaftContext): RaftContext {
  const { configuration, self, nowMs, electionTimeoutMs } = context
  const electionDeadlineMs = isVoter(configuration, self) ? nowMs + electionTimeoutMs : NEVER_MS
  return update(context, { electionDeadlineMs })
}

export function otherVoters(context: RaftContext): PeerId[] {
  return context.configuration.voters.filter((voter) => voter !== context.self)
}

export function otherMembers(context: RaftContext): PeerId[] {
  return othersThan(context.configuration, context.self)
}
