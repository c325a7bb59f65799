/**
 * What the raft machine hears. One event per wire message, named after it; `raft.tick` is its only source of time.
 */
import type { PeerId } from '../../identity/keys.ts'
import type { LogIndex, Proposal, RaftMessage, Snapshot } from './messages.ts'

/** The name of each message's event. A forwarded proposal has its own, as `raft.propose` is what this process asks. */
const EVENT_TYPES = {
  PreVote: 'raft.preVote',
  PreVoteResponse: 'raft.preVoteResponse',
  RequestVote: 'raft.requestVote',
  RequestVoteResponse: 'raft.requestVoteResponse',
  AppendEntries: 'raft.appendEntries',
  AppendEntriesResponse: 'raft.appendEntriesResponse',
  AppendEntriesRejection: 'raft.appendEntriesRejection',
  NewerTerm: 'raft.newerTerm',
  InstallSnapshot: 'raft.installSnapshot',
  InstallSnapshotResponse: 'raft.installSnapshotResponse',
  Propose: 'raft.forwardedPropose',
  ReadIndex: 'raft.readIndex',
  ReadIndexResponse: 'raft.readIndexResponse',
  TimeoutNow: 'raft.timeoutNow',
  Introduce: 'raft.introduce',
  FormationProposal: 'raft.formationProposal',
  FormationAnswer: 'raft.formationAnswer',
} as const satisfies Record<RaftMessage['type'], string>

/** A message and the bond it came over. */
export type MessageEvent = {
  [T in RaftMessage['type']]: {
    readonly type: (typeof EVENT_TYPES)[T]
    readonly from: PeerId
    readonly message: Extract<RaftMessage, { type: T }>
  }
}[RaftMessage['type']]

/** The event of a message that came over the bond with `from`. */
export function eventOf(from: PeerId, message: RaftMessage): MessageEvent {
  return { type: EVENT_TYPES[message.type], from, message } as MessageEvent
}

export type LocalEvent =
  /** About every `RAFT_TIMING.tickMs`, and when `nextDeadlineMs` is due. */
  | { readonly type: 'raft.tick'; readonly nowMs: number }
  | { readonly type: 'raft.bondFormed'; readonly peer: PeerId }
  /** `departed`: the peer said that it leaves. */
  | { readonly type: 'raft.bondLost'; readonly peer: PeerId; readonly departed: boolean }
  /** Proposals of this process, all that gathered in one turn; `timeMs` is the wall clock. */
  | { readonly type: 'raft.propose'; readonly proposals: readonly Proposal[]; readonly timeMs: number }
  /** A linearizable read; answered by `respond` with the same id. */
  | { readonly type: 'raft.read'; readonly id: number }
  /** Every write up to `number` is on disk. */
  | { readonly type: 'raft.persisted'; readonly number: number }
  | { readonly type: 'raft.storageFailed' }
  /** The snapshot this member was told to take is on its disk. */
  | { readonly type: 'raft.snapshotSaved'; readonly snapshot: Snapshot }
  /** It could not be taken; the next one may. */
  | { readonly type: 'raft.snapshotAbandoned' }
  /** The last chunk of the snapshot at `index` is on disk; `intact`: together they are what the leader has. */
  | { readonly type: 'raft.snapshotReceived'; readonly index: LogIndex; readonly intact: boolean }
  /** Lead no longer; without `to` the most caught-up voter takes over (Thesis §3.10). */
  | { readonly type: 'raft.transferLeadership'; readonly to?: PeerId }

/** Everything the machine hears. */
export type RaftEvent = LocalEvent | MessageEvent
export type EventNamed<T extends RaftEvent['type']> = Extract<RaftEvent, { type: T }>
