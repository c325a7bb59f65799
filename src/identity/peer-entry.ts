/**
 * Peer entries: what a peer says of itself, signed over its canonical bytes. Newer is (incarnation, update) in order.
 */
import type { GroupId, NetworkId, Tag } from './digest.ts'
import type { PeerId } from './keys.ts'
import type { Ticket } from './ticket.ts'

export interface PeerEntry {
  /** Of the entry's own format and of the protocols its peer speaks. */
  readonly protocolVersion: number
  readonly network: NetworkId
  readonly peer: PeerId
  /** Wall-clock milliseconds at which this process of the peer started. */
  readonly incarnation: number
  /** Wall-clock milliseconds at which this entry was made; grows with each. */
  readonly update: number
  /** The peer has left the network: the entry is its tombstone. */
  readonly departed: boolean
  readonly addresses: readonly string[]
  readonly tags: readonly Tag[]
  readonly groups: readonly GroupId[]
  readonly tickets: readonly Ticket[]
}

/** An entry as it travels and is kept: the canonical bytes, and the signature over them. */
export interface SignedEntry {
  readonly bytes: Uint8Array
  readonly signature: Uint8Array
}
