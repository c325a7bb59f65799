/**
 * The write-ahead journal of a store, byte by byte: what each write changed in the records of lmdb-format.ts, in the order of the
 * writes, until a checkpoint has carried it over to LMDB.
 *
 * A file has its whole length from the moment it has its name, and holds zeros but for the journal's records at its beginning. Each of
 * these is written at once, in sectors of its own, so that of what was acknowledged before nothing changes, whatever becomes of it. A sector is
 * a mark, which is not zero and says whether a record begins here, and 511 bytes of the record. A record, filled up with zeros:
 *
 *   magic (4)  CRC-32 of what follows in the header (4)  number (8)  length of the body (4)  CRC-32 of the body (4)
 *   the body, a row of edits: length of the key (1)  length of the value + 1, or 0 for a removal (4)  key  value
 *
 * Numbers are big-endian. Records are numbered from 1 on, through all files of a store, without a gap. Both checksums begin with that of the
 * store's header line, so that a record of another store is none of this one's.
 *
 * All that a crash can leave unfinished is the one record that was being written, and nobody was told of. Disks write sectors whole, in any
 * order: so where a sector of a record is still blank, and no later record is there, the journal ends before that record. One that is
 * wrong in any other way was acknowledged, and is damaged.
 */
import { crc32 } from 'node:zlib'
import { damage } from './lmdb-environment.ts'

/** What becomes of one record of a store; null where it goes. */
export interface Edit {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}

/** The smallest piece that a disk writes whole. */
export const SECTOR_BYTES = 512
/** All bytes of a file, from its first moment on. */
export const JOURNAL_BYTES = 4 * 1024 * 1024
const MARK = { first: 0xa7, further: 0x5b } as const
const SHARE_BYTES = SECTOR_BYTES - 1
const MAGIC = 0x7465_736a
const HEADER_BYTES = 24
const EDIT_BYTES = 5

function bodyBytes(edits: readonly Edit[]): number {
  let bytes = 0
  for (const { key, value } of edits) bytes += EDIT_BYTES + key.length + (value?.length ?? 0)
  return bytes
}

/** What the record of these edits takes of a file. */
export function recordBytes(edits: readonly Edit[]): number {
  return sectorsOf(HEADER_BYTES + bodyBytes(edits)) * SECTOR_BYTES
}

/**
 * Whole sectors, all of `sectors`, which has the `recordBytes` of these edits. Keys are of at most 255 bytes. `store`: the checksum of the
 * header line.
 */
export function encodeRecord(
  store: number,
  number: number,
  edits: readonly Edit[],
  sectors: Buffer = Buffer.allocUnsafe(recordBytes(edits)),
): Buffer {
  const length = bodyBytes(edits)
  const record = sectors.subarray(sectors.length - HEADER_BYTES - length)
  let at = HEADER_BYTES
  for (const { key, value } of edits) {
    at = record.writeUInt8(key.length, at)
    at = record.writeUInt32BE(value === null ? 0 : value.length + 1, at)
    record.set(key, at)
    at += key.length
    if (value === null) continue
    record.set(value, at)
    at += value.length
  }
  record.writeUInt32BE(MAGIC, 0)
  record.writeBigUInt64BE(BigInt(number), 8)
  record.writeUInt32BE(length, 16)
  record.writeUInt32BE(crc32(record.subarray(HEADER_BYTES), store), 20)
  record.writeUInt32BE(crc32(record.subarray(8, HEADER_BYTES), store), 4)
  spread(sectors, record.length)
  return sectors
}

const sectorsOf = (recordBytes: number): number => Math.ceil(recordBytes / SHARE_BYTES)

/** A record of `length` bytes moves from the end of `sectors` into their shares: each lies further back than where it goes to. */
function spread(sectors: Buffer, length: number): void {
  let from = sectors.length - length
  for (let at = 0; at < sectors.length; at += SECTOR_BYTES, from += SHARE_BYTES) {
    sectors.copyWithin(at + 1, from, Math.min(from + SHARE_BYTES, sectors.length))
    sectors[at] = at === 0 ? MARK.first : MARK.further
  }
  sectors.fill(0, length + sectors.length / SECTOR_BYTES)
}

export interface JournalFile {
  readonly edits: readonly Edit[]
  /** The number of the last record; one less than `first` where there is none. */
  readonly last: number
  /** Whether something stands behind it: a record that was being written when all ended. */
  readonly torn: boolean
}

/**
 * The records of a file that begins with number `first`, of the store whose header line has the checksum `store`. Throws `StorageFailed` where
 * one that was acknowledged is not as it was written.
 */
export function readJournalFile(file: Buffer, store: number, first: number): JournalFile {
  const edits: Edit[] = []
  let number = first
  let at = 0
  for (; at < file.length && isWritten(file, at, number, MARK.first); number++) {
    const header = headerAt(file, store, at)
    const end = at + sectorsOf(HEADER_BYTES + (header?.length ?? 0)) * SECTOR_BYTES
    if (header?.number !== number || end > file.length) throw garbled(number)
    if (!isWhole(file, at, end, number)) break
    const body = bodyOf(file.subarray(at, end), header.length)
    if (crc32(body, store) !== header.crc) throw garbled(number)
    readEdits(body, number, edits)
    at = end
  }
  return { edits, last: number - 1, torn: isUnfinished(file.subarray(at), store, number) }
}

const garbled = (number: number) => damage(`record ${number} of its journal is garbled`)

interface Header {
  readonly number: number
  readonly length: number
  readonly crc: number
}

function headerAt(file: Buffer, store: number, sector: number): Header | null {
  const at = sector + 1
  if (file.readUInt32BE(at) !== MAGIC) return null
  if (crc32(file.subarray(at + 8, at + HEADER_BYTES), store) !== file.readUInt32BE(at + 4)) return null
  return {
    number: Number(file.readBigUInt64BE(at + 8)),
    length: file.readUInt32BE(at + 16),
    crc: file.readUInt32BE(at + 20),
  }
}

const BLANK = Buffer.alloc(SECTOR_BYTES)

/** Whether the sector at `at`, of record `number`, was written. Throws where it is neither written, with `mark`, nor as it was before. */
function isWritten(file: Buffer, at: number, number: number, mark: number): boolean {
  if (file[at] === mark) return true
  if (file.subarray(at, at + SECTOR_BYTES).equals(BLANK)) return false
  throw garbled(number)
}

function isWhole(file: Buffer, from: number, end: number, number: number): boolean {
  for (let at = from + SECTOR_BYTES; at < end; at += SECTOR_BYTES) {
    if (!isWritten(file, at, number, MARK.further)) return false
  }
  return true
}

/** Whether `rest` holds some of record `number`. Throws where it holds anything else: a later record says that this one was acknowledged. */
function isUnfinished(rest: Buffer, store: number, number: number): boolean {
  let unfinished = false
  for (let at = 0; at < rest.length; at += SECTOR_BYTES) {
    const isFirst = rest[at] === MARK.first
    if (isFirst && (at > 0 || headerAt(rest, store, at)?.number !== number)) throw garbled(number)
    if (isFirst || isWritten(rest, at, number, MARK.further)) unfinished = true
  }
  return unfinished
}

function bodyOf(sectors: Buffer, length: number): Buffer {
  const record = Buffer.allocUnsafe((sectors.length / SECTOR_BYTES) * SHARE_BYTES)
  for (let from = 1, at = 0; from < sectors.length; from += SECTOR_BYTES, at += SHARE_BYTES) {
    sectors.copy(record, at, from, from + SHARE_BYTES)
  }
  return record.subarray(HEADER_BYTES, HEADER_BYTES + length)
}

function readEdits(body: Buffer, number: number, edits: Edit[]): void {
  for (let at = 0; at < body.length; ) {
    const key = at + EDIT_BYTES
    if (key > body.length) throw garbled(number)
    const value = key + body[at]!
    const length = body.readUInt32BE(at + 1)
    at = value + Math.max(0, length - 1)
    if (at > body.length) throw garbled(number)
    edits.push({ key: body.subarray(key, value), value: length === 0 ? null : body.subarray(value, at) })
  }
}
