/**
 * Noise_XX_25519_ChaChaPoly_SHA256 (The Noise Protocol Framework, revision 34): the handshake by which both ends of a link
 * learn each other's static key, and the two ciphers it leaves behind. No I/O: messages go in and come out as bytes.
 *
 *     -> e
 *     <- e, ee, s, es
 *     -> s, se
 *
 * Lifecycle of a `HandshakeState`: three messages, written and read in turn, then `split()` once. Any error ends the handshake
 * for good (Noise §5.3); the object must be dropped. Invariants: a nonce is never used twice, the last one (2^64 - 1) never at all
 * (§5.1); no message is longer than 65,535 bytes (§3).
 *
 * The exporter: Noise has none of its own, and the handshake hash of §11.2 binds a channel but is no secret. So `split()` asks
 * the HKDF that makes the two transport keys for a third output, which leaves the first two as they are (§4.3) and which
 * nobody without the chaining key knows. `exported(label)` = HKDF-SHA256(salt: handshake hash, ikm: that output, info: label).
 */
import { concatBytes } from '@noble/hashes/utils.js'
import { TesseraError } from '../errors.ts'
import { type Agreement, crypto } from '../identity/crypto.ts'

export const PROTOCOL_NAME = 'Noise_XX_25519_ChaChaPoly_SHA256'
/** Noise §3. */
export const NOISE_MESSAGE_BYTES_MAX = 65_535
/** The Poly1305 tag (RFC 8439 §2.8). */
export const TAG_BYTES = 16
const DH_BYTES = 32
const HASH_BYTES = 32
const KEY_BYTES = 32
const EMPTY = new Uint8Array(0)
/** RFC 5869 §2.3: the number of the block. */
const FIRST_BLOCK = Uint8Array.of(1)

function unauthentic(detail: string, cause?: unknown): TesseraError {
  return new TesseraError('CryptoFailed', { detail, cause })
}

/** Noise §12.3: four zero bytes, then the counter, little-endian. Written anew for each message, and of use only until that is sealed. */
const nonce = new Uint8Array(12)

/** Noise §5.1. The counter is two 32-bit halves: one frame a nanosecond would need 584 years to reach the end. */
export class CipherState {
  readonly #keys: Uint8Array
  readonly #at: number
  #low: number
  #high: number

  /** `start`: where the counter starts; other than 0 only for tests. `at`: where in `keys` the key stands, which may hold those of others. */
  constructor(keys: Uint8Array, start = 0n, at = 0) {
    this.#keys = keys
    this.#at = at
    this.#low = Number(start & 0xffff_ffffn)
    this.#high = Number(start >> 32n)
  }

  encryptWithAd(ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    if (plaintext.length + TAG_BYTES > NOISE_MESSAGE_BYTES_MAX) throw new TesseraError('MessageTooLarge')
    const sealed = crypto.seal(this.#key, this.#currentNonce(), ad, plaintext)
    this.#advance()
    return sealed
  }

  /** Throws `CryptoFailed`, and then the nonce stays as it was (Noise §5.1). */
  decryptWithAd(ad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    if (ciphertext.length > NOISE_MESSAGE_BYTES_MAX) throw new TesseraError('MessageTooLarge')
    if (ciphertext.length < TAG_BYTES) throw unauthentic('A ciphertext is at least as long as its tag.')
    const plaintext = crypto.open(this.#key, this.#currentNonce(), ad, ciphertext)
    this.#advance()
    return plaintext
  }

  get #key(): Uint8Array {
    return this.#keys.subarray(this.#at, this.#at + KEY_BYTES)
  }

  #currentNonce(): Uint8Array {
    if (this.#low === 0xffff_ffff && this.#high === 0xffff_ffff)
      throw unauthentic('The nonces of this key are used up.')
    writeUint32LE(nonce, 4, this.#low)
    writeUint32LE(nonce, 8, this.#high)
    return nonce
  }

  #advance(): void {
    if (this.#low < 0xffff_ffff) {
      this.#low++
    } else {
      this.#low = 0
      this.#high++
    }
  }
}

function writeUint32LE(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

/** Noise §4.3: HKDF with the chaining key as salt and no info; its outputs, of 32 bytes each, one after the other. */
function hkdf(chainingKey: Uint8Array, input: Uint8Array, outputs: 2 | 3): Uint8Array {
  return crypto.hkdfSha256(chainingKey, input, EMPTY, outputs * HASH_BYTES)
}

/** What a finished handshake leaves. All its secrets stand in one array: every link holds them for as long as it stands. */
export class Split {
  readonly sending: CipherState
  readonly receiving: CipherState
  /** The key of what I send first, that of what the other does, the exporter's. */
  readonly #secrets: Uint8Array

  /** `secrets`: the three outputs of HKDF, the initiator's key first. */
  constructor(initiator: boolean, handshakeHash: Uint8Array, secrets: Uint8Array) {
    const [first, second] = [new CipherState(secrets), new CipherState(secrets, 0n, KEY_BYTES)]
    this.sending = initiator ? first : second
    this.receiving = initiator ? second : first
    // What HKDF extracts from the hash and the third output (RFC 5869 §2.2) takes its place.
    secrets.set(crypto.hmacSha256(handshakeHash, secrets.subarray(2 * KEY_BYTES)), 2 * KEY_BYTES)
    this.#secrets = secrets
  }

  /** 32 bytes that only the two ends can derive: the one block that HKDF then expands to (RFC 5869 §2.3). */
  exported(label: Uint8Array): Uint8Array {
    return crypto.hmacSha256(this.#secrets.subarray(2 * KEY_BYTES), label, FIRST_BLOCK)
  }
}

/** Noise §5.2. */
class SymmetricState {
  #chainingKey: Uint8Array
  #hash: Uint8Array
  #cipher: CipherState | null = null

  constructor() {
    // The name has exactly HASHLEN bytes, so it is h itself (Noise §5.2, InitializeSymmetric).
    this.#hash = new TextEncoder().encode(PROTOCOL_NAME)
    this.#chainingKey = this.#hash
  }

  mixKey(input: Uint8Array): void {
    const outputs = hkdf(this.#chainingKey, input, 2)
    this.#chainingKey = outputs.subarray(0, HASH_BYTES)
    this.#cipher = new CipherState(outputs, 0n, HASH_BYTES)
  }

  mixHash(data: Uint8Array): void {
    this.#hash = crypto.sha256(this.#hash, data)
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const out = this.#cipher ? this.#cipher.encryptWithAd(this.#hash, plaintext) : plaintext
    this.mixHash(out)
    return out
  }

  decryptAndHash(data: Uint8Array): Uint8Array {
    const plaintext = this.#cipher ? this.#cipher.decryptWithAd(this.#hash, data) : data
    this.mixHash(data)
    return plaintext
  }

  get hash(): Uint8Array {
    return this.#hash
  }

  /** Bytes that encryption adds to a field: none before the first key. */
  get overhead(): number {
    return this.#cipher ? TAG_BYTES : 0
  }

  split(initiator: boolean): Split {
    return new Split(initiator, this.#hash, hkdf(this.#chainingKey, EMPTY, 3))
  }
}

type Token = 'e' | 's' | 'ee' | 'es' | 'se'

/** Noise §7.5, XX: one line of tokens for each message, the initiator's first. */
const XX: readonly (readonly Token[])[] = [['e'], ['e', 'ee', 's', 'es'], ['s', 'se']]

export interface HandshakeOptions {
  readonly role: 'initiator' | 'responder'
  /** What both ends must agree on without sending it (Noise §6). */
  readonly prologue: Uint8Array
  readonly staticKey: Agreement
  /** Fresh for each handshake; given only by tests that replay published vectors. */
  readonly ephemeralKey?: Agreement
}

/** Noise §5.3, for the one pattern XX. */
export class HandshakeState {
  readonly #initiator: boolean
  readonly #static: Agreement
  readonly #ephemeral: Agreement
  readonly #symmetric = new SymmetricState()
  #remoteStatic: Uint8Array | null = null
  #remoteEphemeral: Uint8Array | null = null
  #turn = 0

  constructor({ role, prologue, staticKey, ephemeralKey }: HandshakeOptions) {
    this.#initiator = role === 'initiator'
    this.#static = staticKey
    this.#ephemeral = ephemeralKey ?? crypto.agreement()
    this.#symmetric.mixHash(prologue)
  }

  /** The other end's static key, once a message has brought it. */
  get remoteStatic(): Uint8Array | null {
    return this.#remoteStatic
  }

  get complete(): boolean {
    return this.#turn === XX.length
  }

  writeMessage(payload: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = []
    for (const token of this.#take(this.#initiator)) {
      if (token === 'e') parts.push(this.#mixedIn(this.#ephemeral.publicKey))
      else if (token === 's') parts.push(this.#symmetric.encryptAndHash(this.#static.publicKey))
      else this.#mixDh(token)
    }
    parts.push(this.#symmetric.encryptAndHash(payload))
    const message = concatBytes(...parts)
    if (message.length > NOISE_MESSAGE_BYTES_MAX) throw new TesseraError('MessageTooLarge')
    return message
  }

  /** The payload. Throws `CryptoFailed` or `InvalidMessage`; the handshake is over then. */
  readMessage(message: Uint8Array): Uint8Array {
    if (message.length > NOISE_MESSAGE_BYTES_MAX) throw new TesseraError('MessageTooLarge')
    let at = 0
    const take = (length: number): Uint8Array => {
      if (message.length < at + length)
        throw new TesseraError('InvalidMessage', { detail: 'Handshake message cut short.' })
      at += length
      return message.subarray(at - length, at)
    }
    for (const token of this.#take(!this.#initiator)) {
      if (token === 'e') this.#remoteEphemeral = this.#mixedIn(take(DH_BYTES))
      else if (token === 's')
        this.#remoteStatic = this.#symmetric.decryptAndHash(take(DH_BYTES + this.#symmetric.overhead))
      else this.#mixDh(token)
    }
    return this.#symmetric.decryptAndHash(message.subarray(at))
  }

  /** Noise §11.2: the same at both ends, unique to the session, not secret. */
  get handshakeHash(): Uint8Array {
    return this.#symmetric.hash
  }

  split(): Split {
    if (!this.complete) throw new TesseraError('ProtocolAssertion', { detail: 'A handshake is split at its end.' })
    return this.#symmetric.split(this.#initiator)
  }

  /** The tokens of the next message, if it is the given side's turn. A failure half-way leaves no turn to go on with. */
  #take(initiatorWrites: boolean): readonly Token[] {
    const tokens = XX[this.#turn]
    if (!tokens || (this.#turn % 2 === 0) !== initiatorWrites) {
      throw new TesseraError('ProtocolAssertion', { detail: 'Handshake messages go in turn.' })
    }
    this.#turn++
    return tokens
  }

  #mixedIn(publicKey: Uint8Array): Uint8Array {
    this.#symmetric.mixHash(publicKey)
    return publicKey
  }

  /** Noise §5.3: the first letter is the initiator's key, the second the responder's. */
  #mixDh(token: 'ee' | 'es' | 'se'): void {
    const [mine, theirs] = this.#initiator ? [token[0], token[1]] : [token[1], token[0]]
    const remote = theirs === 'e' ? this.#remoteEphemeral : this.#remoteStatic
    if (!remote) throw new TesseraError('ProtocolAssertion', { detail: `No remote key for ${token}.` })
    this.#symmetric.mixKey((mine === 'e' ? this.#ephemeral : this.#static).agree(remote))
  }
}
