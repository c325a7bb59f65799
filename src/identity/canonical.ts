/**
 * Canonical bytes: the few shapes that signed things are made of, in deterministically encoded CBOR (RFC 8949 §4.2.1).
 *
 * Invariant: what a reader accepts has one encoding only. Heads must be of the shortest form, lengths definite, text valid
 * UTF-8, and nothing may follow the end. So decoding and encoding again gives the same bytes, and no two byte strings
 * that differ, each with a valid signature, say the same thing. A general decoder takes more shapes than these and
 * reserves memory by the length a stranger claims; here no length is believed before as many bytes have arrived.
 */
import { TesseraError } from '../errors.ts'

/** CBOR major types (RFC 8949 §3.1), already in the high three bits, and the two simple values used. */
const MAJOR = { unsigned: 0x00, bytes: 0x40, text: 0x60, array: 0x80 } as const
type Major = (typeof MAJOR)[keyof typeof MAJOR]
const FALSE = 0xf4
const TRUE = 0xf5

const encodeUtf8 = new TextEncoder()
const decodeUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Builds canonical bytes; every method adds one item. */
export class CanonicalWriter {
  readonly #bytes: number[] = []

  #head(major: Major, value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new TesseraError('InvalidEntry', { detail: `${value} is not a whole number.` })
    }
    const width = widthOf(value)
    if (width === 0) {
      this.#bytes.push(major | value)
      return
    }
    this.#bytes.push(major | (24 + Math.log2(width)))
    for (let i = width - 1; i >= 0; i--) this.#bytes.push(Math.floor(value / 2 ** (8 * i)) % 256)
  }

  unsigned(value: number): this {
    this.#head(MAJOR.unsigned, value)
    return this
  }

  boolean(value: boolean): this {
    this.#bytes.push(value ? TRUE : FALSE)
    return this
  }

  bytes(value: Uint8Array): this {
    this.#head(MAJOR.bytes, value.length)
    for (const byte of value) this.#bytes.push(byte)
    return this
  }

  text(value: string): this {
    const utf8 = encodeUtf8.encode(value)
    // The encoder replaces half of a surrogate pair, and what is read back would not be what was written.
    if (decodeUtf8.decode(utf8) !== value) throw malformed('A text', 'is not well-formed')
    this.#head(MAJOR.text, utf8.length)
    for (const byte of utf8) this.#bytes.push(byte)
    return this
  }

  /** The head of an array; its items follow. */
  array(length: number): this {
    this.#head(MAJOR.array, length)
    return this
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}

/** Bytes of a head's argument: 0 where it fits into the head itself, else 1, 2, 4 or 8. */
function widthOf(value: number): number {
  if (value < 24) return 0
  if (value < 2 ** 8) return 1
  if (value < 2 ** 16) return 2
  return value < 2 ** 32 ? 4 : 8
}

/** Reads canonical bytes item by item; anything unexpected throws `InvalidEntry` with what was expected. */
export class CanonicalReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  #take(length: number, what: string): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw malformed(what, 'is cut off')
    const start = this.#at
    this.#at += length
    return this.#bytes.subarray(start, this.#at)
  }

  #byte(what: string): number {
    return this.#take(1, what)[0] as number
  }

  #head(major: Major, what: string): number {
    const head = this.#byte(what)
    if ((head & 0xe0) !== major) throw malformed(what, 'has another type')
    const info = head & 0x1f
    if (info < 24) return info
    if (info > 27) throw malformed(what, 'has no definite length')
    const width = 2 ** (info - 24)
    let value = 0
    for (const byte of this.#take(width, what)) value = value * 256 + byte
    if (value > Number.MAX_SAFE_INTEGER) throw malformed(what, 'is too large')
    if (widthOf(value) !== width) throw malformed(what, 'is not in its shortest form')
    return value
  }

  unsigned(what: string): number {
    return this.#head(MAJOR.unsigned, what)
  }

  boolean(what: string): boolean {
    const byte = this.#byte(what)
    if (byte !== TRUE && byte !== FALSE) throw malformed(what, 'is not true or false')
    return byte === TRUE
  }

  /** A copy, so that an item kept does not keep the whole message. */
  bytes(what: string, max: number): Uint8Array {
    return this.#take(this.#length(MAJOR.bytes, what, max), what).slice()
  }

  text(what: string, max: number): string {
    const utf8 = this.#take(this.#length(MAJOR.text, what, max), what)
    try {
      return decodeUtf8.decode(utf8)
    } catch (cause) {
      throw new TesseraError('InvalidEntry', { detail: `${what} is not UTF-8.`, cause })
    }
  }

  /** An array of at most `max` items, each read by `item`. */
  array<T>(what: string, max: number, item: () => T): T[] {
    const length = this.#length(MAJOR.array, what, max)
    const items: T[] = []
    for (let i = 0; i < length; i++) items.push(item())
    return items
  }

  /** The head of an array of exactly `length` items. */
  tuple(what: string, length: number): void {
    const found = this.#head(MAJOR.array, what)
    if (found !== length) throw malformed(what, `has ${found} fields instead of ${length}`)
  }

  /** Nothing may follow. */
  end(what: string): void {
    if (this.#at !== this.#bytes.length) throw malformed(what, 'goes on after its end')
  }

  #length(major: Major, what: string, max: number): number {
    const length = this.#head(major, what)
    if (length > max) throw malformed(what, `has a length of ${length}, more than ${max}`)
    return length
  }
}

function malformed(what: string, why: string): TesseraError {
  return new TesseraError('InvalidEntry', { detail: `${what} ${why}.` })
}
