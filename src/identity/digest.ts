/**
 * Digests: 32 bytes of BLAKE3, held as 64 lowercase hex digits, so that they are plain data, compare with
 * `===`, order bytewise and serve as keys. Names, networks, groups, bonds and tags are all digests.
 */
import { blake3 } from '@noble/hashes/blake3.js'
import { concatBytes, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { hexOf } from './hex.ts'

declare const brand: unique symbol
/** 64 lowercase hex digits: 32 bytes of BLAKE3, or of what a caller gave as such. */
export type Digest = string & { readonly [brand]: 'Digest' }
export type NetworkId = Digest
export type GroupId = Digest
export type BondId = Digest
export type Tag = Digest

const HEX_DIGEST = /^[0-9a-f]{64}$/i

/** A string of 64 hex digits is taken as bytes, any other string or bytes are hashed. */
export function digest(value: string | Uint8Array): Digest {
  if (typeof value !== 'string') return hexOf(blake3(value)) as Digest
  if (HEX_DIGEST.test(value)) return value.toLowerCase() as Digest
  return hexOf(blake3(utf8ToBytes(value))) as Digest
}

/** The digest followed by `value`, hashed: a new name that nobody reaches by another way. */
export function derive(base: Digest, value: string | Uint8Array): Digest {
  const tail = typeof value === 'string' ? utf8ToBytes(value) : value
  return hexOf(blake3(concatBytes(hexToBytes(base), tail))) as Digest
}

/** The 32 bytes that a digest or peer id stands for. */
export function bytesOf(hex: string): Uint8Array {
  return hexToBytes(hex)
}

/** The first 5 bytes in hex, for logs and actor ids. */
export function short(hex: string): string {
  return hex.slice(0, 10)
}
