/**
 * Which 32 bytes may be the public key of a signature. Libraries differ here: RFC 8032 §5.1.7 leaves it open whether a point
 * of small order is refused, and some decode points whose y is not reduced (§5.1.3). Anyone can sign for a key of small
 * order, so both are refused before either library is asked.
 */
import { ED25519_TORSION_SUBGROUP } from '@noble/curves/ed25519.js'
import { bytesToHex } from '@noble/hashes/utils.js'

const SIGN_BIT = 0x80

/** The y of each of the eight points of small order, without the sign of x: with either sign the key is refused. */
const SMALL_ORDER: ReadonlySet<string> = new Set(
  ED25519_TORSION_SUBGROUP.map((point) => point.slice(0, 62) + withoutSign(Number.parseInt(point.slice(62), 16))),
)

function withoutSign(lastByte: number): string {
  return (lastByte & ~SIGN_BIT).toString(16).padStart(2, '0')
}

/** y < p = 2^255 - 19, little-endian: only 19 values with all high bits set are not reduced. */
function isReduced(point: Uint8Array): boolean {
  if (((point[31] as number) & ~SIGN_BIT) !== 0x7f || (point[0] as number) < 0xed) return true
  return point.subarray(1, 31).some((byte) => byte !== 0xff)
}

/** True for 32 bytes that are a reduced encoding and not of small order. */
export function isSoundPublicKey(point: Uint8Array): boolean {
  if (point.length !== 32 || !isReduced(point)) return false
  const y = bytesToHex(point.subarray(0, 31)) + withoutSign(point[31] as number)
  return !SMALL_ORDER.has(y)
}
