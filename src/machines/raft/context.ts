/**
 * The state of one member, as plain values: what Raft figure 2 lists, and what this project adds to it. Nothing here is ever
 * changed in place.
 */
import type { PeerId } from '../../identity/keys.ts'
import { COMPACTION, type Compaction, type RaftTiming } from '../../limits.ts'
import { nextBetween, type RandomState, randomFrom } from '../random.ts'
import { afterWrite, type Configurations, isVoter, latest, othersThan } from './configuration.ts'
import type { Formation, HardState, Persisted } from './effects.ts'
import { Log } from './log.ts'
import type { Configuration, FormationId, LeadershipPreference, LogIndex, Snapshot, Term } from './messages.ts'
import type { Progress } from './progress.ts'

export interface RaftInput {
  readonly self: PeerId
  /** How many voters this member would form a group with; 0: it only joins. */
  readonly voters: number
  /** How many voters this member, where it leads, lets the group have. Default: as many as it would form it with. */
  readonly votersMax?: number
  /** Default: `normal`. */
  readonly preference?: LeadershipPreference
  readonly timing: RaftTiming
  /** When this member takes snapshots. Default: `COMPACTION`. */
  readonly compaction?: Compaction
  readonly seed: RandomState
  readonly nowMs: number
  readonly persisted?: Persisted
}

/** A bonded peer, and what it said of itself. `formation` is undefined until it introduced itself. */
export interface Neighbour {
  readonly formation: FormationId | null | undefined
  readonly voters: number
  readonly preference: LeadershipPreference
}

/** What a leader changes the configuration by (`membership.ts`). */
export interface Membership {
  readonly votersMax: number
  /** Of this member. */
  readonly preference: LeadershipPreference
  /** Peers that said goodbye and have not come back. Everyone remembers them, as anyone may lead next. */
  readonly departed: ReadonlySet<PeerId>
}

/** Forming the first configuration, and telling others who we are. */
export interface Founding {
  /** How many voters this member would form a group with; 0: it only joins. */
  readonly voters: number
  /** Who is known to have accepted the proposal this member is bound to. */
  readonly accepted: ReadonlySet<PeerId>
  /** When to tell the voters again, or to propose again after a refusal. */
  readonly againMs: number
  /** It met a formed group: it joins that and never forms one. */
  readonly joinsOnly: boolean
  /** When to introduce ourselves again to those who seem not to know us. */
  readonly introduceDueMs: number
  /** Peers already reported as `rivalGroup`. */
  readonly rivals: ReadonlySet<PeerId>
}

/** Who leads, and when to ask. */
export interface Election {
  readonly timing: RaftTiming
  readonly random: RandomState
  /** Drawn anew for every wait, so that two members seldom campaign together (Raft §5.2). */
  readonly timeoutMs: number
  readonly deadlineMs: number
  /** When an AppendEntries of a leader last came; what stickiness counts from (Thesis §4.2.3). */
  readonly leaderHeardMs: number
  readonly votes: ReadonlyMap<PeerId, boolean>
  /** A leader hands over (Thesis §3.10); `asked`: it has told the other to campaign. */
  readonly transfer: { readonly to: PeerId; readonly deadlineMs: number; readonly asked: boolean } | null
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
  /** A leader's newest round, and when the next one is due as a heartbeat. */
  readonly round: number
  readonly roundDueMs: number
  /** The newest round answered to the leader. */
  readonly answeredRound: number
}

/** What stands for the beginning of the log (Raft §7). */
export interface Snapshots {
  readonly compaction: Compaction
  /** This member's own, on its disk; null before the first. */
  readonly saved: Snapshot | null
  /** The index at which the last one was asked for, and whether it is still being taken. */
  readonly takenAt: LogIndex
  readonly taking: boolean
  /** Bytes of entries that were applied since. */
  readonly appliedBytes: number
  /** The leader's, on its way here: its chunks before `next` are on disk, or in a write under way. */
  readonly receiving: { readonly snapshot: Snapshot; readonly next: number } | null
}

/**
 * Few fields on purpose: XState copies the context with `Object.assign` for every event, and V8 gives an object made so
 * more than 19 fields slow ones.
 */
export interface RaftContext {
  readonly self: PeerId
  /** The newest tick. */
  readonly nowMs: number
  readonly peers: ReadonlyMap<PeerId, Neighbour>
  readonly formation: Formation
  readonly founding: Founding
  readonly term: Term
  readonly votedFor: PeerId | null
  readonly leader: PeerId | null
  readonly election: Election
  readonly log: Log
  readonly writes: Writes
  /** Everything up to here was handed to `apply`, or stands in the snapshot that was handed to `restore`. */
  readonly commitIndex: LogIndex
  readonly snapshots: Snapshots
  readonly configuration: Configuration
  readonly configurations: Configurations
  readonly membership: Membership
  readonly reads: Reads
  /** Of every other member, while this one leads; else empty. */
  readonly progress: ReadonlyMap<PeerId, Progress>
  readonly uncommittedBytes: number
}

export const NEVER_MS = Number.POSITIVE_INFINITY
export const LONG_AGO_MS = Number.NEGATIVE_INFINITY
const NO_HARD_STATE: HardState = {
  term: 0 as Term,
  votedFor: null,
  formation: { status: 'none', id: null, voters: [], refused: [] },
}
const NOTHING: Persisted = {
  hardState: NO_HARD_STATE,
  base: { index: 0 as LogIndex, term: 0 as Term },
  entries: [],
  snapshot: null,
  receiving: null,
}
const NO_READS: Reads = {
  waiting: [],
  confirming: [],
  forwarded: [],
  round: 0,
  roundDueMs: NEVER_MS,
  answeredRound: 0,
}

export function initialContext(input: RaftInput): RaftContext {
  const { hardState, base, entries, snapshot, receiving } = input.persisted ?? NOTHING
  const { term, votedFor, formation } = hardState
  const log = Log.of(entries, base)
  const commitIndex = snapshot?.index ?? (0 as LogIndex)
  const since = (commitIndex + 1) as LogIndex
  const configurations = afterWrite(snapshot ? [snapshot.configuration] : [], since, log.between(since, log.lastIndex))
  return {
    self: input.self,
    nowMs: input.nowMs,
    peers: new Map(),
    formation,
    founding: foundingAtStart(input, formation),
    term,
    votedFor,
    leader: null,
    election: electionAtStart(input),
    log,
    writes: { issued: 0, hardState: 0, durableIndex: log.lastIndex, pending: [] },
    commitIndex,
    snapshots: snapshotsAtStart(input, snapshot, receiving),
    configuration: latest(configurations),
    configurations,
    membership: membershipAtStart(input),
    reads: NO_READS,
    progress: new Map(),
    uncommittedBytes: 0,
  }
}

function membershipAtStart({ voters, votersMax = voters, preference = 'normal' }: RaftInput): Membership {
  return { votersMax, preference, departed: new Set() }
}

/** An observer forms no group, as it would have to vote in it. */
function foundingAtStart({ self, voters, preference, nowMs, timing }: RaftInput, formation: Formation): Founding {
  return {
    voters: preference === 'observer' ? 0 : voters,
    accepted: new Set(formation.status === 'accepted' ? [self, formation.voters[0]!] : []),
    againMs: nowMs,
    joinsOnly: false,
    introduceDueMs: nowMs + timing.electionTimeoutMs,
    rivals: new Set(),
  }
}

function snapshotsAtStart(
  { compaction = COMPACTION }: RaftInput,
  saved: Snapshots['saved'],
  receiving: Snapshots['receiving'],
): Snapshots {
  const takenAt = saved?.index ?? (0 as LogIndex)
  return { compaction, saved, takenAt, taking: false, appliedBytes: 0, receiving: receiving && unfinished(receiving) }
}

/** All of it was there, but the process ended before it was installed: that follows the last chunk, so that must come again. */
function unfinished({ snapshot, next }: NonNullable<Snapshots['receiving']>): Snapshots['receiving'] {
  return { snapshot, next: Math.min(next, snapshot.chunks - 1) }
}

function electionAtStart({ timing, seed }: RaftInput): Election {
  return {
    timing,
    random: randomFrom(seed),
    timeoutMs: timing.electionTimeoutMs,
    deadlineMs: NEVER_MS,
    leaderHeardMs: LONG_AGO_MS,
    votes: new Map(),
    transfer: null,
  }
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
    nowMs: context.nowMs,
    peers: context.peers,
    formation: context.formation,
    founding: context.founding,
    term: context.term,
    votedFor: context.votedFor,
    leader: context.leader,
    election: context.election,
    log: context.log,
    writes: context.writes,
    commitIndex: context.commitIndex,
    snapshots: context.snapshots,
    configuration: context.configuration,
    configurations: context.configurations,
    membership: context.membership,
    reads: context.reads,
    progress: context.progress,
    uncommittedBytes: context.uncommittedBytes,
  }
}

export function withElection(context: RaftContext, changes: Partial<Election>): RaftContext {
  return update(context, { election: { ...context.election, ...changes } })
}

export function withReads(context: RaftContext, changes: Partial<Reads>): RaftContext {
  return update(context, { reads: { ...context.reads, ...changes } })
}

export function withSnapshots(context: RaftContext, changes: Partial<Snapshots>): RaftContext {
  return update(context, { snapshots: snapshotsWith(context.snapshots, changes) })
}

/** Every commit makes another: see `update`. */
export function snapshotsWith(
  { compaction, saved, takenAt, taking, appliedBytes, receiving }: Snapshots,
  changes: Partial<Snapshots>,
): Snapshots {
  return Object.assign({ compaction, saved, takenAt, taking, appliedBytes, receiving }, changes)
}

export function withMembership(context: RaftContext, changes: Partial<Membership>): RaftContext {
  return update(context, { membership: { ...context.membership, ...changes } })
}

export function withFounding(context: RaftContext, changes: Partial<Founding>): RaftContext {
  return update(context, { founding: { ...context.founding, ...changes } })
}

/** The earliest moment at which a tick is due before the next regular one; `NEVER_MS` where nothing waits. */
export function nextDeadlineMs({ election, reads, founding, formation, nowMs }: RaftContext): number {
  const formingMs = formation.status !== 'formed' && founding.againMs > nowMs ? founding.againMs : NEVER_MS
  return Math.min(election.deadlineMs, reads.roundDueMs, formingMs)
}

/** A random duration between two. */
export function drawn(context: RaftContext, minMs: number, maxMs: number): [number, RaftContext] {
  const [value, random] = nextBetween(context.election.random, minMs, maxMs)
  return [value, withElection(context, { random })]
}

/** Who is reluctant waits this many times as long before it campaigns. */
const RELUCTANCE = 3

export function patience({ membership }: RaftContext): number {
  return membership.preference === 'reluctant' ? RELUCTANCE : 1
}

/** Only voters campaign, and of them none that only observes. */
export function mayCampaign({ configuration, self, membership }: RaftContext): boolean {
  return isVoter(configuration, self) && membership.preference !== 'observer'
}

/** Raft §5.2: wait for a leader, for a time drawn anew. */
export function withFreshTimeout(context: RaftContext): RaftContext {
  const { electionTimeoutMs, electionJitterMs } = context.election.timing
  const [drawnMs, next] = drawn(context, electionTimeoutMs, electionTimeoutMs + electionJitterMs)
  return withDeadline(withElection(next, { timeoutMs: drawnMs * patience(context) }))
}

/** The same timeout from now on; a member that may not campaign waits for ever. Between two ticks that is no change. */
export function withDeadline(
  context: RaftContext,
  leaderHeardMs: number = context.election.leaderHeardMs,
): RaftContext {
  const { nowMs, election } = context
  const deadlineMs = mayCampaign(context) ? nowMs + election.timeoutMs : NEVER_MS
  const isSame = deadlineMs === election.deadlineMs && leaderHeardMs === election.leaderHeardMs
  return isSame ? context : withElection(context, { leaderHeardMs, deadlineMs })
}

export function otherVoters(context: RaftContext): PeerId[] {
  return context.configuration.voters.filter((voter) => voter !== context.self)
}

export function otherMembers(context: RaftContext): PeerId[] {
  return othersThan(context.configuration, context.self)
}
