/**
 * The values most commands are made of, read and written in one walk: null, undefined, booleans, numbers, text, bytes, plain arrays and plain
 * objects. For anything else both ways say so, and `cbor-x` behind its guard does the work (`cbor.ts`).
 *
 * Invariant: what is written here passes the guard, and what is read here `cbor-x` reads to the same. Text that is not ASCII, integers
 * beyond 32 bits, other widths of floats, tags, keys that are not text: all of them are left to the general way.
 */
import { WIRE } from '../limits.ts'
import { Cursor, OTHER } from './cbor-cursor.ts'
import type { Writer } from './cbor-writer.ts'

/** Values that nest deeper take the general way, which has a limit of its own. */
const DEPTH_MAX = 32
const NEGATIVE = 0x20
const BYTES = 0x40
const TEXT = 0x60
const ARRAY = 0x80
const MAP = 0xa0
const UINT32 = 0x1_0000_0000
/** Up to here a string is put together faster than a decoder is called. */
const SHORT_TEXT = 32

/** False where `value` is not written here; the writer then holds a part of it. */
export function writePlain(writer: Writer, value: unknown, depth = 0): boolean {
  switch (typeof value) {
    case 'string':
      return writer.ascii(value)
    case 'number':
      writer.number(value)
      return true
    case 'boolean':
      writer.boolean(value)
      return true
    case 'undefined':
      writer.undefined()
      return true
    case 'object':
      if (value !== null) return depth < DEPTH_MAX && writeObject(writer, value, depth + 1)
      writer.null()
      return true
    default:
      return false
  }
}

function writeObject(writer: Writer, value: object, depth: number): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Uint8Array.prototype) {
    writer.bytes(value as Uint8Array)
    return true
  }
  if (prototype === Array.prototype) return writeArray(writer, value as readonly unknown[], depth)
  if (prototype !== Object.prototype) return false
  const keys = Object.keys(value)
  writer.map(keys.length)
  const values = value as Readonly<Record<string, unknown>>
  for (const key of keys) if (!writer.ascii(key) || !writePlain(writer, values[key], depth)) return false
  return true
}

function writeArray(writer: Writer, items: readonly unknown[], depth: number): boolean {
  writer.array(items.length)
  for (let i = 0; i < items.length; i++) if (!writePlain(writer, items[i], depth)) return false
  return true
}

/** What `readPlain` returns for bytes that it does not read. */
export const NOT_PLAIN: unique symbol = Symbol('not plain')

/** The value that `bytes` hold from `start` to `end`; it shares no memory with them. */
export function readPlain(bytes: Uint8Array, start = 0, end = bytes.length): unknown {
  if (end - start > WIRE.messageItemsMax) return NOT_PLAIN
  const cursor = new Cursor(bytes, start, end)
  const value = readItem(cursor, 0)
  return cursor.done ? value : NOT_PLAIN
}

function readItem(cursor: Cursor, depth: number): unknown {
  if (depth > DEPTH_MAX) return NOT_PLAIN
  const head = cursor.bytes[cursor.at]
  if (head === undefined) return NOT_PLAIN
  if (head < NEGATIVE) return small(cursor.uint(), (value) => value)
  if (head < BYTES) return small(cursor.head(NEGATIVE), (value) => -1 - value)
  if (head < TEXT) return readBytes(cursor)
  if (head < ARRAY) return readText(cursor)
  if (head < MAP) return readArray(cursor, depth + 1)
  if (head < 0xc0) return readMap(cursor, depth + 1)
  return readSimple(cursor, head)
}

/** `cbor-x` reads larger integers as bigints, some of them. */
function small(value: number, toNumber: (value: number) => number): unknown {
  return value === OTHER || value >= UINT32 ? NOT_PLAIN : toNumber(value)
}

function readBytes(cursor: Cursor): unknown {
  const length = cursor.head(BYTES)
  const start = cursor.at
  if (length === OTHER || length > cursor.end - start) return NOT_PLAIN
  cursor.at = start + length
  return Uint8Array.prototype.slice.call(cursor.bytes, start, cursor.at)
}

const latin1 = new TextDecoder('latin1')

function readText(cursor: Cursor): unknown {
  const { bytes } = cursor
  const length = cursor.head(TEXT)
  const start = cursor.at
  const end = start + length
  if (length === OTHER || end > cursor.end) return NOT_PLAIN
  for (let at = start; at < end; at++) if (bytes[at]! > 0x7f) return NOT_PLAIN
  cursor.at = end
  if (length > SHORT_TEXT) return latin1.decode(bytes.subarray(start, end))
  let text = ''
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]!)
  return text
}

function readArray(cursor: Cursor, depth: number): unknown {
  const length = cursor.array()
  if (length === OTHER) return NOT_PLAIN
  const items: unknown[] = []
  for (let i = 0; i < length; i++) {
    const value = readItem(cursor, depth)
    if (value === NOT_PLAIN) return NOT_PLAIN
    items.push(value)
  }
  return items
}

function readMap(cursor: Cursor, depth: number): unknown {
  const length = cursor.head(MAP)
  if (length === OTHER) return NOT_PLAIN
  const object: Record<string, unknown> = {}
  for (let i = 0; i < length; i++) {
    const isText = (cursor.bytes[cursor.at]! & 0xe0) === TEXT
    const key = isText ? readText(cursor) : NOT_PLAIN
    // A key of that name would set the prototype.
    if (typeof key !== 'string' || key === '__proto__') return NOT_PLAIN
    const value = readItem(cursor, depth)
    if (value === NOT_PLAIN) return NOT_PLAIN
    object[key] = value
  }
  return object
}

/** False, true, null, undefined, and floats of 64 bits. */
function readSimple(cursor: Cursor, head: number): unknown {
  const { bytes } = cursor
  cursor.at++
  if (head === 0xf4 || head === 0xf5) return head === 0xf5
  if (head === 0xf6) return null
  if (head === 0xf7) return undefined
  if (head !== 0xfb || cursor.at + 8 > cursor.end) return NOT_PLAIN
  const view = new DataView(bytes.buffer, bytes.byteOffset + cursor.at, 8)
  cursor.at += 8
  return view.getFloat64(0)
}
