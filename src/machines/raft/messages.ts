/**
 * The messages of consensus, named as in the Raft paper and thesis, and the entries of the log. The sender of a message
 * is the bond it came over, so no message names one. Bytes on the wire are `transport/codec.ts`'s business.
 */
import type { PeerId } from '../../identity/keys.ts'

declare const brand: unique symbol
/** A Raft term; 0 before anything was formed. */
export type Term = number & { readonly [brand]: 'Term' }
/** A position in the log; the first entry has index 1, 0 stands before it. */
export type LogIndex = number & { readonly [brand]: 'LogIndex' }
/** Names the log of one formed group: 32 hex digits, chosen by the proposer of its first configuration. */
export type FormationId = string & { readonly [brand]: 'FormationId' }

/** Who votes and who only follows. Both lists are in peer-id order and share no member. */
export interface Configuration {
  readonly voters: readonly PeerId[]
  readonly learners: readonly PeerId[]
}

/** A configuration and where it stands in the log. */
export interface ConfigurationAt {
  readonly index: LogIndex
  readonly configuration: Configuration
}

/** A place in the log; index 0 and term 0 before the first entry. */
export interface EntryId {
  readonly index: LogIndex
  readonly term: Term
}

/** What a snapshot says of the log it stands for (Raft §7, figure 12): all up to this entry, which is committed. */
export interface SnapshotPoint extends EntryId {
  /** In force at that entry. */
  readonly configuration: ConfigurationAt
  /** The voters of the first configuration, which a log that begins later does not show. */
  readonly founders: readonly PeerId[]
}

/** A snapshot as messages and contexts know it. Its chunks are on disk: nothing here grows with the state. */
export interface Snapshot extends SnapshotPoint {
  readonly chunks: number
  readonly bytes: number
  /** SHA-256 of all chunks, in hex. */
  readonly checksum: string
}

/** The same chunks at the same place. The same state may stand at two places, and two members may tell one state in other bytes. */
export function isSame(one: Snapshot, other: Snapshot | null | undefined): boolean {
  return one.index === other?.index && one.checksum === other.checksum
}

interface EntryHead {
  readonly term: Term
  /** Wall-clock milliseconds of the leader that took it. */
  readonly timeMs: number
}
/** A new leader's first entry (Raft §8): what it commits before it counts older terms. */
export interface NoopEntry extends EntryHead {
  readonly kind: 'noop'
}
/** A configuration; in force as soon as it is in the log (Raft §6). The first entry of every log is one. */
export interface ConfigurationEntry extends EntryHead {
  readonly kind: 'configuration'
  readonly configuration: Configuration
}
/** Opens a client session (Thesis §6.3); the session's id is this entry's index, the nonce tells its opener. */
export interface SessionEntry extends EntryHead {
  readonly kind: 'session'
  readonly nonce: string
}
/**
 * Commands of one session that were asked for together. Each has an index and a sequence of its own, one more than the command before it;
 * the first has the entry's index and `sequence`. Answers up to and including `acknowledged` have arrived and may be forgotten.
 */
export interface Commands {
  readonly kind: 'commands'
  readonly session: number
  readonly sequence: number
  readonly acknowledged: number
  /** At least one. */
  readonly count: number
  /** One after the other, as they travel and are kept (`transport/packed.ts`): nobody looks inside before they are applied. */
  readonly packed: Uint8Array
}
export interface CommandsEntry extends EntryHead, Commands {}
export type Entry = NoopEntry | ConfigurationEntry | SessionEntry | CommandsEntry

/** How many indexes an entry takes. It is appended, sent, stored, committed and cut as a whole (ADR 18). */
export function spanOf(entry: Entry): number {
  return entry.kind === 'commands' ? entry.count : 1
}

export function spansOf(entries: readonly Entry[]): number {
  let spans = 0
  for (const entry of entries) spans += spanOf(entry)
  return spans
}

/** What a member asks the leader to append: an entry that has no term and time yet. */
export type Proposal = { readonly kind: 'session'; readonly nonce: string } | Commands

/** Thesis §9.6. `term` is the term the sender would campaign in; it has not adopted it. */
export interface PreVote {
  readonly type: 'PreVote'
  readonly term: Term
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
}
/** `term`: of the request where granted, else the voter's own. */
export interface PreVoteResponse {
  readonly type: 'PreVoteResponse'
  readonly term: Term
  readonly granted: boolean
}
/** Raft §5.2. `transfer`: asked for by the leader (Thesis §3.10), so leader stickiness does not apply. */
export interface RequestVote {
  readonly type: 'RequestVote'
  readonly term: Term
  readonly lastIndex: LogIndex
  readonly lastTerm: Term
  readonly transfer: boolean
}
export interface RequestVoteResponse {
  readonly type: 'RequestVoteResponse'
  readonly term: Term
  readonly granted: boolean
}
/** Raft §5.3; without entries a heartbeat. `round` numbers the leader's confirmations (Thesis §6.4). */
export interface AppendEntries {
  readonly type: 'AppendEntries'
  readonly term: Term
  readonly prevIndex: LogIndex
  readonly prevTerm: Term
  readonly commit: LogIndex
  readonly round: number
  readonly entries: readonly Entry[]
}
/** The follower's log agrees with the leader's up to `matchIndex`. */
export interface AppendEntriesResponse {
  readonly type: 'AppendEntriesResponse'
  readonly term: Term
  readonly matchIndex: LogIndex
  readonly round: number
}
/** The entry at `prevIndex` is missing or differs. `hintIndex`/`hintTerm`: where to look next (Raft §5.3, end). */
export interface AppendEntriesRejection {
  readonly type: 'AppendEntriesRejection'
  readonly term: Term
  readonly prevIndex: LogIndex
  readonly hintIndex: LogIndex
  readonly hintTerm: Term
  readonly round: number
}
/**
 * Raft §5.1: what an older term sent is refused. No answer to it, which would be taken for one to what its sender says in the term
 * that both are in by the time this arrives.
 */
export interface NewerTerm {
  readonly type: 'NewerTerm'
  readonly term: Term
}
/** Raft §7, figure 13: a chunk of the leader's snapshot, for a follower that needs entries the leader no longer has. */
export interface InstallSnapshot {
  readonly type: 'InstallSnapshot'
  readonly term: Term
  readonly snapshot: Snapshot
  /** Which chunk this is, from 0 on. */
  readonly chunk: number
  readonly data: Uint8Array
}
/** Of the snapshot at `index` the chunks before `next` are on the follower's disk. */
export interface InstallSnapshotResponse {
  readonly type: 'InstallSnapshotResponse'
  readonly term: Term
  readonly index: LogIndex
  readonly next: number
}
/** Commands from a member that does not lead; one that finds no leader here is offered again by its sender. */
export interface Propose {
  readonly type: 'Propose'
  readonly proposals: readonly Proposal[]
}
/** Thesis §6.4 from a follower: which index must I have applied to answer reads made before now? */
export interface ReadIndex {
  readonly type: 'ReadIndex'
  readonly id: number
}
export interface ReadIndexResponse {
  readonly type: 'ReadIndexResponse'
  readonly id: number
  readonly index: LogIndex
}
/** Thesis §3.10: campaign at once. */
export interface TimeoutNow {
  readonly type: 'TimeoutNow'
  readonly term: Term
}
/** `reluctant`: leads only where nobody else does. `observer`: never votes and never leads. */
export type LeadershipPreference = 'normal' | 'reluctant' | 'observer'
/** The first message over each bond, and again when the answer changes: which log do you hold? Null while none. */
export interface Introduce {
  readonly type: 'Introduce'
  readonly formation: FormationId | null
  /** How many voters this member would form a group with; 0: it only joins. */
  readonly voters: number
  readonly preference: LeadershipPreference
}
/** A first configuration, asked of each of its voters by the one with the smallest id among them. */
export interface FormationProposal {
  readonly type: 'FormationProposal'
  readonly formation: FormationId
  readonly voters: readonly PeerId[]
}
/** Told to every voter of the proposal, after it is stored; a refusal is for ever. */
export interface FormationAnswer {
  readonly type: 'FormationAnswer'
  readonly formation: FormationId
  readonly voters: readonly PeerId[]
  readonly accepted: boolean
}

export type RaftMessage =
  | PreVote
  | PreVoteResponse
  | RequestVote
  | RequestVoteResponse
  | AppendEntries
  | AppendEntriesResponse
  | AppendEntriesRejection
  | NewerTerm
  | InstallSnapshot
  | InstallSnapshotResponse
  | Propose
  | ReadIndex
  | ReadIndexResponse
  | TimeoutNow
  | Introduce
  | FormationProposal
  | FormationAnswer
