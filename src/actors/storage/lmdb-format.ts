/**
 * What a store holds, byte by byte.
 *
 *   <path>/<group>/<member>/header     one line: format version, group, member
 *                           lease/     who may write (lmdb-lease.ts)
 *                           journal.<n>  writes that LMDB may not have yet, from number n on (lmdb-journal-format.ts)
 *                           log/       the LMDB environment, one unnamed database:
 *
 *   key                      value, each behind a CRC-32 of key and value
 *   01                       the header line again: this log belongs to that header
 *   02                       HardState, as CBOR
 *   03                       what this member's snapshot says of itself, as CBOR
 *   04                       index and term of the entry that the log begins after, as CBOR; absent where it begins with the first
 *   05                       the snapshot that is on its way here, and how many of its chunks have come, as CBOR
 *   06 + index (8 bytes BE) + checksum (its first 8 bytes) + number (4 bytes BE)
 *                            a chunk of a snapshot; of neither of the two: left behind by a crash, and removed with the next snapshot
 *   07                       the number of the last record of the journal that is in here, as CBOR; absent where none is
 *   10 + number (8 bytes BE) a piece of the log: where it begins, and its entries, as on the wire, as CBOR
 *
 * The log is what its pieces come to, read by their numbers: each cuts what is there before where it begins, and goes on from there (Raft §5.3).
 * So a write is one record, however many entries it brings or cuts. Numbers leave no gap; pieces go from the first on, once all
 * their entries are compacted away.
 *
 * The session table is in the snapshot. 08 to 0f and 20 to ff are free. A store with keys this version
 * does not know must have another format number, so that an old version refuses it rather than loses half of it.
 *
 * The header is written last when a store is made, and a log is renamed into place complete, so a crash on the way leaves
 * something that is finished or begun anew; whatever has a header and does not read is damaged.
 */
import { crc32 } from 'node:zlib'
import Type from 'typebox'
import type { GroupId } from '../../identity/digest.ts'
import type { PeerId } from '../../identity/keys.ts'
import { WIRE } from '../../limits.ts'
import type { Formation, HardState } from '../../machines/raft/effects.ts'
import {
  type Entry,
  type EntryId,
  type FormationId,
  isSame,
  type LogIndex,
  type Snapshot,
  spanOf,
  type Term,
} from '../../machines/raft/messages.ts'
import { readMessage } from '../../transport/cbor.ts'
import { entry, snapshot } from '../../transport/codec-entry.ts'
import { checker, type Field, field, hex, list, nullable, record, uint, written } from '../../transport/wire-fields.ts'
import { damage, refusal } from './lmdb-environment.ts'
import { BEGINNING, FORGOTTEN, type Persisted } from './storage.ts'

export const FORMAT_VERSION = 4

const KEY = {
  header: 0x01,
  hardState: 0x02,
  own: 0x03,
  base: 0x04,
  receiving: 0x05,
  chunk: 0x06,
  checkpoint: 0x07,
  piece: 0x10,
} as const
const CRC_BYTES = 4
const HEADER = /^tessera\.store:(\d+) group:([0-9a-f]{64}) member:([0-9a-f]{64})\n$/

export const HEADER_KEY = Uint8Array.of(KEY.header)
export const HARD_STATE_KEY = Uint8Array.of(KEY.hardState)
export const OWN_KEY = Uint8Array.of(KEY.own)
export const BASE_KEY = Uint8Array.of(KEY.base)
export const RECEIVING_KEY = Uint8Array.of(KEY.receiving)
export const CHECKPOINT_KEY = Uint8Array.of(KEY.checkpoint)

export function pieceKey(number: number): Uint8Array {
  const key = Buffer.alloc(9)
  key[0] = KEY.piece
  key.writeBigUInt64BE(BigInt(number), 1)
  return key
}

const CHECKSUM_DIGITS = 16

export function chunkKey({ index, checksum }: Pick<Snapshot, 'index' | 'checksum'>, at: number): Uint8Array {
  const key = Buffer.alloc(21)
  key[0] = KEY.chunk
  key.writeBigUInt64BE(BigInt(index), 1)
  key.write(checksum.slice(0, CHECKSUM_DIGITS), 9, 'hex')
  key.writeUInt32BE(at, 17)
  return key
}

export function headerOf(group: GroupId, self: PeerId): string {
  return `tessera.store:${FORMAT_VERSION} group:${group} member:${self}\n`
}

/** Throws `StorageFailed` unless `header` is that of this group's and member's store, in a format this version reads. */
export function checkHeader(header: string, group: GroupId, self: PeerId): void {
  const [, version, storeGroup, member] = HEADER.exec(header) ?? []
  const number = version ?? /^tessera\.store:(\d+)/.exec(header)?.[1]
  if (number !== undefined && Number(number) !== FORMAT_VERSION) {
    const todo = Number(number) > FORMAT_VERSION ? 'use the version of tessera that wrote it' : 'it is no longer read'
    throw refusal(`The store has format ${number}, this version reads format ${FORMAT_VERSION}: ${todo}.`)
  }
  if (version === undefined) throw damage('its header is not one')
  if (storeGroup !== group) {
    throw refusal(`The store belongs to group ${storeGroup}, not to ${group}: give each group its own folder.`)
  }
  if (member !== self) {
    throw refusal(`The store belongs to member ${member}, not to ${self}: use that identity, or another folder.`)
  }
}

/** The value as it is kept: what changes on the disk, or stands under another key, is noticed. */
export function sealed(key: Uint8Array, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(CRC_BYTES + value.length)
  bytes.set(value, CRC_BYTES)
  return seal(key, bytes)
}

/** Of bytes that begin with room for the checksum of the rest. */
function seal(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  const crc = crc32(bytes.subarray(CRC_BYTES), crc32(key))
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, crc)
  return bytes
}

/**
 * A copy, because what LMDB hands out is its own memory, and what waits for it is in blocks that are used again. Throws `StorageFailed` where it
 * is not what was sealed.
 */
export function unsealed(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  if (bytes.length < CRC_BYTES) throw damage('a value is too short')
  const value = new Uint8Array(bytes.subarray(CRC_BYTES))
  const crc = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  if (crc32(value, crc32(key)) !== crc) throw damage('a value does not match its checksum')
  return value
}

const STATUS = ['none', 'accepted', 'formed'] as const
const statusField: Field<Formation['status']> = field(
  Type.Integer({ minimum: 0, maximum: STATUS.length - 1 }),
  (writer, value) => writer.uint(STATUS.indexOf(value)),
  (wire) => STATUS[wire]!,
)
const formationId = hex<FormationId>(16)
const hardState = record<HardState>({
  term: uint<Term>(),
  votedFor: nullable(hex<PeerId>(32)),
  formation: record<Formation>({
    status: statusField,
    id: nullable(formationId),
    voters: list(hex<PeerId>(32), WIRE.messageItemsMax),
    refused: list(formationId, WIRE.messageItemsMax),
  }),
})
const checkHardState = checker('HardState', hardState.schema, [])

export function encodeHardState(value: HardState): Uint8Array {
  return written((writer) => hardState.write(writer, value))
}

type Receiving = NonNullable<Persisted['receiving']>

/** The records that stand for themselves: how each is written, and read. */
const baseRecord = record<EntryId>({ index: uint<LogIndex>(), term: uint<Term>() })
const receivingRecord = record<Receiving>({ snapshot, next: uint() })
const checkSnapshot = checker('Snapshot', snapshot.schema, [])
const checkBase = checker('Base', baseRecord.schema, [])
const checkReceiving = checker('Receiving', receivingRecord.schema, [])

/** LMDB has all records of the journal up to this one. */
export interface Checkpoint {
  readonly last: number
}

const checkpointRecord = record<Checkpoint>({ last: uint() })
const checkCheckpoint = checker('Checkpoint', checkpointRecord.schema, [])

export function encodeSnapshot(value: Snapshot): Uint8Array {
  return written((writer) => snapshot.write(writer, value))
}

export function encodeBase(value: EntryId): Uint8Array {
  return written((writer) => baseRecord.write(writer, value))
}

export function encodeReceiving(value: Receiving): Uint8Array {
  return written((writer) => receivingRecord.write(writer, value))
}

/** Sealed. */
export function encodeCheckpoint(value: Checkpoint): Uint8Array {
  return sealed(
    CHECKPOINT_KEY,
    written((writer) => checkpointRecord.write(writer, value)),
  )
}

/** Undefined before the first. Throws `StorageFailed` where it is not what was sealed. */
export function decodeCheckpoint(value: Uint8Array | undefined): Checkpoint {
  if (value === undefined) return { last: 0 }
  return decoded('the checkpoint', unsealed(CHECKPOINT_KEY, value), checkCheckpoint, checkpointRecord)
}

/** Part of the log: what follows the entry before `from` is `entries`. */
export interface Piece {
  readonly from: LogIndex
  readonly entries: readonly Entry[]
}

const pieceRecord = record<Piece>({ from: uint<LogIndex>(), entries: list(entry, WIRE.messageItemsMax) })
const checkPiece = checker('Piece', pieceRecord.schema, [])

const ROOM_FOR_CRC = new Uint8Array(CRC_BYTES)

/** Sealed, without a copy: pieces are nearly all that a store writes. */
export function encodePiece(key: Uint8Array, value: Piece): Uint8Array {
  const bytes = written((writer) => {
    writer.raw(ROOM_FOR_CRC)
    pieceRecord.write(writer, value)
  })
  return seal(key, bytes)
}

/** What a store holds. */
export interface Found {
  readonly persisted: Persisted | null
  /** The number of the first piece of the log, and the last index of each from there on. */
  readonly firstPiece: number
  readonly pieceEnds: readonly number[]
  /** Keys of chunks that nobody will ask for any more. */
  readonly leftovers: readonly Uint8Array[]
}

/** Throws `StorageFailed` unless a log that has `value` at `HEADER_KEY` belongs to `header`. */
export function checkBelongs(value: Uint8Array | undefined, header: string): void {
  if (value === undefined || !same(unsealed(HEADER_KEY, value), Buffer.from(header))) {
    throw damage('its log does not belong to its header')
  }
}

/** All records of a log, in key order. Throws `StorageFailed` unless they are a whole log. */
export function readStore(records: Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>): Found {
  let state: HardState | null = null
  let own: Snapshot | null = null
  let base = BEGINNING
  let receiving: Receiving | null = null
  const chunks: Uint8Array[] = []
  const log = new LogReader()
  for (const { key, value } of records) {
    const bytes = unsealed(key, value)
    if (key[0] === KEY.piece) log.read(key, bytes, base)
    else if (key[0] === KEY.chunk) chunks.push(new Uint8Array(key))
    else if (same(key, HARD_STATE_KEY)) state = decoded('the hard state', bytes, checkHardState, hardState)
    else if (same(key, OWN_KEY)) own = decoded('the snapshot', bytes, checkSnapshot, snapshot)
    else if (same(key, BASE_KEY)) base = decoded('the beginning of the log', bytes, checkBase, baseRecord)
    else if (same(key, RECEIVING_KEY))
      receiving = decoded('the snapshot to come', bytes, checkReceiving, receivingRecord)
    else if (!same(key, HEADER_KEY) && !same(key, CHECKPOINT_KEY)) throw damage('it has a record of an unknown kind')
  }
  if (base.index > (own?.index ?? 0)) throw damage('nothing stands for the beginning of its log')
  const leftovers = chunksOfNeither(chunks, own, receiving)
  const { first: firstPiece, ends: pieceEnds } = log
  const entries = log.after(base)
  const isNew = state === null && base.index + entries.length === 0
  const persisted = isNew ? null : { hardState: state ?? FORGOTTEN, base, entries, snapshot: own, receiving }
  return { persisted, firstPiece, pieceEnds, leftovers }
}

/** Puts the pieces of a log together. Raft §5.3: indexes without a gap, and in what they come to, terms that never fall. */
class LogReader {
  readonly #entries: Entry[] = []
  /** The last index of the entry at the same place. */
  readonly #lasts: number[] = []
  first = 1
  readonly ends: number[] = []

  read(key: Uint8Array, bytes: Uint8Array, base: EntryId): void {
    const number = Number(Buffer.from(key).readBigUInt64BE(1))
    if (this.ends.length === 0) this.first = number
    if (!same(key, pieceKey(this.first + this.ends.length))) throw damage(`piece ${number} of the log follows a gap`)
    const { from, entries } = decoded(`piece ${number} of the log`, bytes, checkPiece, pieceRecord)
    this.#cut(from)
    const next = (this.#lasts.at(-1) ?? base.index) + 1
    if (from > next) throw damage(`entry ${next} is missing from the log`)
    let last = from - 1
    for (const one of entries) {
      last += spanOf(one)
      // Of what is compacted away, pieces may still hold the end.
      if (last <= base.index) continue
      this.#entries.push(one)
      this.#lasts.push(last)
    }
    this.ends.push(last)
  }

  /** Raft §5.3: a piece takes the place of all from there on. */
  #cut(from: LogIndex): void {
    while ((this.#lasts.at(-1) ?? 0) >= from) {
      this.#lasts.pop()
      this.#entries.pop()
    }
  }

  /** All that follows `base`. Only now, as an entry that is cut later may be of an older term than a base that came after it. */
  after(base: EntryId): readonly Entry[] {
    let { term } = base
    for (const [place, one] of this.#entries.entries()) {
      if (one.term < term) throw damage(`entry ${this.#lasts[place]} is of an older term than the one before it`)
      term = one.term
    }
    return this.#entries
  }
}

/** Throws where a chunk that must be there is not. */
function chunksOfNeither(
  chunks: readonly Uint8Array[],
  own: Snapshot | null,
  receiving: Receiving | null,
): Uint8Array[] {
  const kept = new Map(chunks.map((key) => [Buffer.from(key).toString('hex'), key]))
  const claim = (of: Snapshot, count: number): void => {
    for (let at = 0; at < count; at++) {
      if (!kept.delete(Buffer.from(chunkKey(of, at)).toString('hex')))
        throw damage(`chunk ${at} of the snapshot at ${of.index} is missing`)
    }
  }
  if (own) claim(own, own.chunks)
  if (receiving && !isSame(receiving.snapshot, own)) claim(receiving.snapshot, receiving.next)
  return [...kept.values()]
}

/** What a record holds. Throws `StorageFailed` where it is not what its kind says. */
function decoded<T>(what: string, bytes: Uint8Array, check: (wire: unknown) => void, { read }: Field<T>): T {
  try {
    const wire = readMessage(bytes)
    check(wire)
    return read(wire)
  } catch (cause) {
    throw damage(`${what} does not decode`, cause)
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
