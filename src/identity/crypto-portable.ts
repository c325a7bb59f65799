/**
 * The portable provider: @noble/*, audited plain JavaScript that runs wherever JavaScript does.
 */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { ed25519, x25519 } from '@noble/curves/ed25519.js'
import { bytesToNumberLE } from '@noble/curves/utils.js'
import { blake3 } from '@noble/hashes/blake3.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { scrypt } from '@noble/hashes/scrypt.js'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { randomBytes } from '@noble/hashes/utils.js'
import { TesseraError } from '../errors.ts'
import type { Agreement, CryptoProvider, ScryptCost, Signer } from './crypto.ts'
import { isSoundPublicKey } from './ed25519-points.ts'
import { expectBytes } from './key-bytes.ts'

const TAG_BYTES = 16
const NONCE_BYTES = 12
const KEY_BYTES = 32
const { Point } = ed25519

interface Absorbing {
  update(data: Uint8Array): this
  digest(): Uint8Array
}

function absorb(hash: Absorbing, parts: readonly Uint8Array[]): Uint8Array {
  for (const part of parts) hash.update(part)
  return hash.digest()
}

function signer(seed: Uint8Array): Signer {
  const secret = expectBytes(seed, 32, 'An Ed25519 seed').slice()
  return { publicKey: ed25519.getPublicKey(secret), sign: (message) => ed25519.sign(message, secret) }
}

/**
 * RFC 8032 §5.1.7 with the check [S]B = R + [k]A, as OpenSSL does it, and not multiplied by the cofactor, as noble's own
 * `verify` does it: the RFC allows both, they differ on signatures made with points of mixed order, and whether someone
 * signed must not depend on who looks.
 */
function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64 || !isSoundPublicKey(publicKey)) return false
  const { BASE, Fn } = Point
  const r = signature.subarray(0, 32)
  const s = bytesToNumberLE(signature.subarray(32))
  const k = Fn.create(bytesToNumberLE(absorb(sha512.create(), [r, publicKey, message])))
  try {
    const expected = BASE.multiplyUnsafe(s).subtract(Point.fromBytes(publicKey).multiplyUnsafe(k))
    // Compared as bytes, so an R that is not reduced, or no point at all, is refused too.
    return constantTimeEqual(expected.toBytes(), r)
  } catch {
    // The public key is no point of the curve, or S is not below its order.
    return false
  }
}

function agreement(secretKey: Uint8Array = randomBytes(32)): Agreement {
  const secret = expectBytes(secretKey, 32, 'An X25519 secret key').slice()
  return {
    publicKey: x25519.getPublicKey(secret),
    agree(publicKey) {
      expectBytes(publicKey, 32, 'An X25519 public key')
      try {
        return x25519.getSharedSecret(secret, publicKey)
      } catch (cause) {
        // RFC 7748 §6.1: an all-zero result means the peer chose a small-order point.
        throw new TesseraError('CryptoFailed', { detail: 'The X25519 shared secret is all zero.', cause })
      }
    },
  }
}

const seal: CryptoProvider['seal'] = (key, nonce, aad, plaintext) => {
  expectBytes(key, KEY_BYTES, 'A ChaCha20-Poly1305 key')
  return chacha20poly1305(key, expectBytes(nonce, NONCE_BYTES, 'A nonce'), aad).encrypt(plaintext)
}

const open: CryptoProvider['open'] = (key, nonce, aad, sealed) => {
  expectBytes(key, KEY_BYTES, 'A ChaCha20-Poly1305 key')
  expectBytes(nonce, NONCE_BYTES, 'A nonce')
  if (sealed.length < TAG_BYTES) throw new TesseraError('CryptoFailed', { detail: 'The ciphertext has no tag.' })
  try {
    return chacha20poly1305(key, nonce, aad).decrypt(sealed)
  } catch (cause) {
    throw new TesseraError('CryptoFailed', { detail: 'The ciphertext is not authentic.', cause })
  }
}

/** Constant time as far as a JavaScript engine allows: no branch and no index depends on the bytes. */
function constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}

/** node:crypto has no BLAKE3, so both providers take it from here. */
export const portableBlake3 = (...parts: readonly Uint8Array[]): Uint8Array => absorb(blake3.create(), parts)
export const portableKeyedBlake3 = (key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array =>
  absorb(blake3.create({ key: expectBytes(key, 32, 'A BLAKE3 key') }), parts)

export const portableCrypto: CryptoProvider = {
  name: 'portable',
  randomBytes,
  signer,
  verify,
  agreement,
  seal,
  open,
  sha256: (...parts) => absorb(sha256.create(), parts),
  hmacSha256: (key, ...parts) => absorb(hmac.create(sha256, key), parts),
  hkdfSha256: (salt, ikm, info, length) => hkdf(sha256, ikm, salt, info, length),
  blake3: portableBlake3,
  keyedBlake3: portableKeyedBlake3,
  scrypt: (password, salt, { cost, blockSize, parallelization }: ScryptCost, length) =>
    scrypt(password, salt, { N: cost, r: blockSize, p: parallelization, dkLen: length }),
  constantTimeEqual,
}
