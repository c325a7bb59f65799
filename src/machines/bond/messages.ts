/**
 * The messages between the two ends of a bond: first the handshake, then the steady state. `Raft` carries a batch for the
 * raft machine past the bond's chart; all others are events of the chart.
 */
import type { GroupId, NetworkId } from '../../identity/digest.ts'
import type { SignedEntry } from '../../identity/peer-entry.ts'
import type { RaftMessage } from '../raft/messages.ts'

/** Dialler's first message. The proof shows that it knows the group's secret, on this link only. */
export interface HandshakeStart {
  readonly type: 'HandshakeStart'
  readonly network: NetworkId
  readonly group: GroupId
  readonly proof: Uint8Array
  /** The dialler's own: the acceptor need not have heard of it from anyone else. */
  readonly entry: SignedEntry
}
/** The acceptor's own proof, and the entries of all it is bonded with. */
export interface HandshakeEnd {
  readonly type: 'HandshakeEnd'
  readonly proof: Uint8Array
  readonly bonds: readonly SignedEntry[]
}
/** The dialler's own bonds; with it both ends are steady. */
export interface Peers {
  readonly type: 'Peers'
  readonly bonds: readonly SignedEntry[]
}

/** `sentMs`: the sender's clock, handed back by `Pong` for the round-trip time. */
export interface Ping {
  readonly type: 'Ping'
  readonly sentMs: number
}
export interface Pong {
  readonly type: 'Pong'
  readonly sentMs: number
}
/** The sender leaves the group now. */
export interface Departure {
  readonly type: 'Departure'
}
/** The sender's own entry has changed, and with it its tickets may have: they are checked again. */
export interface PeerEntryUpdate {
  readonly type: 'PeerEntryUpdate'
  readonly entry: SignedEntry
}
/** The sender has a new bond, with the peer of this entry; or it is here still itself, and the entry is its own. */
export interface BondFormed {
  readonly type: 'BondFormed'
  readonly entry: SignedEntry
}
export interface Raft {
  readonly type: 'Raft'
  readonly messages: readonly RaftMessage[]
}

export type HandshakeMessage = HandshakeStart | HandshakeEnd | Peers
export type BondMessage = Ping | Pong | Departure | PeerEntryUpdate | BondFormed | Raft
