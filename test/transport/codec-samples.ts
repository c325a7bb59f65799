/** Messages of every type for the tests of the codec: one fixed sample each, and arbitrary ones. */

import fc from 'fast-check'
import type { Digest, GroupId, NetworkId } from '../../src/identity/digest.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import type { SignedEntry } from '../../src/identity/peer-entry.ts'
import type { BondMessage, HandshakeMessage } from '../../src/machines/bond/messages.ts'
import type { DiscoveryMessage, Held } from '../../src/machines/discovery/messages.ts'
import type {
  Configuration,
  ConfigurationAt,
  Entry,
  FormationId,
  LogIndex,
  Proposal,
  RaftMessage,
  Snapshot,
  Term,
} from '../../src/machines/raft/messages.ts'
import { pack } from '../../src/transport/packed.ts'

const peer = (digit: string) => digit.repeat(64) as PeerId
const digest = (digit: string) => digit.repeat(64) as Digest
const term = (value: number) => value as Term
const index = (value: number) => value as LogIndex
const formation = 'f0'.repeat(16) as FormationId
const filled = (length: number, byte: number) => new Uint8Array(length).fill(byte)

const signed: SignedEntry = { bytes: Uint8Array.of(1, 2, 3), signature: filled(64, 0x55) }
const timeMs = 1_700_000_000_000

export const ENTRIES: readonly Entry[] = [
  { kind: 'noop', term: term(2), timeMs },
  {
    kind: 'configuration',
    term: term(1),
    timeMs,
    configuration: { voters: [peer('a'), peer('b')], learners: [peer('c')] },
  },
  { kind: 'session', term: term(2), timeMs, nonce: '0011aabb' },
  {
    kind: 'commands',
    term: term(2),
    timeMs,
    session: 3,
    sequence: 24,
    acknowledged: 23,
    count: 2,
    packed: pack([Uint8Array.of(0xa1, 0x61, 0x6b, 0x01), Uint8Array.of(0xf6)]),
  },
]

const SNAPSHOT: Snapshot = {
  index: index(12_345),
  term: term(7),
  configuration: { index: index(9), configuration: { voters: [peer('a'), peer('b')], learners: [] } },
  founders: [peer('a')],
  chunks: 3,
  bytes: 524_291,
  checksum: 'c5'.repeat(32),
}

export const RAFT: readonly RaftMessage[] = [
  { type: 'PreVote', term: term(8), lastIndex: index(300), lastTerm: term(7) },
  { type: 'PreVoteResponse', term: term(8), granted: true },
  { type: 'RequestVote', term: term(8), lastIndex: index(70_000), lastTerm: term(7), transfer: false },
  { type: 'RequestVoteResponse', term: term(9), granted: false },
  {
    type: 'AppendEntries',
    term: term(8),
    prevIndex: index(10),
    prevTerm: term(7),
    commit: index(9),
    round: 5,
    entries: ENTRIES,
  },
  { type: 'AppendEntriesResponse', term: term(8), matchIndex: index(14), round: 5 },
  {
    type: 'AppendEntriesRejection',
    term: term(8),
    prevIndex: index(10),
    hintIndex: index(4),
    hintTerm: term(3),
    round: 5,
  },
  { type: 'NewerTerm', term: term(9) },
  { type: 'InstallSnapshot', term: term(8), snapshot: SNAPSHOT, chunk: 2, data: Uint8Array.of(1, 2, 3) },
  { type: 'InstallSnapshotResponse', term: term(8), index: index(12_345), next: 3 },
  {
    type: 'Propose',
    proposals: [
      { kind: 'session', nonce: 'n' },
      { kind: 'commands', session: 3, sequence: 1, acknowledged: 0, count: 1, packed: pack([new Uint8Array()]) },
    ],
  },
  { type: 'ReadIndex', id: 256 },
  { type: 'ReadIndexResponse', id: 256, index: index(Number.MAX_SAFE_INTEGER) },
  { type: 'TimeoutNow', term: term(8) },
  { type: 'Introduce', formation: null, voters: 3, preference: 'reluctant' },
  { type: 'FormationProposal', formation, voters: [peer('a'), peer('b'), peer('c')] },
  { type: 'FormationAnswer', formation, voters: [peer('a')], accepted: true },
]

export const HANDSHAKE: readonly HandshakeMessage[] = [
  { type: 'HandshakeStart', network: digest('1'), group: digest('2'), proof: filled(32, 0x77), entry: signed },
  { type: 'HandshakeEnd', proof: filled(32, 0x78), bonds: [signed] },
  { type: 'Peers', bonds: [] },
]

export const BOND: readonly BondMessage[] = [
  { type: 'Ping', sentMs: timeMs },
  { type: 'Pong', sentMs: timeMs },
  { type: 'Departure' },
  { type: 'PeerEntryUpdate', entry: signed },
  { type: 'BondFormed', entry: signed },
  { type: 'Raft', messages: RAFT },
]

const held: Held = { peer: peer('d'), incarnation: timeMs, update: timeMs + 1 }

export const DISCOVERY: readonly DiscoveryMessage[] = [
  { type: 'SyncRequest', network: digest('1'), own: signed, held: [held] },
  { type: 'SyncResponse', entries: [signed], wanted: [peer('d')] },
  { type: 'SyncEntries', entries: [] },
  { type: 'Announce', network: digest('1'), entries: [signed] },
]

// Arbitrary messages: edges of number widths are as likely as numbers between them.

const anyUint = fc.oneof(
  fc.constantFrom(0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
)
const anyTerm = anyUint as fc.Arbitrary<Term>
const anyIndex = anyUint as fc.Arbitrary<LogIndex>
const anyHex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => Buffer.from(value).toString('hex'))
const anyPeer = anyHex(32) as fc.Arbitrary<PeerId>
const anyNetwork = anyHex(32) as unknown as fc.Arbitrary<NetworkId>
const anyGroup = anyHex(32) as unknown as fc.Arbitrary<GroupId>
const anyFormation = anyHex(16) as unknown as fc.Arbitrary<FormationId>
const anyPeers = fc.array(anyPeer, { maxLength: 4 })
const anyBytes = fc.uint8Array({ maxLength: 300 })
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const anyNonce = fc.string({ unit: 'grapheme-ascii', maxLength: 64 })
type Shape<T> = { [K in keyof T]: fc.Arbitrary<T[K]> }
const a = <T>(shape: Shape<T>): fc.Arbitrary<T> => fc.record(shape, { noNullPrototype: true }) as fc.Arbitrary<T>
const is = <const T>(value: T): fc.Arbitrary<T> => fc.constant(value)

const anySigned = a<SignedEntry>({ bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }), signature: exactly(64) })
const anySignedList = fc.array(anySigned, { maxLength: 4 })

type Kind<T, K> = Extract<T, { readonly kind: K }>
type Of<T, K> = Extract<T, { readonly type: K }>

/** Some commands for what is to hold them. */
function withCommands<T extends object>(order: T): fc.Arbitrary<T & { count: number; packed: Uint8Array }> {
  return fc
    .array(anyBytes, { minLength: 1, maxLength: 4 })
    .map((commands) => ({ ...order, count: commands.length, packed: pack(commands) }))
}

export const anyEntry: fc.Arbitrary<Entry> = fc.oneof(
  a<Kind<Entry, 'noop'>>({ kind: is('noop'), term: anyTerm, timeMs: anyUint }),
  a<Kind<Entry, 'configuration'>>({
    kind: is('configuration'),
    term: anyTerm,
    timeMs: anyUint,
    configuration: a({ voters: anyPeers, learners: anyPeers }),
  }),
  a<Kind<Entry, 'session'>>({ kind: is('session'), term: anyTerm, timeMs: anyUint, nonce: anyNonce }),
  a<Omit<Kind<Entry, 'commands'>, 'count' | 'packed'>>({
    kind: is('commands'),
    term: anyTerm,
    timeMs: anyUint,
    session: anyUint,
    sequence: anyUint,
    acknowledged: anyUint,
  }).chain(withCommands),
)
const anyProposal: fc.Arbitrary<Proposal> = fc.oneof(
  a<Kind<Proposal, 'session'>>({ kind: is('session'), nonce: anyNonce }),
  a<Omit<Kind<Proposal, 'commands'>, 'count' | 'packed'>>({
    kind: is('commands'),
    session: anyUint,
    sequence: anyUint,
    acknowledged: anyUint,
  }).chain(withCommands),
)

const anySnapshot = a<Snapshot>({
  index: anyIndex,
  term: anyTerm,
  configuration: a<ConfigurationAt>({
    index: anyIndex,
    configuration: a<Configuration>({ voters: anyPeers, learners: anyPeers }),
  }),
  founders: anyPeers,
  chunks: anyUint,
  bytes: anyUint,
  checksum: exactly(32).map((bytes) => Buffer.from(bytes).toString('hex')),
})

/** One arbitrary for each type: a type that is missing does not compile. */
const raft: { [T in RaftMessage['type']]: fc.Arbitrary<Of<RaftMessage, T>> } = {
  PreVote: a({ type: is('PreVote'), term: anyTerm, lastIndex: anyIndex, lastTerm: anyTerm }),
  PreVoteResponse: a({ type: is('PreVoteResponse'), term: anyTerm, granted: fc.boolean() }),
  RequestVote: a({
    type: is('RequestVote'),
    term: anyTerm,
    lastIndex: anyIndex,
    lastTerm: anyTerm,
    transfer: fc.boolean(),
  }),
  RequestVoteResponse: a({ type: is('RequestVoteResponse'), term: anyTerm, granted: fc.boolean() }),
  AppendEntries: a({
    type: is('AppendEntries'),
    term: anyTerm,
    prevIndex: anyIndex,
    prevTerm: anyTerm,
    commit: anyIndex,
    round: anyUint,
    entries: fc.array(anyEntry, { maxLength: 5 }),
  }),
  AppendEntriesResponse: a({
    type: is('AppendEntriesResponse'),
    term: anyTerm,
    matchIndex: anyIndex,
    round: anyUint,
  }),
  AppendEntriesRejection: a({
    type: is('AppendEntriesRejection'),
    term: anyTerm,
    prevIndex: anyIndex,
    hintIndex: anyIndex,
    hintTerm: anyTerm,
    round: anyUint,
  }),
  NewerTerm: a({ type: is('NewerTerm'), term: anyTerm }),
  InstallSnapshot: a({
    type: is('InstallSnapshot'),
    term: anyTerm,
    snapshot: anySnapshot,
    chunk: anyUint,
    data: anyBytes,
  }),
  InstallSnapshotResponse: a({ type: is('InstallSnapshotResponse'), term: anyTerm, index: anyIndex, next: anyUint }),
  Propose: a({ type: is('Propose'), proposals: fc.array(anyProposal, { maxLength: 5 }) }),
  ReadIndex: a({ type: is('ReadIndex'), id: anyUint }),
  ReadIndexResponse: a({ type: is('ReadIndexResponse'), id: anyUint, index: anyIndex }),
  TimeoutNow: a({ type: is('TimeoutNow'), term: anyTerm }),
  Introduce: a({
    type: is('Introduce'),
    formation: fc.option(anyFormation),
    voters: anyUint,
    preference: fc.constantFrom('normal', 'reluctant', 'observer'),
  }),
  FormationProposal: a({ type: is('FormationProposal'), formation: anyFormation, voters: anyPeers }),
  FormationAnswer: a({
    type: is('FormationAnswer'),
    formation: anyFormation,
    voters: anyPeers,
    accepted: fc.boolean(),
  }),
}
export const anyRaft: fc.Arbitrary<RaftMessage> = fc.oneof(...Object.values<fc.Arbitrary<RaftMessage>>(raft))

const handshake: { [T in HandshakeMessage['type']]: fc.Arbitrary<Of<HandshakeMessage, T>> } = {
  HandshakeStart: a({
    type: is('HandshakeStart'),
    network: anyNetwork,
    group: anyGroup,
    proof: exactly(32),
    entry: anySigned,
  }),
  HandshakeEnd: a({ type: is('HandshakeEnd'), proof: exactly(32), bonds: anySignedList }),
  Peers: a({ type: is('Peers'), bonds: anySignedList }),
}
export const anyHandshake = fc.oneof(...Object.values<fc.Arbitrary<HandshakeMessage>>(handshake))

const bond: { [T in BondMessage['type']]: fc.Arbitrary<Of<BondMessage, T>> } = {
  Ping: a({ type: is('Ping'), sentMs: anyUint }),
  Pong: a({ type: is('Pong'), sentMs: anyUint }),
  Departure: a({ type: is('Departure') }),
  PeerEntryUpdate: a({ type: is('PeerEntryUpdate'), entry: anySigned }),
  BondFormed: a({ type: is('BondFormed'), entry: anySigned }),
  Raft: a({ type: is('Raft'), messages: fc.array(anyRaft, { maxLength: 4 }) }),
}
export const anyBond = fc.oneof(...Object.values<fc.Arbitrary<BondMessage>>(bond))

const discovery: { [T in DiscoveryMessage['type']]: fc.Arbitrary<Of<DiscoveryMessage, T>> } = {
  SyncRequest: a({
    type: is('SyncRequest'),
    network: anyNetwork,
    own: anySigned,
    held: fc.array(a<Held>({ peer: anyPeer, incarnation: anyUint, update: anyUint }), { maxLength: 4 }),
  }),
  SyncResponse: a({ type: is('SyncResponse'), entries: anySignedList, wanted: anyPeers }),
  SyncEntries: a({ type: is('SyncEntries'), entries: anySignedList }),
  Announce: a({ type: is('Announce'), network: anyNetwork, entries: anySignedList }),
}
export const anyDiscovery = fc.oneof(...Object.values<fc.Arbitrary<DiscoveryMessage>>(discovery))
