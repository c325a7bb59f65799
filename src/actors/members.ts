/** Everyone in the configuration, as one member sees them: what a leader knows of each, and a follower of its leader alone. */
import type { PeerId } from '../identity/keys.ts'
import type { RaftContext } from '../machines/raft/machine.ts'
import type { LeadershipPreference } from '../machines/raft/messages.ts'

export interface Member {
  readonly peer: PeerId
  readonly role: 'voter' | 'learner'
  /** As it was told over the bond with it; null without one. */
  readonly preference: LeadershipPreference | null
  readonly isLeader: boolean
  /** This process itself, or a member it has a steady bond with. */
  readonly reachable: boolean
  /** The highest index known to be on that member's disk; null where this member does not know. */
  readonly matchIndex: number | null
  /** For how long that member has not been heard of; null where this member does not know. */
  readonly lastContactMs: number | null
}

export function membersOf(context: RaftContext, isBonded: (peer: PeerId) => boolean): Member[] {
  const { configuration, self, leader, peers, membership } = context
  const member = (role: Member['role']) => (peer: PeerId) => ({
    peer,
    role,
    preference: peer === self ? membership.preference : introducedAs(peers.get(peer)),
    isLeader: peer === leader,
    reachable: peer === self || isBonded(peer),
    ...known(context, peer),
  })
  return [...configuration.voters.map(member('voter')), ...configuration.learners.map(member('learner'))]
}

/** Until a peer has introduced itself, what stands in its place is a guess. */
function introducedAs(neighbour: RaftContext['peers'] extends ReadonlyMap<PeerId, infer N> ? N | undefined : never) {
  return neighbour?.formation === undefined ? null : neighbour.preference
}

function known(context: RaftContext, peer: PeerId): Pick<Member, 'matchIndex' | 'lastContactMs'> {
  const { self, leader, nowMs, progress, writes, election } = context
  if (peer === self) return { matchIndex: writes.durableIndex, lastContactMs: 0 }
  const follower = progress.get(peer)
  if (follower) return { matchIndex: follower.match, lastContactMs: nowMs - follower.lastContactMs }
  const heardMs = peer === leader ? nowMs - election.leaderHeardMs : Number.POSITIVE_INFINITY
  return { matchIndex: null, lastContactMs: Number.isFinite(heardMs) ? heardMs : null }
}
