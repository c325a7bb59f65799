/**
 * The native provider: node:crypto, which is OpenSSL. It is asked for at run time, not imported, so that this module loads
 * where there is no Node; a Node built on a library without one of the primitives gets none of it (`nativeCrypto` is null).
 *
 * node:crypto has no raw Ed25519 or X25519 keys. Public ones travel as JWK (RFC 8037 §2), in and out, for OpenSSL takes ten times as long over
 * DER; a secret key whose public half nobody told is wrapped in the fixed DER prefix of RFC 8410 §7. Fresh keys are generated, not
 * imported. The keys of recently verified peers are kept.
 */
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { TesseraError } from '../errors.ts'
import { IDENTITY } from '../limits.ts'
import type { Agreement, CryptoProvider, Signer } from './crypto.ts'
import { portableBlake3, portableKeyedBlake3 } from './crypto-portable.ts'
import { SMALL_BYTES_MAX, type SmallAead, smallAead } from './crypto-small.ts'
import { isSoundPublicKey } from './ed25519-points.ts'
import { expectBytes } from './key-bytes.ts'

type NodeCrypto = typeof import('node:crypto')

const AEAD = 'chacha20-poly1305'
const TAG_BYTES = 16
const NONCE_BYTES = 12
const KEY_BYTES = 32
const AEAD_OPTIONS = { authTagLength: TAG_BYTES } as const

/** RFC 8037 §2: the name of the curve. RFC 8410 §7: PrivateKeyInfo up to the 32-byte secret. */
const CURVES = {
  ed25519: { name: 'Ed25519', secret: '302e020100300506032b657004220420' },
  x25519: { name: 'X25519', secret: '302e020100300506032b656e04220420' },
} as const
type Curve = keyof typeof CURVES

/** A Buffer's `slice` and `toString` are not those of a Uint8Array; callers get the latter, whichever provider is behind. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}

/** The types of Node know other encodings only. */
type PairTold = (
  type: 'x25519',
  how: { publicKeyEncoding: { format: 'jwk' } },
) => {
  readonly privateKey: KeyObject
  readonly publicKey: JsonWebKey
}

function pointOf({ x = '' }: JsonWebKey): Uint8Array {
  return expectBytes(new Uint8Array(Buffer.from(x, 'base64url')), 32, 'A public key')
}

interface AgreementPair {
  readonly privateKey: KeyObject
  readonly publicBytes: Uint8Array
}

class NativeKeys {
  readonly #node: NodeCrypto
  readonly #kept = new Map<string, KeyObject>()

  constructor(node: NodeCrypto) {
    this.#node = node
  }

  secretKey(curve: Curve, secret: Uint8Array): KeyObject {
    const key = Buffer.concat([Buffer.from(CURVES[curve].secret, 'hex'), secret])
    const imported = this.#node.createPrivateKey({ key, format: 'der', type: 'pkcs8' })
    key.fill(0)
    return imported
  }

  publicKey(curve: Curve, point: Uint8Array): KeyObject {
    const x = Buffer.from(point.buffer, point.byteOffset, point.byteLength).toString('base64url')
    return this.#node.createPublicKey({ key: { kty: 'OKP', crv: CURVES[curve].name, x }, format: 'jwk' })
  }

  publicBytes(secret: KeyObject): Uint8Array {
    return pointOf(this.#node.createPublicKey(secret).export({ format: 'jwk' }))
  }

  /**
   * Made and told in one call. A generated key must never be exported afterwards: while Node 20 does that it holds the key's lock, and where
   * the collector comes by just then and takes the job that made this very key, that wants the same lock, and the process stands still for ever.
   */
  agreementPair(): AgreementPair {
    const generate = this.#node.generateKeyPairSync as unknown as PairTold
    const { privateKey, publicKey } = generate('x25519', { publicKeyEncoding: { format: 'jwk' } })
    return { privateKey, publicBytes: pointOf(publicKey) }
  }

  agreementPairOf(secret: Uint8Array): AgreementPair {
    const privateKey = this.secretKey('x25519', expectBytes(secret, 32, 'An X25519 secret key'))
    return { privateKey, publicBytes: this.publicBytes(privateKey) }
  }

  /** The key of a peer whose signatures come again and again; null where the bytes are no key anyone should trust. */
  verifying(point: Uint8Array): KeyObject | null {
    const id = Buffer.from(point.buffer, point.byteOffset, point.byteLength).toString('latin1')
    const kept = this.#kept.get(id)
    if (kept !== undefined) return kept
    if (!isSoundPublicKey(point)) return null
    const key = this.publicKey('ed25519', point)
    // A Map remembers insertion order, so the first key is the one kept longest.
    if (this.#kept.size >= IDENTITY.keptKeysMax) this.#kept.delete(this.#kept.keys().next().value as string)
    this.#kept.set(id, key)
    return key
  }
}

function signerOf(node: NodeCrypto, keys: NativeKeys, seed: Uint8Array): Signer {
  const secret = keys.secretKey('ed25519', expectBytes(seed, 32, 'An Ed25519 seed'))
  return { publicKey: keys.publicBytes(secret), sign: (message) => plain(node.sign(null, message, secret)) }
}

function verifyWith(node: NodeCrypto, keys: NativeKeys): CryptoProvider['verify'] {
  return (publicKey, message, signature) => {
    if (signature.length !== 64) return false
    const key = keys.verifying(publicKey)
    return key !== null && node.verify(null, message, key, signature)
  }
}

function agreementOf(node: NodeCrypto, keys: NativeKeys, secretKey?: Uint8Array): Agreement {
  const { privateKey, publicBytes } = secretKey ? keys.agreementPairOf(secretKey) : keys.agreementPair()
  return {
    publicKey: publicBytes,
    agree(point) {
      const other = keys.publicKey('x25519', expectBytes(point, 32, 'An X25519 public key'))
      let shared: Uint8Array
      try {
        shared = plain(node.diffieHellman({ privateKey, publicKey: other }))
      } catch (cause) {
        // OpenSSL fails the derivation by itself where the result is all zero (RFC 7748 §6.1) ...
        throw new TesseraError('CryptoFailed', { detail: 'The X25519 shared secret is all zero.', cause })
      }
      // ... but other libraries behind node:crypto need not.
      if (shared.every((byte) => byte === 0)) {
        throw new TesseraError('CryptoFailed', { detail: 'The X25519 shared secret is all zero.' })
      }
      return shared
    },
  }
}

/** What is small goes past OpenSSL, where `small` is there. */
function nativeAead(node: NodeCrypto, small: () => SmallAead | null): Pick<CryptoProvider, 'seal' | 'open'> {
  return {
    seal(key, nonce, aad, plaintext) {
      expectBytes(key, KEY_BYTES, 'A ChaCha20-Poly1305 key')
      expectBytes(nonce, NONCE_BYTES, 'A nonce')
      const quick = plaintext.length <= SMALL_BYTES_MAX ? small() : null
      if (quick?.takes(aad.length, plaintext.length)) return quick.seal(key, nonce, aad, plaintext)
      const cipher = node.createCipheriv(AEAD, key, nonce, AEAD_OPTIONS)
      if (aad.length > 0) cipher.setAAD(aad, { plaintextLength: plaintext.length })
      const sealed = new Uint8Array(plaintext.length + TAG_BYTES)
      sealed.set(cipher.update(plaintext))
      cipher.final()
      sealed.set(cipher.getAuthTag(), plaintext.length)
      return sealed
    },
    open(key, nonce, aad, sealed) {
      expectBytes(key, KEY_BYTES, 'A ChaCha20-Poly1305 key')
      expectBytes(nonce, NONCE_BYTES, 'A nonce')
      const length = sealed.length - TAG_BYTES
      if (length < 0) throw new TesseraError('CryptoFailed', { detail: 'The ciphertext has no tag.' })
      const quick = length <= SMALL_BYTES_MAX ? small() : null
      if (!quick?.takes(aad.length, length)) return openLarge(node, key, nonce, aad, sealed)
      const plaintext = quick.open(key, nonce, aad, sealed)
      if (plaintext === null) throw unauthentic()
      return plaintext
    },
  }
}

function openLarge(
  node: NodeCrypto,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array {
  const length = sealed.length - TAG_BYTES
  const decipher = node.createDecipheriv(AEAD, key, nonce, AEAD_OPTIONS)
  if (aad.length > 0) decipher.setAAD(aad, { plaintextLength: length })
  decipher.setAuthTag(sealed.subarray(length))
  const plaintext = decipher.update(sealed.subarray(0, length))
  try {
    decipher.final()
  } catch (cause) {
    throw unauthentic(cause)
  }
  return plain(plaintext)
}

/** RFC 5869 §2.2 and §2.3. In its own HKDF node:crypto spends more on the job that it makes of it than these few HMACs take. */
function hkdfBy(hmac: CryptoProvider['hmacSha256']): CryptoProvider['hkdfSha256'] {
  return (salt, ikm, info, length) => {
    const key = hmac(salt, ikm)
    const output = new Uint8Array(length)
    let block: Uint8Array = new Uint8Array(0)
    for (let at = 0, count = 1; at < length; at += block.length, count++) {
      block = hmac(key, block, info, Uint8Array.of(count))
      output.set(block.subarray(0, length - at), at)
    }
    return output
  }
}

function unauthentic(cause?: unknown): TesseraError {
  return new TesseraError('CryptoFailed', { detail: 'The ciphertext is not authentic.', cause })
}

function nativeMacs(node: NodeCrypto): Pick<CryptoProvider, 'sha256' | 'hmacSha256' | 'hkdfSha256' | 'scrypt'> {
  const hmacSha256: CryptoProvider['hmacSha256'] = (key, ...parts) => {
    const mac = node.createHmac('sha256', key)
    for (const part of parts) mac.update(part)
    return plain(mac.digest())
  }
  return {
    sha256(...parts) {
      const hash = node.createHash('sha256')
      for (const part of parts) hash.update(part)
      return plain(hash.digest())
    },
    hmacSha256,
    hkdfSha256: hkdfBy(hmacSha256),
    scrypt(password, salt, cost, length) {
      // OpenSSL counts its working memory and refuses at 32 MiB unless told; twice the table of RFC 7914 §6 is room enough.
      const maxmem = 256 * cost.blockSize * (cost.cost + cost.parallelization)
      return plain(node.scryptSync(password, salt, length, { ...cost, maxmem }))
    },
  }
}

function providerOf(node: NodeCrypto, small: () => SmallAead | null): CryptoProvider {
  const keys = new NativeKeys(node)
  return {
    name: 'native',
    randomBytes: (length) => plain(node.randomBytes(length)),
    signer: (seed) => signerOf(node, keys, seed),
    verify: verifyWith(node, keys),
    agreement: (secretKey) => agreementOf(node, keys, secretKey),
    ...nativeAead(node, small),
    ...nativeMacs(node),
    blake3: portableBlake3,
    keyedBlake3: portableKeyedBlake3,
    constantTimeEqual: (a, b) => a.length === b.length && node.timingSafeEqual(a, b),
  }
}

/** True where every primitive can be used: BoringSSL and FIPS builds lack some. */
function isComplete(provider: CryptoProvider): boolean {
  const zeros = new Uint8Array(32)
  try {
    const { publicKey, sign } = provider.signer(zeros)
    const { agree } = provider.agreement()
    agree(provider.agreement().publicKey)
    provider.seal(zeros, zeros.subarray(0, NONCE_BYTES), zeros, new Uint8Array(SMALL_BYTES_MAX + 1))
    return provider.verify(publicKey, zeros, sign(zeros))
  } catch {
    // "Unknown cipher", "unsupported": whatever is missing, the portable provider has it.
    return false
  }
}

/** node:crypto as a provider, or null where the process does not have all of it. `small`: for small packets, where there is any. */
export function nativeCrypto(small = smallAead): CryptoProvider | null {
  const node = globalThis.process?.getBuiltinModule?.('node:crypto')
  if (node === undefined) return null
  const provider = providerOf(node, small)
  return isComplete(provider) ? provider : null
}
