/**
 * Reads CBOR (RFC 8949) from people one does not trust. `cbor-x` does the reading; it never sees a byte before `guard`
 * has walked them, because it has no switch that turns its extensions off: among them are bigints in quadratic time,
 * typed arrays whose size the sender names, shared references, and records whose readers are compiled from text.
 *
 * Two grammars:
 * - a *message* is arrays of unsigned integers, byte strings, text, booleans and null, each of definite length and in
 *   its shortest form (§4.1). No maps, so no field comes twice, none is unknown, and none is called `__proto__`.
 * - a *value* is what an application sends: plain CBOR, and the few tags of `TAGS`.
 *
 * What nearly all traffic is made of is read in one walk instead (`cbor-plain.ts`, `codec-commands.ts`), to the same; the rest comes here.
 *
 * The walk allocates nothing. After it, every length fits the input, nesting and the number of items are bounded, and
 * what `cbor-x` allocates is at most some tens of bytes for each item.
 */
import { Encoder, type Options } from 'cbor-x/encode'
import { TesseraError } from '../errors.ts'
import { RAFT, WIRE } from '../limits.ts'
import { NOT_PLAIN, readPlain, writePlain } from './cbor-plain.ts'
import { type Place, Writer } from './cbor-writer.ts'
import { pack } from './packed.ts'

interface Grammar {
  readonly depthMax: number
  /** Application values: negative numbers, floats, undefined, maps, tags, and any width of a number. */
  readonly plain: boolean
}
const MESSAGE: Grammar = { depthMax: WIRE.messageDepthMax, plain: false }
const VALUE: Grammar = { depthMax: WIRE.valueDepthMax, plain: true }

const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const
type Major = (typeof MAJOR)[keyof typeof MAJOR]
/** By major type. */
const IN_MESSAGES = [true, false, true, true, true, false, false, true] as const

/** The tags of an application's value, and what each must stand before: the readers of `cbor-x` take that on trust. */
const TAGS: ReadonlyMap<number, readonly Major[]> = new Map<number, readonly Major[]>([
  [1, [MAJOR.unsigned, MAJOR.negative, MAJOR.simple]], // Date, seconds since the epoch
  [2, [MAJOR.bytes]], // bigint
  [3, [MAJOR.bytes]], // negative bigint
  [258, [MAJOR.array]], // Set
  [259, [MAJOR.map]], // Map
  ...Array.from({ length: 24 }, (_, i): [number, readonly Major[]] => [64 + i, [MAJOR.bytes]]), // RFC 8746 typed arrays
])

interface Walk {
  readonly bytes: Uint8Array
  readonly grammar: Grammar
  at: number
  items: number
}

function fail(walk: Walk, what: string): never {
  throw new TesseraError('InvalidMessage', { detail: `CBOR at byte ${walk.at}: ${what}.` })
}

/** Throws `InvalidMessage` unless `bytes` are exactly one item of the grammar. */
function guard(bytes: Uint8Array, grammar: Grammar): void {
  const walk: Walk = { bytes, grammar, at: 0, items: 0 }
  item(walk, 0)
  if (walk.at !== bytes.length) fail(walk, 'something follows the message')
}

function item(walk: Walk, depth: number): void {
  if (depth > walk.grammar.depthMax) fail(walk, 'nested too deeply')
  if (++walk.items > WIRE.messageItemsMax) fail(walk, 'too many items')
  if (walk.at >= walk.bytes.length) fail(walk, 'truncated')
  const head = walk.bytes[walk.at++]!
  const major = head >>> 5
  if (!walk.grammar.plain && IN_MESSAGES[major] !== true) fail(walk, `major type ${major} has no place in a message`)
  const value = major === MAJOR.simple ? simple(walk, head & 31) : argument(walk, head & 31, major)
  if (major === MAJOR.bytes || major === MAJOR.text) skip(walk, value)
  else if (major === MAJOR.array) items(walk, value, depth + 1)
  else if (major === MAJOR.map) items(walk, value * 2, depth + 1)
  else if (major === MAJOR.tag) tagged(walk, value, depth + 1)
}

function items(walk: Walk, length: number, depth: number): void {
  for (let i = 0; i < length; i++) item(walk, depth)
}

/** RFC 8949 §3: the number that follows a head; a length, a value, or a tag's number. */
function argument(walk: Walk, info: number, major: number): number {
  if (info < 24) return info
  const width = 1 << (info - 24)
  if (width > 8) fail(walk, 'indefinite lengths are not used here')
  const start = walk.at
  skip(walk, width)
  let value = 0
  for (let i = start; i < walk.at; i++) value = value * 256 + walk.bytes[i]!
  const number = major === MAJOR.unsigned || major === MAJOR.negative
  if (walk.grammar.plain && number) return value
  if (!Number.isSafeInteger(value)) fail(walk, 'number out of range')
  if (value < SHORTEST[info - 24]!) fail(walk, 'not in its shortest form')
  return value
}

/** The smallest number that needs 1, 2, 4 and 8 bytes after its head. */
const SHORTEST = [24, 0x100, 0x1_0000, 0x1_0000_0000] as const

function skip(walk: Walk, length: number): void {
  if (length > walk.bytes.length - walk.at) fail(walk, 'truncated')
  walk.at += length
}

/** False, true, null; in a value also undefined and floats. */
function simple(walk: Walk, info: number): number {
  const plain = walk.grammar.plain
  if (plain && info >= 25 && info <= 27) skip(walk, 1 << (info - 24))
  else if (info < 20 || info > (plain ? 23 : 22)) fail(walk, `simple value ${info} has no place here`)
  return info
}

function tagged(walk: Walk, tag: number, depth: number): void {
  const head = walk.bytes[walk.at] ?? 0
  if (!TAGS.get(tag)?.some((major) => major === head >>> 5)) fail(walk, `tag ${tag} has no place here`)
  const start = walk.at
  item(walk, depth)
  // Reading a bigint takes time in the square of its length.
  if ((tag === 2 || tag === 3) && walk.at - start > WIRE.bigintBytesMax) fail(walk, 'bigint too large')
}

// `cbor-x` knows `int64AsNumber` but does not declare it.
const messageOptions: Options & { int64AsNumber: boolean } = {
  useRecords: false,
  mapsAsObjects: true,
  int64AsNumber: true,
}
const messages = new Encoder(messageOptions)
// Byte strings of a value are copied: an application may keep or change them, and must reach neither log nor frame.
const values = new Encoder({
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  tagUint8Array: false,
  copyBuffers: true,
})

function read(decoder: Encoder, bytes: Uint8Array, grammar: Grammar): unknown {
  guard(bytes, grammar)
  try {
    // A view of its own, because `cbor-x` leaves a property on the array it reads from.
    return decoder.decode(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  } catch (cause) {
    throw new TesseraError('InvalidMessage', { detail: 'CBOR does not decode.', cause })
  }
}

/**
 * One message as arrays, numbers, strings and byte strings; nothing is known of its shape yet.
 *
 * Byte strings are views of `bytes`, so that a command costs no copy of its own. Entries stay in the log for long, and a small
 * one must not keep a whole frame alive: where the message is less than half of the memory it stands in, it is copied
 * once, as a whole. What is kept is thus never more than twice the message. The caller must not write to `bytes` afterwards.
 */
export function readMessage(bytes: Uint8Array): unknown {
  return read(messages, keepable(bytes), MESSAGE)
}

/** `bytes`, or a copy of them where they are less than half of what keeping them would keep. */
export function keepable(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength * 2 < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes
}

/**
 * An application's value: null, undefined, booleans, numbers, bigints, strings, Date, Uint8Array and typed arrays, arrays,
 * plain objects, Map and Set. Class instances become plain objects. Throws `InvalidMessage` where the value holds anything
 * else (functions, symbols, errors, cycles), so that what encodes here decodes on every member, and `MessageTooLarge`
 * over `RAFT.commandBytesMax`.
 */
export function encodeValue(value: unknown): Uint8Array {
  return wrote(value) ? writer.take() : encodeGeneral(value)
}

/** As `encodeValue`, as a byte string, and neighbours share memory: for commands, which stay in the log together. */
export function encodeCommand(value: unknown): Place {
  if (wrote(value)) {
    writer.wrap()
    return writer.share()
  }
  const block = pack([encodeGeneral(value)])
  return { block, start: 0, end: block.length }
}

const writer = new Writer()
let writing = false

/** Whether the writer now holds `value`: it is plain, and no getter of it encodes something else meanwhile. */
function wrote(value: unknown): boolean {
  if (writing) return false
  writing = true
  try {
    if (writePlain(writer, value)) {
      checkSize(writer.length)
      return true
    }
  } catch (cause) {
    writer.reset()
    throw cause instanceof TesseraError ? cause : unsendable(cause)
  } finally {
    writing = false
  }
  writer.reset()
  return false
}

function unsendable(cause: unknown): TesseraError {
  return new TesseraError('InvalidMessage', { detail: 'The value cannot be sent.', cause })
}

function checkSize(length: number): void {
  if (length <= RAFT.commandBytesMax) return
  const detail = `${length} bytes; a command has at most ${RAFT.commandBytesMax}.`
  throw new TesseraError('MessageTooLarge', { detail })
}

/** Any value, plain or not. */
export function encodeGeneral(value: unknown): Uint8Array {
  let encoded: Uint8Array
  try {
    encoded = values.encode(value)
  } catch (cause) {
    throw unsendable(cause)
  }
  checkSize(encoded.length)
  guard(encoded, VALUE)
  // Memory of its own: a command stays in the log, and `cbor-x` hands out parts of a block that others share.
  return new Uint8Array(encoded)
}

/** The value that `encodeValue` encoded, from a part of `bytes`; shares no memory with them. Throws `InvalidMessage`. */
export function decodeValue(bytes: Uint8Array, start = 0, end = bytes.length): unknown {
  const plain = readPlain(bytes, start, end)
  return plain === NOT_PLAIN ? decodeGeneral(bytes.subarray(start, end)) : plain
}

/** Any value, plain or not. */
export function decodeGeneral(bytes: Uint8Array): unknown {
  return read(values, bytes, VALUE)
}
