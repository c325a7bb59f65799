/**
 * Reads the pages of an LMDB file and finds out whether LMDB can be trusted with it.
 *
 * LMDB maps the file and follows its page numbers and offsets unchecked: a truncated file ends the process with SIGBUS, a garbled
 * page with SIGSEGV. So before LMDB sees a store, every page its trees reach is walked here, read-only: each stands where it says,
 * within the file, is of the kind its place asks for, is reached once, and every node lies within its page. What the values hold is
 * not looked at (they carry checksums), nor is which pages are free.
 *
 * The layout is that of LMDB's data version 2 on 64-bit little-endian machines (mdb.c: `MDB_page_header`, `MDB_meta`, `MDB_db`,
 * `MDB_node`, `MDB_ovpage`).
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { damage, refusal } from './lmdb-environment.ts'

const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
const FLAG = { branch: 0x01, leaf: 0x02, overflow: 0x04, meta: 0x08 } as const
const BIG_DATA = 0x01
const PAGE_HEADER_BYTES = 24
const NODE_HEADER_BYTES = 8
const OVERFLOW_BYTES = 24
const META_BYTES = 144
const NO_PAGE = 2n ** 64n - 1n
const PAGE_BYTES_MAX = 65_536
/** A tree this deep would hold more than any disk. */
const DEPTH_MAX = 32

/** One of the two meta pages; transaction N writes page N % 2. */
interface Meta {
  readonly pageBytes: number
  readonly transaction: bigint
  readonly lastPage: number
  /** Roots of the tree of free pages and of the tree of records; null for an empty one. */
  readonly roots: readonly (number | null)[]
}

interface Walk {
  readonly file: number
  /** Of the file, which may be shorter than `lastPage` says where the last pages are free (mdb.c, `MDB_meta`). */
  readonly pages: number
  readonly meta: Meta
  readonly seen: Set<number>
}

export interface Checked {
  /** The number of the last transaction; each was synced once. */
  readonly transaction: number
  /** Of all pages that LMDB has given out, those at the end of the file that it has not written included. */
  readonly bytes: number
}

/** Throws `StorageFailed` unless the file at `path` is one LMDB can read. */
export function checkPages(path: string): Checked {
  const file = openFile(path)
  try {
    const meta = readMeta(file)
    const walk: Walk = { file, pages: fstatSync(file).size / meta.pageBytes, meta, seen: new Set() }
    for (const root of meta.roots) if (root !== null) walkTree(walk, root, 0)
    return { transaction: Number(meta.transaction), bytes: (meta.lastPage + 1) * meta.pageBytes }
  } finally {
    closeSync(file)
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw damage('its log is missing', cause)
    throw refusal('The log of the store cannot be read.', cause)
  }
}

function readAt(file: number, position: number, length: number): DataView {
  const bytes = new Uint8Array(length)
  if (readSync(file, bytes, 0, length, position) !== length) throw damage('its log has lost its end')
  return new DataView(bytes.buffer)
}

/** The newer of the two metas, which must be neighbours: one that lost its number would take acknowledged writes with it. */
function readMeta(file: number): Meta {
  const first = metaAt(file, 0, 0)
  const second = metaAt(file, first.pageBytes, 1)
  const apart = first.transaction - second.transaction
  if (first.pageBytes !== second.pageBytes || apart > 1n || apart < -1n) throw damage('its two meta pages disagree')
  return apart > 0n ? first : second
}

function metaAt(file: number, position: number, page: 0 | 1): Meta {
  const view = readAt(file, position, META_BYTES + PAGE_HEADER_BYTES)
  const at = PAGE_HEADER_BYTES
  const pageBytes = view.getUint32(at + 24, true)
  const isMeta = (view.getUint16(18, true) & FLAG.meta) !== 0 && view.getUint32(at, true) === MAGIC
  if (!isMeta || (view.getUint32(at + 4, true) & 0xffff) !== DATA_VERSION) throw damage('its log is not an LMDB file')
  const transaction = view.getBigUint64(at + 128, true)
  const isPower = pageBytes >= 512 && pageBytes <= PAGE_BYTES_MAX && (pageBytes & (pageBytes - 1)) === 0
  if (!isPower || (transaction !== 0n && transaction % 2n !== BigInt(page))) throw damage('a meta page is garbled')
  const roots = [view.getBigUint64(at + 64, true), view.getBigUint64(at + 112, true)]
  return {
    pageBytes,
    transaction,
    lastPage: Number(view.getBigUint64(at + 120, true)),
    roots: roots.map((root) => (root === NO_PAGE ? null : Number(root))),
  }
}

/** Marks `count` pages from `page` on as reached; each may be once, and none may lie outside the file. */
function reach({ pages, meta, seen }: Walk, page: number, count: number): void {
  if (page < 2 || count < 1 || page + count - 1 > meta.lastPage) throw damage('its log points outside of itself')
  if (page + count > pages) throw damage('its log has lost its end')
  for (let each = page; each < page + count; each++) {
    if (seen.has(each)) throw damage('its log uses a page twice')
    seen.add(each)
  }
}

function walkTree(walk: Walk, page: number, depth: number): void {
  if (depth > DEPTH_MAX) throw damage('its log is nested too deeply')
  reach(walk, page, 1)
  const { pageBytes, transaction } = walk.meta
  const view = readAt(walk.file, page * pageBytes, pageBytes)
  const kind = view.getUint16(18, true)
  const isNewer = view.getBigUint64(8, true) > transaction
  const isTree = kind === FLAG.branch || kind === FLAG.leaf
  if (!isTree || isNewer || view.getBigUint64(0, true) !== BigInt(page)) throw damage(`page ${page} is garbled`)
  const lower = view.getUint16(20, true)
  const upper = view.getUint16(22, true)
  const room = pageBytes - PAGE_HEADER_BYTES
  if (lower % 2 !== 0 || lower === 0 || lower > upper || upper > room) throw damage(`page ${page} is garbled`)
  for (let place = 0; place < lower; place += 2) {
    const node = view.getUint16(PAGE_HEADER_BYTES + place, true)
    if (node < upper || node + NODE_HEADER_BYTES > room) throw damage(`page ${page} is garbled`)
    walkNode(walk, view, PAGE_HEADER_BYTES + node, kind === FLAG.branch, depth)
  }
}

function walkNode(walk: Walk, view: DataView, at: number, isBranch: boolean, depth: number): void {
  const low = view.getUint16(at, true) + view.getUint16(at + 2, true) * 0x1_0000
  const flags = view.getUint16(at + 4, true)
  const data = at + NODE_HEADER_BYTES + view.getUint16(at + 6, true)
  if (data > view.byteLength) throw damage('a key runs out of its page')
  if (isBranch) return walkTree(walk, low + flags * 0x1_0000_0000, depth + 1)
  if (flags !== 0 && flags !== BIG_DATA) throw damage('a record is of an unknown kind')
  if (data + (flags === BIG_DATA ? OVERFLOW_BYTES : low) > view.byteLength) throw damage('a value runs out of its page')
  if (flags === BIG_DATA) walkOverflow(walk, view, data, low)
}

/** A value too large for a page stands on pages of its own, one after the other, of which only the first has a header. */
function walkOverflow(walk: Walk, view: DataView, at: number, length: number): void {
  const { pageBytes } = walk.meta
  const page = Number(view.getBigUint64(at, true))
  const count = Number(view.getBigUint64(at + 16, true))
  // More than needed, where a shorter value was written over a longer one.
  if (count * pageBytes < length + PAGE_HEADER_BYTES) throw damage('a large value runs out of its pages')
  reach(walk, page, count)
  const head = readAt(walk.file, page * pageBytes, PAGE_HEADER_BYTES)
  const isOverflow = head.getUint16(18, true) === FLAG.overflow && head.getUint32(20, true) === count
  if (!isOverflow || head.getBigUint64(0, true) !== BigInt(page)) throw damage(`page ${page} is garbled`)
}
