/**
 * The messages of consensus on the wire. Their tags start at 32, apart from those of bonds and discovery, so that no message
 * is ever taken for one of another place.
 */
import { RAFT } from '../limits.ts'
import type {
  AppendEntries,
  AppendEntriesRejection,
  AppendEntriesResponse,
  FormationAnswer,
  FormationId,
  FormationProposal,
  InstallSnapshot,
  InstallSnapshotResponse,
  Introduce,
  LeadershipPreference,
  NewerTerm,
  PreVote,
  PreVoteResponse,
  Propose,
  RaftMessage,
  ReadIndex,
  ReadIndexResponse,
  RequestVote,
  RequestVoteResponse,
  TimeoutNow,
} from '../machines/raft/messages.ts'
import { entry, peers, proposal, snapshot } from './codec-entry.ts'
import { boolean, bytes, family, hex, list, message, nullable, oneOf, uint } from './wire-fields.ts'

const formation = hex<FormationId>(16)

export const raftMessages = family<RaftMessage>('Raft message', {
  PreVote: message<PreVote>(32, 'PreVote', { term: uint(), lastIndex: uint(), lastTerm: uint() }),
  PreVoteResponse: message<PreVoteResponse>(33, 'PreVoteResponse', { term: uint(), granted: boolean() }),
  RequestVote: message<RequestVote>(34, 'RequestVote', {
    term: uint(),
    lastIndex: uint(),
    lastTerm: uint(),
    transfer: boolean(),
  }),
  RequestVoteResponse: message<RequestVoteResponse>(35, 'RequestVoteResponse', { term: uint(), granted: boolean() }),
  AppendEntries: message<AppendEntries>(36, 'AppendEntries', {
    term: uint(),
    prevIndex: uint(),
    prevTerm: uint(),
    commit: uint(),
    round: uint(),
    entries: list(entry, RAFT.appendEntriesMax),
  }),
  AppendEntriesResponse: message<AppendEntriesResponse>(37, 'AppendEntriesResponse', {
    term: uint(),
    matchIndex: uint(),
    round: uint(),
  }),
  AppendEntriesRejection: message<AppendEntriesRejection>(38, 'AppendEntriesRejection', {
    term: uint(),
    prevIndex: uint(),
    hintIndex: uint(),
    hintTerm: uint(),
    round: uint(),
  }),
  Propose: message<Propose>(39, 'Propose', { proposals: list(proposal, RAFT.waitingCommandsMax) }),
  ReadIndex: message<ReadIndex>(40, 'ReadIndex', { id: uint() }),
  ReadIndexResponse: message<ReadIndexResponse>(41, 'ReadIndexResponse', { id: uint(), index: uint() }),
  TimeoutNow: message<TimeoutNow>(42, 'TimeoutNow', { term: uint() }),
  Introduce: message<Introduce>(43, 'Introduce', {
    formation: nullable(formation),
    voters: uint(),
    preference: oneOf<LeadershipPreference>(['normal', 'reluctant', 'observer']),
  }),
  FormationProposal: message<FormationProposal>(44, 'FormationProposal', { formation, voters: peers }),
  FormationAnswer: message<FormationAnswer>(45, 'FormationAnswer', { formation, voters: peers, accepted: boolean() }),
  InstallSnapshot: message<InstallSnapshot>(46, 'InstallSnapshot', {
    term: uint(),
    snapshot,
    chunk: uint(),
    data: bytes(0, RAFT.snapshotChunkBytes),
  }),
  InstallSnapshotResponse: message<InstallSnapshotResponse>(47, 'InstallSnapshotResponse', {
    term: uint(),
    index: uint(),
    next: uint(),
  }),
  NewerTerm: message<NewerTerm>(48, 'NewerTerm', { term: uint() }),
})
