/**
 * Whose a Noise static key is: the key of an endpoint with its identity's word for it, and the words of peers that were found true.
 *
 * The same two processes shake hands for each exchange of catalogs, each redial and each double dial, with the same keys. An Ed25519
 * signature is a function of its key and message (RFC 8032 §5.1.6), and so is the verdict over one; so the own word is signed once, and
 * the last word of each peer is checked once. Neither is a secret. Freshness is Noise's matter: only the holder of the static key
 * finishes a handshake with it.
 */
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { TesseraError } from '../errors.ts'
import { type Agreement, crypto } from '../identity/crypto.ts'
import { bytesOf } from '../identity/digest.ts'
import { hexOf } from '../identity/hex.ts'
import type { Identity, PeerId } from '../identity/keys.ts'
import { IDENTITY } from '../limits.ts'

const STATIC_KEY_LABEL = utf8ToBytes('tessera.noise.static-key.1:')
const PEER_BYTES = 32
const SIGNATURE_BYTES = 64

/** `peer (32) | signature (64)`, the signature over the label and the static key. */
export const CLAIM_BYTES = PEER_BYTES + SIGNATURE_BYTES

export class Credential {
  readonly staticKey: Agreement
  /** Who this end is, signed so that only the holder of the static key can make use of it. */
  readonly claim: Uint8Array
  /** The claim and static key of each peer that were last found to belong together. */
  readonly #believed = new Map<PeerId, Uint8Array>()

  constructor(identity: Identity, staticKey = crypto.agreement()) {
    this.staticKey = staticKey
    this.claim = concatBytes(bytesOf(identity.peer), identity.sign(signedOf(staticKey.publicKey)))
  }

  /** Whose `staticKey` is by this claim. Throws `CryptoFailed` where the signature is not that peer's. */
  provenPeer(claim: Uint8Array, staticKey: Uint8Array): PeerId {
    const point = claim.subarray(0, PEER_BYTES)
    const peer = hexOf(point) as PeerId
    const said = concatBytes(claim, staticKey)
    if (isEqual(this.#believed.get(peer), said)) return peer
    if (!crypto.verify(point, signedOf(staticKey), claim.subarray(PEER_BYTES))) {
      throw new TesseraError('CryptoFailed', { detail: 'The peer id did not sign this Noise static key.' })
    }
    this.#believe(peer, said)
    return peer
  }

  #believe(peer: PeerId, said: Uint8Array): void {
    // A Map remembers insertion order, so the first is the one believed longest.
    if (this.#believed.size >= IDENTITY.keptKeysMax) this.#believed.delete(this.#believed.keys().next().value as PeerId)
    this.#believed.set(peer, said)
  }
}

function signedOf(staticKey: Uint8Array): Uint8Array {
  return concatBytes(STATIC_KEY_LABEL, staticKey)
}

function isEqual(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && crypto.constantTimeEqual(a, b)
}
