/**
 * Identities: an Ed25519 key pair (RFC 8032). The peer id is the public key; it signs the Noise static key and the peer entry.
 *
 * Invariant: nothing prints, lists or serialises a secret. An identity shows its peer id and kind, whatever looks at it.
 */
import { crypto, type Signer } from './crypto.ts'
import { bytesOf } from './digest.ts'
import { hexOf } from './hex.ts'
import { expectBytes } from './key-bytes.ts'

declare const brand: unique symbol
/** 64 lowercase hex digits of an Ed25519 public key; string order is byte order. */
export type PeerId = string & { readonly [brand]: 'PeerId' }

export interface Identity {
  readonly peer: PeerId
  /** An ephemeral identity lives as long as its process; a fixed one comes back and must find its votes. */
  readonly kind: 'ephemeral' | 'fixed'
  /** Ed25519 signature (RFC 8032 §5.1.6), 64 bytes. */
  sign(message: Uint8Array): Uint8Array
}

class KeyPairIdentity implements Identity {
  readonly peer: PeerId
  readonly kind: Identity['kind']
  readonly #signer: Signer

  constructor(signer: Signer, kind: Identity['kind']) {
    this.#signer = signer
    this.peer = peerIdOf(signer.publicKey)
    this.kind = kind
  }

  sign(message: Uint8Array): Uint8Array {
    return this.#signer.sign(message)
  }
}

/** The peer id of 32 public key bytes. Throws `InvalidKey` for any other length. */
export function peerIdOf(publicKey: Uint8Array): PeerId {
  return hexOf(expectBytes(publicKey, 32, 'A peer id')) as PeerId
}

/** Whether `peer` signed exactly `message`. False, never a throw, for whatever bytes arrive as a signature. */
export function verify(peer: PeerId, message: Uint8Array, signature: Uint8Array): boolean {
  return crypto.verify(bytesOf(peer), message, signature)
}

function fromSeed(seed: Uint8Array, kind: Identity['kind'] = 'fixed'): Identity {
  return new KeyPairIdentity(crypto.signer(seed), kind)
}

/** The ways to come by an identity. */
export const Identity = {
  /** A fresh identity that dies with its process. */
  ephemeral: (): Identity => fromSeed(crypto.randomBytes(32), 'ephemeral'),

  /**
   * The fixed identity kept in a file, made there with mode 0600 if there is none; an existing file is never written.
   * Rejects with `InvalidKey` where the file holds something else or others than its owner can read it.
   */
  async fromFile(path: string): Promise<Identity> {
    // Loaded only here: all else of this module runs without a file system.
    const { readOrCreateSeed } = await import('./key-file.ts')
    return fromSeed(await readOrCreateSeed(path), 'fixed')
  },

  /** The identity of a 32-byte seed: the same each time, for tests and simulations, or for keys kept elsewhere. */
  fromSeed,
} as const
