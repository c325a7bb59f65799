/**
 * What the raft machine wants done outside, as XState actions with params; bound to real actors by
 * `raftMachine.provide()` in `actors/raft.ts`, and to a recorder in tests.
 *
 * The context knows of a snapshot only what it stands for; what it holds passes from the state machine to the disk, from there to
 * a follower's disk, and to its state machine, by `takeSnapshot`, `sendChunk`, `persist` and `restore`.
 *
 * Effects are ordered. `persist` numbers each write; a `send` names in `after` the write that must be on disk before it may
 * leave (0: none). A leader's AppendEntries waits for its term, not for its own entries (Thesis §10.2.1); what is asked of
 * another member (Propose, ReadIndex) and the answer to a read say nothing of this disk and wait for nothing; everything else
 * waits for every write before it. The disk's answer comes back as `raft.persisted { number }`.
 */
import type { PeerId } from '../../identity/keys.ts'
import type {
  Entry,
  EntryId,
  FormationId,
  LogIndex,
  Proposal,
  RaftMessage,
  Snapshot,
  SnapshotPoint,
  Term,
} from './messages.ts'

/** What a member must never forget (Raft figure 2), and the first configuration it has bound itself to. */
export interface HardState {
  readonly term: Term
  readonly votedFor: PeerId | null
  readonly formation: Formation
}

/** How far this member is on the way to its first configuration. `refused` answers are for ever. */
export interface Formation {
  readonly status: 'none' | 'accepted' | 'formed'
  /** The accepted proposal, or the log this member holds. */
  readonly id: FormationId | null
  /** The voters of the accepted proposal, or of the first configuration of the log; empty where there is neither. */
  readonly voters: readonly PeerId[]
  readonly refused: readonly FormationId[]
}

/** One write: the log is cut after `from - 1` and continued with `entries`. */
export interface Persist {
  readonly number: number
  readonly hardState: HardState | null
  readonly from: LogIndex
  readonly entries: readonly Entry[]
  /** Null in nearly every write. */
  readonly snapshot: SnapshotWrite | null
}

/** What a write does to the snapshot, or to the beginning of the log. */
export type SnapshotWrite =
  /** Keep this chunk of a snapshot that is on its way here, beside this member's own. The first of another one drops what came of that before. */
  | { readonly kind: 'chunk'; readonly snapshot: Snapshot; readonly chunk: number; readonly data: Uint8Array }
  /** The one that came is this member's own from now on, and its log begins after it. */
  | { readonly kind: 'install'; readonly snapshot: Snapshot }
  /** The log begins after `base`: this member's snapshot stands for all before. */
  | { readonly kind: 'compact'; readonly base: EntryId }

/** What was on disk, at a restart. */
export interface Persisted {
  readonly hardState: HardState
  /** What the log begins after. */
  readonly base: EntryId
  readonly entries: readonly Entry[]
  readonly snapshot: Snapshot | null
  /** A snapshot on its way here, and how many of its chunks have come. */
  readonly receiving: { readonly snapshot: Snapshot; readonly next: number } | null
}

/** One message to each of `to`. It leaves only once write number `after` is on disk. */
export interface Send {
  readonly to: readonly PeerId[]
  readonly message: RaftMessage
  readonly after: number
}

/** These entries, the first at index `from`, are committed: apply them in order. */
export interface Apply {
  readonly from: LogIndex
  readonly entries: readonly Entry[]
}

/** The state machine's state now, after all that was applied, is the snapshot at this place: take it and keep it (Raft §7). */
export type TakeSnapshot = SnapshotPoint

/** The state machine's state becomes that of this snapshot, which is on disk. */
export interface Restore {
  readonly snapshot: Snapshot
}

/** One chunk of this member's snapshot to one follower, as `InstallSnapshot`; dropped where the snapshot is no longer there. */
export interface SendChunk {
  readonly to: PeerId
  readonly term: Term
  readonly snapshot: Snapshot
  readonly chunk: number
  readonly after: number
}

/** Answers to local requests, and news for the group. */
export type Respond =
  /** Read `id` may be answered once index `index` is applied here. */
  | { readonly kind: 'readReady'; readonly id: number; readonly index: LogIndex }
  /** Read `id` reached no leader or the leader lost its place: ask again. */
  | { readonly kind: 'readLost'; readonly id: number }
  /** No leader is known, or it holds too much uncommitted: offer these again later. */
  | { readonly kind: 'refused'; readonly proposals: readonly Proposal[]; readonly code: 'NoLeader' | 'Busy' }
  /** A peer holds the log of another formation. */
  | { readonly kind: 'rivalGroup'; readonly peer: PeerId; readonly formation: FormationId }
