/**
 * Writes the CBOR (RFC 8949) that messages are made of: unsigned integers, byte strings, text, arrays, booleans and null,
 * each in its shortest form (§4.1), so that a message has exactly one encoding.
 *
 * Written by hand because of byte strings: `cbor-x` takes some 300 ns for each, which is most of what an AppendEntries
 * holds, and this takes a tenth of it (ADR 2). A test holds both to the same bytes.
 *
 * One writer serves all messages of the process, and one all values: each is filled and emptied within one call, never across a turn.
 * `take` hands out memory of exactly the message's size, so a message that is kept keeps nothing else. `share` tells where in a block it
 * stands, without a copy, for what is small, comes in numbers, and is kept and given up together: commands.
 */
import { hexToBytes } from '@noble/hashes/utils.js'
import { TesseraError } from '../errors.ts'

const SCRATCH_BYTES = 64 * 1024
/** A scratch grown past this by one large message is given back. */
const SCRATCH_BYTES_MAX = 1024 * 1024
const UINT32 = 0x1_0000_0000

/** What is larger than this share of a block gets memory of its own. */
const SHARED_MAX = SCRATCH_BYTES / 16

/** Where something stands. What is written next may stand right behind it. */
export interface Place {
  readonly block: Uint8Array
  readonly start: number
  readonly end: number
}

export function sizeOf({ start, end }: Place): number {
  return end - start
}

/** Up to here bytes are moved one by one faster than a copy is called for. */
const SHORT = 32

const utf8 = new TextEncoder()
const float = new DataView(new ArrayBuffer(8))
const floatBytes = new Uint8Array(float.buffer)

export class Writer {
  #bytes = new Uint8Array(SCRATCH_BYTES)
  /** Where the message under way began: past what was shared. */
  #start = 0
  #at = 0

  /** The message written since the last `take` or `reset`. */
  take(): Uint8Array {
    const message = this.#bytes.slice(this.#start, this.#at)
    this.reset()
    return message
  }

  /** Like `take`, but the message may stand in one block with those shared before and after it. */
  share(): Place {
    const { length } = this
    if (length > SHARED_MAX || this.#bytes.length > SCRATCH_BYTES) {
      const block = this.take()
      if (this.#bytes.length > SCRATCH_BYTES) this.#renew(SCRATCH_BYTES)
      return { block, start: 0, end: length }
    }
    const place = { block: this.#bytes, start: this.#start, end: this.#at }
    this.#start = this.#at
    return place
  }

  /** What was written since the last `take`, `share` or `reset` becomes the byte string of it. */
  wrap(): void {
    const { length } = this
    const size = headSize(length)
    this.#room(size)
    this.#bytes.copyWithin(this.#start + size, this.#start, this.#at)
    this.#at = this.#start
    this.#head(0x40, length)
    this.#at += length
  }

  /** Bytes of the message under way. */
  get length(): number {
    return this.#at - this.#start
  }

  /** Forgets what an encoding that failed left behind. */
  reset(): void {
    this.#at = this.#start
    if (this.#bytes.length > SCRATCH_BYTES_MAX) this.#renew(SCRATCH_BYTES)
  }

  uint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new TesseraError('InvalidMessage', { detail: `${value} is not an unsigned integer.` })
    }
    this.#head(0x00, value)
  }

  bytes(value: Uint8Array): void {
    this.#head(0x40, value.length)
    this.raw(value)
  }

  text(value: string): void {
    const bytes = utf8.encode(value)
    this.#head(0x60, bytes.length)
    this.raw(bytes)
  }

  /** The head of an array; its `length` items follow. */
  array(length: number): void {
    this.#head(0x80, length)
  }

  boolean(value: boolean): void {
    this.#room(1)
    this.#bytes[this.#at++] = value ? 0xf5 : 0xf4
  }

  null(): void {
    this.#room(1)
    this.#bytes[this.#at++] = 0xf6
  }

  undefined(): void {
    this.#room(1)
    this.#bytes[this.#at++] = 0xf7
  }

  /** The head of a map; `size` keys follow, each with its value. */
  map(size: number): void {
    this.#head(0xa0, size)
  }

  /** Integers of 32 bits as such, all other numbers as floats of 64 bits. */
  number(value: number): void {
    if (value >>> 0 === value) return this.#head(0x00, value)
    if (value >> 0 === value) return this.#head(0x20, -1 - value)
    float.setFloat64(0, value)
    this.#room(9)
    this.#bytes[this.#at++] = 0xfb
    this.raw(floatBytes)
  }

  /** Text of ASCII characters; false where there are others, and then a part of it is written. */
  ascii(value: string): boolean {
    const { length } = value
    this.#head(0x60, length)
    this.#room(length)
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) return false
      this.#bytes[this.#at++] = code
    }
    return true
  }

  /** Hex digits as the bytes they stand for. */
  hex(value: string): void {
    let bytes: Uint8Array
    try {
      bytes = hexToBytes(value)
    } catch (cause) {
      throw new TesseraError('InvalidMessage', { detail: 'Not hex digits.', cause })
    }
    this.bytes(bytes)
  }

  /** Items that are encoded already. */
  raw(encoded: Uint8Array): void {
    const { length } = encoded
    this.#room(length)
    if (length > SHORT) this.#bytes.set(encoded, this.#at)
    else for (let i = 0; i < length; i++) this.#bytes[this.#at + i] = encoded[i]!
    this.#at += length
  }

  #head(major: number, argument: number): void {
    this.#room(9)
    if (argument < 24) {
      this.#bytes[this.#at++] = major | argument
    } else if (argument < 0x100) {
      this.#bytes[this.#at++] = major | 24
      this.#bytes[this.#at++] = argument
    } else if (argument < 0x1_0000) {
      this.#bytes[this.#at++] = major | 25
      this.#bytes[this.#at++] = argument >>> 8
      this.#bytes[this.#at++] = argument
    } else if (argument < UINT32) {
      this.#bytes[this.#at++] = major | 26
      this.#uint32(argument)
    } else {
      this.#bytes[this.#at++] = major | 27
      this.#uint32(Math.floor(argument / UINT32))
      this.#uint32(argument % UINT32)
    }
  }

  /** A typed array keeps the low byte of what is stored in it, so no mask is needed. */
  #uint32(value: number): void {
    this.#bytes[this.#at++] = value >>> 24
    this.#bytes[this.#at++] = value >>> 16
    this.#bytes[this.#at++] = value >>> 8
    this.#bytes[this.#at++] = value
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#bytes.length) return
    this.#renew(Math.max(this.length + bytes, this.#start > 0 ? SCRATCH_BYTES : this.#bytes.length * 2))
  }

  /** Memory that nobody else has, with the message under way at its beginning. */
  #renew(size: number): void {
    const fresh = new Uint8Array(size)
    fresh.set(this.#bytes.subarray(this.#start, this.#at))
    this.#at = this.length
    this.#start = 0
    this.#bytes = fresh
  }
}

/** Bytes of the head with this argument. */
function headSize(argument: number): number {
  if (argument < 24) return 1
  if (argument < 0x100) return 2
  if (argument < 0x1_0000) return 3
  return argument < UINT32 ? 5 : 9
}
