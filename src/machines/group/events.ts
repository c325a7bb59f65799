/**
 * What a group's chart takes, knows and says. It owns the claims on peers and decides who is dialled; its bonds do the talking, raft the
 * agreeing, and what must happen outside is an action with params.
 */
import type { CloseReason } from '../../errors.ts'
import type { BondId, GroupId, NetworkId } from '../../identity/digest.ts'
import type { PeerId } from '../../identity/keys.ts'
import type { BondNews, BondRole } from '../bond/events.ts'
import type { RandomState } from '../random.ts'

export interface GroupInput {
  readonly self: PeerId
  readonly network: NetworkId
  readonly group: GroupId
  readonly seed: RandomState
}

/** What the group knows of one peer. */
export interface Slot {
  /** Where it can be dialled; empty where it cannot, or is known by name only. */
  readonly addresses: readonly string[]
  /** Of its entry in the catalog; empty while it is not there. */
  readonly version: string
  /** Of the newest process under this name that is known of; 0 while none is. */
  readonly incarnation: number
  /** Its entry no longer names this group, or it said goodbye: not dialled until it comes back. */
  readonly departed: boolean
  readonly phase: 'idle' | 'dialling' | 'claimed' | 'steady'
  /** The actor id of the bond that holds the claim on this peer. */
  readonly bond: string | null
  readonly bondId: BondId | null
  /** The actor id of our own dial under way; only one at a time. */
  readonly outbound: string | null
  /** The actor id of the newest bond on a link that the peer dialled, from accept to end. */
  readonly inbound: string | null
  /** Dials in a row that led to no lasting bond. */
  readonly attempt: number
  /** A redial is scheduled. */
  readonly redialDue: boolean
  /** Wanted and free: dialled when its turn comes. */
  readonly queued: boolean
  /** This version of its entry was refused: not dialled until there is another. */
  readonly blockedVersion: string | null
}

export interface RaftStatus {
  readonly role: string
  readonly term: number
  readonly leader: PeerId | null
  /** This member holds the log of a formed group. */
  readonly formed: boolean
}

/** Small and plain; the bonds' actor refs are XState's children, by the ids used here. */
export interface GroupContext {
  readonly self: PeerId
  readonly network: NetworkId
  readonly group: GroupId
  readonly peers: Readonly<Record<PeerId, Slot>>
  /** Bond actors that have not ended, claim or not, by actor id. */
  readonly bonds: Readonly<Record<string, { readonly peer: PeerId; readonly role: BondRole }>>
  readonly raft: RaftStatus
  readonly leaving: boolean
  /** Its process ends, and the member is to come back: nobody is told that it departed. */
  readonly suspends: boolean
  readonly random: RandomState
}

/** A peer whose entry names this group, or did; `version` differs for each entry of that peer. */
export interface CatalogPeer {
  readonly peer: PeerId
  readonly addresses: readonly string[]
  readonly version: string
  /** Differs for each process of that peer, and grows. */
  readonly incarnation: number
  readonly departed: boolean
}

export type GroupEvent =
  | { type: 'group.catalog'; peers: readonly CatalogPeer[] }
  | { type: 'group.linkAccepted'; linkNumber: number; peer: PeerId }
  | { type: 'group.leave' }
  | { type: 'group.suspend' }
  | { type: 'group.entryChanged' }
  | { type: 'group.redial'; peer: PeerId }
  | { type: 'group.settled'; peer: PeerId; bond: string }
  | ({ type: 'raft.status' } & RaftStatus)
  | { type: 'raft.rival'; peer: PeerId; formation: string }
  | BondNews

export type GroupEmitted =
  | { type: 'bond.formed'; peer: PeerId; bondId: BondId }
  | { type: 'bond.terminated'; peer: PeerId; bondId: BondId; reason: CloseReason }
  | { type: 'group.leaderChanged'; leader: PeerId | null; term: number }
  /** A peer holds the log of a group with the same key that formed apart from this one. The two never merge. */
  | { type: 'group.rival'; peer: PeerId; formation: string }
  | { type: 'group.online' }
  | { type: 'group.offline' }

/** For the raft actor: who can be reached, and who went for good. */
export type BondHint =
  | { type: 'raft.bondFormed'; peer: PeerId }
  | { type: 'raft.bondLost'; peer: PeerId; departed: boolean }
