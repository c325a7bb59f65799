/**
 * Every message of tessera as bytes, and back: one CBOR item each, the array `[tag, ...fields]`.
 *
 * Decoding trusts nothing: the bytes are walked (`cbor.ts`), the arrays checked against the message's schema
 * (`wire-fields.ts`), and only then read. Whatever is wrong, `TesseraError('InvalidMessage')` is thrown, which names the message and the path, and
 * nothing else ever is. A message has exactly one encoding: what decodes encodes to the same bytes.
 */
import type { GroupId, NetworkId } from '../identity/digest.ts'
import type { PeerId } from '../identity/keys.ts'
import type { SignedEntry } from '../identity/peer-entry.ts'
import { DISCOVERY } from '../limits.ts'
import type {
  BondFormed,
  BondMessage,
  Departure,
  HandshakeEnd,
  HandshakeMessage,
  HandshakeStart,
  PeerEntryUpdate,
  Peers,
  Ping,
  Pong,
  Raft,
} from '../machines/bond/messages.ts'
import type {
  Announce,
  DiscoveryMessage,
  Held,
  SyncEntries,
  SyncRequest,
  SyncResponse,
} from '../machines/discovery/messages.ts'
import type { RaftMessage } from '../machines/raft/messages.ts'
import { keepable, readMessage } from './cbor.ts'
import { readCommands } from './codec-commands.ts'
import { peers } from './codec-entry.ts'
import { raftMessages } from './codec-raft.ts'
import {
  bytes,
  type Family,
  type Field,
  family,
  hex,
  list,
  type Message,
  message,
  milliseconds,
  record,
  uint,
  written,
} from './wire-fields.ts'

export { decodeValue, encodeCommand, encodeValue } from './cbor.ts'
export { decodeEntry, encodeEntry } from './codec-entry.ts'

const network = hex<NetworkId>(32)
const proof = bytes(32, 32)
const signedEntry: Field<SignedEntry> = record<SignedEntry>({
  bytes: bytes(1, DISCOVERY.entryBytesMax),
  signature: bytes(64, 64),
})
const signedEntries = list(signedEntry, DISCOVERY.entriesMax)
const held = list(record<Held>({ peer: hex<PeerId>(32), incarnation: uint(), update: uint() }), DISCOVERY.entriesMax)

const handshakeMessages = family<HandshakeMessage>('Handshake message', {
  HandshakeStart: message<HandshakeStart>(1, 'HandshakeStart', {
    network,
    group: hex<GroupId>(32),
    proof,
    entry: signedEntry,
  }),
  HandshakeEnd: message<HandshakeEnd>(2, 'HandshakeEnd', { proof, bonds: signedEntries }),
  Peers: message<Peers>(3, 'Peers', { bonds: signedEntries }),
})

const RAFT_TAG = 9

/** A batch is `[tag, message, message, ...]`: each message is an array of its own. */
const raftBatch: Message<Raft> = {
  tag: RAFT_TAG,
  write: (writer, { messages }) => {
    writer.array(messages.length + 1)
    writer.uint(RAFT_TAG)
    for (const each of messages) raftMessages.write(writer, each)
  },
  read: (wire) => ({ type: 'Raft', messages: wire.slice(1).map(raftMessages.read) }),
}

const bondMessages = family<BondMessage>('Bond message', {
  Ping: message<Ping>(4, 'Ping', { sentMs: milliseconds() }),
  Pong: message<Pong>(5, 'Pong', { sentMs: milliseconds() }),
  Departure: message<Departure>(6, 'Departure', {}),
  PeerEntryUpdate: message<PeerEntryUpdate>(7, 'PeerEntryUpdate', { entry: signedEntry }),
  BondFormed: message<BondFormed>(8, 'BondFormed', { entry: signedEntry }),
  Raft: raftBatch,
})

const discoveryMessages = family<DiscoveryMessage>('Discovery message', {
  SyncRequest: message<SyncRequest>(16, 'SyncRequest', { network, own: signedEntry, held }),
  SyncResponse: message<SyncResponse>(17, 'SyncResponse', { entries: signedEntries, wanted: peers }),
  SyncEntries: message<SyncEntries>(18, 'SyncEntries', { entries: signedEntries }),
  Announce: message<Announce>(19, 'Announce', { network, entries: signedEntries }),
})

function encode<M>(messages: Family<M>, value: M): Uint8Array {
  return written((writer) => messages.write(writer, value))
}

export function encodeHandshake(value: HandshakeMessage): Uint8Array {
  return encode(handshakeMessages, value)
}
/** Throws `InvalidMessage`. */
export function decodeHandshake(encoded: Uint8Array): HandshakeMessage {
  return handshakeMessages.read(readMessage(encoded))
}

export function encodeBond(value: BondMessage): Uint8Array {
  return encode(bondMessages, value)
}
/** Throws `InvalidMessage`. */
export function decodeBond(encoded: Uint8Array): BondMessage {
  const bytes = keepable(encoded)
  return readCommands(bytes) ?? bondMessages.read(readMessage(bytes))
}

/** The bond message `Raft`. */
export function encodeRaftBatch(messages: readonly RaftMessage[]): Uint8Array {
  return encode(bondMessages, { type: 'Raft', messages })
}

export function encodeDiscovery(value: DiscoveryMessage): Uint8Array {
  return encode(discoveryMessages, value)
}
/** Throws `InvalidMessage`. */
export function decodeDiscovery(encoded: Uint8Array): DiscoveryMessage {
  return discoveryMessages.read(readMessage(encoded))
}
