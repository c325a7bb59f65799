/**
 * Group keys: the 32-byte secret whose holders are a group. It never travels and never prints. What a stranger sees of it is
 * the group id, a hash, and proofs, which are BLAKE3 keyed with it; so a secret made from words is stretched first.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import { TesseraError } from '../errors.ts'
import { crypto, type ScryptCost } from './crypto.ts'
import { bytesOf, type Digest, digest } from './digest.ts'
import { expectBytes } from './key-bytes.ts'
import type { PeerId } from './keys.ts'

const SECRET_BYTES = 32
/** The salt is fixed, because all members must come to the same key from the words alone; the label keeps it ours. */
const PASSPHRASE_SALT = 'tessera.group.passphrase.1'
/** RFC 7914: 32 MiB and about 0.3 s a guess; one of the equally strong settings of OWASP's password storage guide. */
const PASSPHRASE_COST: ScryptCost = { cost: 2 ** 15, blockSize: 8, parallelization: 3 }

const utf8 = new TextEncoder()

export class GroupKey {
  readonly #secret: Uint8Array

  private constructor(secret: Uint8Array) {
    this.#secret = secret
  }

  /** From 32 bytes, which are copied. Throws `InvalidKey` for any other length. */
  static fromSecret(secret: Uint8Array): GroupKey {
    return new GroupKey(expectBytes(secret, SECRET_BYTES, "A group's secret").slice())
  }

  static random(): GroupKey {
    return new GroupKey(crypto.randomBytes(SECRET_BYTES))
  }

  /**
   * From words, by scrypt: the same key on every member. Takes about 0.3 s, without yielding. Letters that look the same
   * are the same (NFKC), for two keyboards may type them differently. Throws `InvalidKey` for an empty text.
   */
  static fromPassphrase(text: string): GroupKey {
    const words = text.normalize('NFKC')
    if (words === '') throw new TesseraError('InvalidKey', { detail: 'The passphrase is empty.' })
    return new GroupKey(crypto.scrypt(utf8.encode(words), utf8.encode(PASSPHRASE_SALT), PASSPHRASE_COST, SECRET_BYTES))
  }

  /** What the group id is derived from: tells two keys apart and nothing more. */
  fingerprint(): Digest {
    return digest(this.#secret)
  }

  /**
   * Shows that `prover` knows the secret, on one link only: `sharedRandom` is that link's, and the prover's own id keeps the
   * proof from being sent back to its maker.
   */
  prove(sharedRandom: Uint8Array, prover: PeerId): Uint8Array {
    return crypto.keyedBlake3(this.#secret, expectBytes(sharedRandom, 32, 'The shared random'), bytesOf(prover))
  }

  /** Whether `proof` is what `prover`, knowing the secret, says on this link. In constant time; any bytes may come. */
  verifyProof(sharedRandom: Uint8Array, prover: PeerId, proof: Uint8Array): boolean {
    return crypto.constantTimeEqual(this.prove(sharedRandom, prover), proof)
  }

  /** The first and the last byte: enough to tell two keys apart in a log. */
  toString(): string {
    const hex = bytesToHex(this.#secret)
    return `GroupKey(${hex.slice(0, 2)}…${hex.slice(-2)})`
  }

  toJSON(): string {
    return this.toString()
  }

  /** What `console.log` of Node prints. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}
