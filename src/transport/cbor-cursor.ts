/**
 * Reads the CBOR that nearly all traffic is made of, in one walk and without a word about what is wrong: a method that meets anything else
 * returns `OTHER`, and its caller leaves the bytes to the general way (`cbor.ts`), which reads everything, refuses, and says why.
 *
 * Invariant: whatever is read here the general way reads to the same. So only what is of definite length and in its shortest form
 * (RFC 8949 §4.1) and lies within the bytes is read at all.
 */

/** Not read here. No unsigned integer and no length is negative. */
export const OTHER = -1

const UNSIGNED = 0x00
const BYTES = 0x40
const ARRAY = 0x80
const UINT32 = 0x1_0000_0000
/** Of the upper half of a safe integer. */
const UPPER_MAX = 0x1f_ffff

export class Cursor {
  readonly bytes: Uint8Array
  /** What is read lies before it: a reader that has gone past it is not done, and never will be. */
  readonly end: number
  at: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = start
    this.end = end
  }

  /** Everything was read. */
  get done(): boolean {
    return this.at === this.end
  }

  /** A safe unsigned integer. */
  uint(): number {
    return this.head(UNSIGNED)
  }

  /** The length of an array. */
  array(): number {
    return this.head(ARRAY)
  }

  /** Moves past a byte string of at most `bytesMax`, and tells its length. */
  skipBytes(bytesMax: number): number {
    const length = this.head(BYTES)
    if (length === OTHER || length > bytesMax || length > this.end - this.at) return OTHER
    this.at += length
    return length
  }

  /** Undefined past the end. */
  byte(): number | undefined {
    return this.bytes[this.at++]
  }

  /** The next bytes are exactly these. */
  skips(expected: readonly number[]): boolean {
    return expected.every((byte) => this.byte() === byte)
  }

  /** The argument of a head of this major type, in its shortest form (RFC 8949 §3). */
  head(major: number): number {
    const info = this.bytes[this.at]! - major
    // Past the end this is NaN, which is no width either.
    if (info >= 0 && info < 24) {
      this.at++
      return info
    }
    return this.#wide(info)
  }

  #wide(info: number): number {
    const { bytes, end } = this
    const start = this.at + 1
    if (info === 24) {
      this.at = start + 1
      const value = bytes[start]!
      return value >= 24 ? value : OTHER
    }
    if (info === 25 && start + 2 <= end) {
      this.at = start + 2
      const value = bytes[start]! * 0x100 + bytes[start + 1]!
      return value >= 0x100 ? value : OTHER
    }
    if (info === 26 && start + 4 <= end) {
      this.at = start + 4
      const value = this.#uint32(start)
      return value >= 0x1_0000 ? value : OTHER
    }
    if (info === 27 && start + 8 <= end) {
      this.at = start + 8
      const upper = this.#uint32(start)
      return upper > 0 && upper <= UPPER_MAX ? upper * UINT32 + this.#uint32(start + 4) : OTHER
    }
    return OTHER
  }

  #uint32(at: number): number {
    const { bytes } = this
    return bytes[at]! * 0x100_0000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!)
  }
}
