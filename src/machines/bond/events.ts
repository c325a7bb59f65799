/**
 * What a bond's chart takes and says. Three parties talk to it: its link (the wire, with every secret), its group (which owns the
 * claims), and two promises outside (tickets, catalog sync). The link checks proofs and signatures and tells verdicts only.
 */
import type { CloseReason } from '../../errors.ts'
import type { BondId, GroupId, NetworkId } from '../../identity/digest.ts'
import type { PeerId } from '../../identity/keys.ts'
import type { RandomState } from '../random.ts'
import type { EndReason, Outcome } from './reasons.ts'

export type BondRole = 'dialler' | 'acceptor'

export interface BondInput {
  readonly role: BondRole
  readonly self: PeerId
  readonly peer: PeerId
  readonly network: NetworkId
  /** Null for a stray: a link for a group nobody joined here. It ends at `GroupNotFound` at the latest. */
  readonly group: GroupId | null
  readonly addresses: readonly string[]
  readonly linkNumber: number | null
  readonly seed: RandomState
}

/** Small and plain: no key, proof or handle ever stands here. */
export interface BondContext extends Omit<BondInput, 'seed'> {
  readonly bondId: BondId | null
  /** Milliseconds since the epoch at which the peer's tickets end; `Infinity` where they never do. */
  readonly expires: number
  readonly syncAttempts: number
  /** Acceptor: the verdict over the dialler's proof, told only after its tickets have been checked. */
  readonly proven: boolean
  /** The link was opened, is not known to be down, and may be told to close. */
  readonly linked: boolean
  /** The own entry changed during the handshake: the peer is told once the bond is steady. */
  readonly entryDue: boolean
  readonly wasSteady: boolean
  /** Null until the bond has ended. */
  readonly outcome: Outcome | null
  readonly reason: EndReason | null
  readonly random: RandomState
}

export interface BondOutput {
  readonly outcome: Outcome
  readonly reason: EndReason
}

export interface LinkInput {
  readonly role: BondRole
  readonly peer: PeerId
  readonly addresses: readonly string[]
  readonly linkNumber: number | null
  readonly group: GroupId | null
  /** For its ticks. */
  readonly seed: RandomState
}

/** The chart to its link. */
export type LinkCommand =
  | { type: 'link.sendStart' }
  | { type: 'link.sendEnd' }
  | { type: 'link.sendPeers' }
  | { type: 'link.watch' }
  | { type: 'link.departure' }
  | { type: 'link.sendEntry' }
  | { type: 'link.close'; reason: CloseReason }

/** What changes in how the peer is heard, as the link measures it while the bond is steady. */
export type LivenessReport = { type: 'bond.silent' } | { type: 'bond.heard' } | { type: 'bond.lost' }

/** The link to its chart: what became of it, and what was heard. */
export type LinkReport =
  | { type: 'link.opened'; bondId: BondId }
  | { type: 'link.failed' }
  | { type: 'link.closed'; reason: CloseReason; byPeer: boolean }
  /** It failed at what it was told. */
  | { type: 'link.broken' }
  | LivenessReport
  | { type: 'bond.undecodable' }
  /** `known`: the catalog has an entry of the peer, which it may have brought itself. */
  | { type: 'bond.handshakeStart'; network: NetworkId; group: GroupId; proven: boolean; known: boolean }
  | { type: 'bond.handshakeEnd'; proven: boolean }
  | { type: 'bond.peers' }
  | { type: 'bond.departure' }
  | { type: 'bond.entryUpdate'; genuine: boolean }

/** The group to a bond. */
export type BondOrder =
  | { type: 'bond.granted' }
  | { type: 'bond.refused' }
  | { type: 'bond.superseded' }
  | { type: 'bond.close'; reason: CloseReason }
  | { type: 'bond.depart' }
  | { type: 'bond.entryChanged' }

export type BondEvent = LinkReport | BondOrder | { type: 'bond.ticketExpired' }

/** A bond to its group; `bond` is the bond's actor id. */
export type BondNews =
  | { type: 'bond.claim'; bond: string; peer: PeerId; role: BondRole }
  | { type: 'bond.steady'; bond: string; peer: PeerId; bondId: BondId }
  | { type: 'bond.ended'; bond: string; peer: PeerId; outcome: Outcome; reason: EndReason; wasSteady: boolean }

export type TicketVerdict =
  | { readonly granted: true; readonly expires: number; readonly nowMs: number }
  | { readonly granted: false }
  /** There is no entry to judge, so nothing was refused. */
  | { readonly granted: false; readonly unknown: true }

export interface TicketInput {
  readonly peer: PeerId
  /** Where an entry that is missing can be had; empty where the peer is linked already. */
  readonly addresses: readonly string[]
}

export interface SyncInput {
  readonly peer: PeerId
  readonly addresses: readonly string[]
}
