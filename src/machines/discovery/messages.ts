/**
 * The messages of discovery. A sync leaves both ends with the union of their catalogs: the dialler tells what it holds as
 * (peer, version) pairs, the acceptor answers with what the dialler lacks and asks for what it lacks itself.
 */
import type { NetworkId } from '../../identity/digest.ts'
import type { PeerId } from '../../identity/keys.ts'
import type { SignedEntry } from '../../identity/peer-entry.ts'

/** Which version of which peer's entry one side holds; a tombstone counts as the version it buried. */
export interface Held {
  readonly peer: PeerId
  readonly incarnation: number
  readonly update: number
}
/** Dialler: my network, my own entry, and what I hold. */
export interface SyncRequest {
  readonly type: 'SyncRequest'
  readonly network: NetworkId
  readonly own: SignedEntry
  readonly held: readonly Held[]
}
/** Acceptor: what you lack or hold older, and the peers whose newer entry I want from you. */
export interface SyncResponse {
  readonly type: 'SyncResponse'
  readonly entries: readonly SignedEntry[]
  readonly wanted: readonly PeerId[]
}
/** Dialler: what you wanted. Ends the exchange. */
export interface SyncEntries {
  readonly type: 'SyncEntries'
  readonly entries: readonly SignedEntry[]
}
/** Push of new entries, own or heard; no answer but the close. */
export interface Announce {
  readonly type: 'Announce'
  readonly network: NetworkId
  readonly entries: readonly SignedEntry[]
}

export type DiscoveryMessage = SyncRequest | SyncResponse | SyncEntries | Announce
