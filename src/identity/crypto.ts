/**
 * The cryptography tessera stands on, as one small contract with two providers: native (node:crypto) where the process has
 * it, portable (@noble/*) elsewhere. Invariants, held by the tests for both: the published vectors of RFC 8032, RFC 7748,
 * RFC 8439, RFC 5869 and BLAKE3 come out, and the two give identical bytes for identical input.
 *
 * Secret keys that sign and agree live in the objects a provider returns (`Signer`, `Agreement`), so that a provider imports a key once
 * and not at each use. A cipher's key costs nothing to use, so it stays the bytes that it is: every link holds two.
 */
import { nativeCrypto } from './crypto-native.ts'
import { portableCrypto } from './crypto-portable.ts'

/** An Ed25519 secret key in use. Ed25519 is deterministic: the same message gives the same signature (RFC 8032 §5.1.6). */
export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array
}

/** An X25519 secret key in use (RFC 7748 §6.1). */
export interface Agreement {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** The 32-byte shared secret. Throws `CryptoFailed` where it is all zero: the other key was of small order. */
  agree(publicKey: Uint8Array): Uint8Array
}

/** scrypt's cost (RFC 7914 §2): N, r, p. */
export interface ScryptCost {
  readonly cost: number
  readonly blockSize: number
  readonly parallelization: number
}

/** Every result is a plain `Uint8Array` of its own memory. Keys of a wrong length throw `InvalidKey`. */
export interface CryptoProvider {
  readonly name: 'native' | 'portable'
  randomBytes(length: number): Uint8Array
  /** From a 32-byte seed, the secret key of RFC 8032 §5.1.5. */
  signer(seed: Uint8Array): Signer
  /** Strict: non-canonical and small-order points are refused. Never throws for bytes a peer chose. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** From a 32-byte secret key, or a fresh one. */
  agreement(secretKey?: Uint8Array): Agreement
  /**
   * ChaCha20-Poly1305 (RFC 8439 §2.8): ciphertext followed by the 16-byte tag. `key` has 32 bytes, `nonce` 12; the caller never uses a nonce
   * twice under one key.
   */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array
  /** The plaintext. Throws `CryptoFailed` where anything is not authentic. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array
  sha256(...parts: readonly Uint8Array[]): Uint8Array
  hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array
  /** RFC 5869. With an empty `info` and 64 or 96 bytes it is the HKDF of Noise §4.3, `salt` being the chaining key. */
  hkdfSha256(salt: Uint8Array, ikm: Uint8Array, info: Uint8Array, length: number): Uint8Array
  blake3(...parts: readonly Uint8Array[]): Uint8Array
  /** BLAKE3's keyed mode: a MAC under a 32-byte key. */
  keyedBlake3(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array
  scrypt(password: Uint8Array, salt: Uint8Array, cost: ScryptCost, length: number): Uint8Array
  /** Takes as long for a difference in the first byte as for none. Different lengths are unequal. */
  constantTimeEqual(a: Uint8Array, b: Uint8Array): boolean
}

/** What this process uses. */
export const crypto: CryptoProvider = nativeCrypto() ?? portableCrypto
