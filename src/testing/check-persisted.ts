/**
 * No message leaves before its persist (Raft figure 2): whatever a message says of its sender must be on the sender's disk at the moment it
 * is handed to the wire. Nor does anyone lead before its own vote is there: a voter that decides alone sends no message to win. Asked of the
 * disk itself, so that it does not matter how the sender kept count.
 */
import type { PeerId } from '../identity/keys.ts'
import type { FormationId, InstallSnapshotResponse, RaftMessage, Term } from '../machines/raft/messages.ts'
import type { Platter } from './simulated-disk.ts'

/** So many of its chunks; or another came after it with the same sync, and took its place. */
function holdsChunks(receiving: Platter['receiving'], { index, next }: InstallSnapshotResponse): boolean {
  if (receiving === null) return false
  return receiving.snapshot.index !== index || receiving.chunks.length >= next
}

/** The vote that made `self` the leader of `term`. */
export function isVoteOnDisk({ hardState }: Platter, self: PeerId, term: Term): boolean {
  return hardState?.term === term && hardState.votedFor === self
}

export function isOnDisk(
  { hardState, last, receiving, accepted }: Platter,
  self: PeerId,
  to: PeerId,
  message: RaftMessage,
): boolean {
  const term = hardState?.term ?? 0
  const votedFor = hardState?.votedFor ?? null
  const formation = hardState?.formation
  const refuses = (id: FormationId): boolean => formation?.refused.includes(id) ?? false
  switch (message.type) {
    case 'AppendEntries':
    case 'AppendEntriesRejection':
    case 'NewerTerm':
    case 'InstallSnapshot':
    case 'TimeoutNow':
      return term >= message.term
    case 'AppendEntriesResponse':
      return term > message.term || (term === message.term && last >= message.matchIndex)
    case 'InstallSnapshotResponse':
      return term >= message.term && (message.next === 0 || holdsChunks(receiving, message))
    case 'RequestVote':
      return term > message.term || (term === message.term && votedFor === self)
    case 'RequestVoteResponse':
      return term > message.term || (term === message.term && (!message.granted || votedFor === to))
    case 'PreVote':
      return term >= message.term - 1
    case 'PreVoteResponse':
      return message.granted || term >= message.term
    case 'Introduce':
      return message.formation === null || (formation?.status === 'formed' && formation.id === message.formation)
    // An acceptance may have been released, and another formed, with the sync that brought it.
    case 'FormationProposal':
      return accepted.has(message.formation)
    case 'FormationAnswer':
      if (message.accepted) return accepted.has(message.formation)
      return formation?.status === 'formed' || refuses(message.formation)
    default:
      return true
  }
}
