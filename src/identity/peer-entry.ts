/**
 * Peer entries: what a peer says of itself, signed over its canonical bytes. Newer is (incarnation, update) in order.
 *
 * Invariants: an entry is believed only once `openEntry` has returned it, wherever it came from; the signature is by the key
 * that is the entry's peer id; the bytes are kept and passed on as they came, so that everyone checks the same signature.
 * The bytes start with a label, so no other thing this key ever signs can be taken for an entry.
 */
import { TesseraError } from '../errors.ts'
import { DISCOVERY, IDENTITY } from '../limits.ts'
import { CanonicalReader, CanonicalWriter } from './canonical.ts'
import { bytesOf, type Digest, type GroupId, type NetworkId, short, type Tag } from './digest.ts'
import { hexOf } from './hex.ts'
import { type Identity, type PeerId, peerIdOf, verify } from './keys.ts'
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

/** What one version of an entry is known by. */
export type EntryVersion = Pick<PeerEntry, 'incarnation' | 'update'>

export interface OpenEntryOptions {
  /** Entries of other networks are refused. */
  readonly network: NetworkId
  /** Wall-clock milliseconds. */
  readonly nowMs: number
}

/** The one `protocolVersion` this code writes and reads. */
export const ENTRY_VERSION = 1

const LABEL = 'tessera.entry'
const FIELDS = 11
const ID_BYTES = 32
const SIGNATURE_BYTES = 64
/** Where the peer stands in every entry: behind the array's head, the label, the version and the network. */
const PEER_AT = 1 + (1 + LABEL.length) + 1 + (2 + ID_BYTES) + 2

const invalid = (detail: string): TesseraError => new TesseraError('InvalidEntry', { detail })

function encode(entry: PeerEntry): Uint8Array {
  const to = new CanonicalWriter().array(FIELDS).text(LABEL).unsigned(entry.protocolVersion)
  to.bytes(bytesOf(entry.network)).bytes(bytesOf(entry.peer))
  to.unsigned(entry.incarnation).unsigned(entry.update).boolean(entry.departed)
  to.array(entry.addresses.length)
  for (const address of entry.addresses) to.text(address)
  for (const ids of [entry.tags, entry.groups]) {
    to.array(ids.length)
    for (const id of ids) to.bytes(bytesOf(id))
  }
  to.array(entry.tickets.length)
  for (const ticket of entry.tickets) to.array(2).text(ticket.class).bytes(ticket.data)
  return to.finish()
}

function decode(bytes: Uint8Array): PeerEntry {
  if (bytes.length > DISCOVERY.entryBytesMax) {
    throw invalid(`It has ${bytes.length} bytes, more than ${DISCOVERY.entryBytesMax}.`)
  }
  const from = new CanonicalReader(bytes)
  from.tuple('The entry', FIELDS)
  if (from.text('The label', LABEL.length) !== LABEL) throw invalid('It is no entry.')
  const protocolVersion = from.unsigned('The version')
  if (protocolVersion !== ENTRY_VERSION) throw invalid(`Its version is ${protocolVersion}, not ${ENTRY_VERSION}.`)
  const entry: PeerEntry = {
    protocolVersion,
    network: readDigest(from, 'The network'),
    peer: peerIdOf(readId(from, 'The peer')),
    incarnation: from.unsigned('The incarnation'),
    update: from.unsigned('The update'),
    departed: from.boolean('The departure'),
    addresses: from.array('The addresses', IDENTITY.addressesMax, () =>
      from.text('An address', IDENTITY.addressBytesMax),
    ),
    tags: from.array('The tags', IDENTITY.tagsMax, () => readDigest(from, 'A tag')),
    groups: from.array('The groups', IDENTITY.groupsMax, () => readDigest(from, 'A group')),
    tickets: from.array('The tickets', IDENTITY.ticketsMax, () => readTicket(from)),
  }
  from.end('The entry')
  return entry
}

function readId(from: CanonicalReader, what: string): Uint8Array {
  const id = from.bytes(what, ID_BYTES)
  if (id.length !== ID_BYTES) throw invalid(`${what} has ${id.length} bytes instead of ${ID_BYTES}.`)
  return id
}

function readDigest(from: CanonicalReader, what: string): Digest {
  return hexOf(readId(from, what)) as Digest
}

function readTicket(from: CanonicalReader): Ticket {
  from.tuple('A ticket', 2)
  return {
    class: from.text("A ticket's class", IDENTITY.ticketClassBytesMax),
    data: from.bytes("A ticket's data", DISCOVERY.entryBytesMax),
  }
}

/** Signs what `identity` says of itself. Throws `InvalidEntry` for what others would refuse. */
export function signEntry(entry: PeerEntry, identity: Identity): SignedEntry {
  if (entry.peer !== identity.peer) throw invalid('A peer signs its own entry only.')
  const bytes = encode(entry)
  // What cannot be read back is better refused here than by every other peer.
  decode(bytes)
  return { bytes, signature: identity.sign(bytes) }
}

/**
 * The entry inside, once everything about it holds. Throws `InvalidEntry`, with what is wrong as detail: bytes that are
 * malformed, too many or not canonical; another network; a time more than `DISCOVERY.futureMaxMs` ahead, because nobody
 * could replace such an entry; a signature that is not of the entry's own peer.
 */
export function openEntry(signed: SignedEntry, { network, nowMs }: OpenEntryOptions): PeerEntry {
  const entry = decode(signed.bytes)
  if (entry.network !== network) throw invalid(`It is of network ${short(entry.network)}, not ${short(network)}.`)
  const aheadMs = Math.max(entry.incarnation, entry.update) - nowMs
  if (aheadMs > DISCOVERY.futureMaxMs) throw invalid(`It is ${aheadMs} ms ahead of this clock.`)
  if (!isSignedBy(entry.peer, signed)) {
    throw invalid(`Its signature is not by its peer ${short(entry.peer)}.`)
  }
  return entry
}

function isSignedBy(peer: PeerId, { bytes, signature }: SignedEntry): boolean {
  return signature.length === SIGNATURE_BYTES && verify(peer, bytes, signature)
}

/** Whose entry this would be if it were one: enough to look for its like among those that are held, and for nothing else. */
export function claimedPeer({ bytes }: SignedEntry): PeerId | null {
  const peer = bytes.subarray(PEER_AT, PEER_AT + ID_BYTES)
  return peer.length === ID_BYTES ? (hexOf(peer) as PeerId) : null
}

/** The same, byte for byte: what was opened once need not be opened again. */
export function isSameEntry(a: SignedEntry, b: SignedEntry): boolean {
  return a === b || (isEqual(a.signature, b.signature) && isEqual(a.bytes, b.bytes))
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Whether `a` is newer than `b`, both of one peer. Equal versions are not newer. */
export function isNewer(a: EntryVersion, b: EntryVersion): boolean {
  return a.incarnation === b.incarnation ? a.update > b.update : a.incarnation > b.incarnation
}
