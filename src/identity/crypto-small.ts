/**
 * ChaCha20-Poly1305 (RFC 8439 §2.8) for packets so small that OpenSSL's context, made and dropped for each, costs more than the work
 * that is done in it. Raft with one command under way sends nothing else. The work is libsodium's, as WebAssembly; this file only
 * carries bytes into its memory and out again.
 *
 * One instance for the process: what it holds is overwritten by the next call. It is loaded when it is first asked for, which takes some
 * milliseconds; until then, and in a process that allows no WebAssembly, there is none.
 */
import type { Sodium } from 'libsodium'

/** Up to here it is the faster one (ADR 23). */
export const SMALL_BYTES_MAX = 2_048
/** What it has room for: a hash, in the handshake. */
const AAD_BYTES_MAX = 32
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Places in libsodium's memory, one after the other. */
const KEY = 0
const NONCE = KEY + KEY_BYTES
const AAD = NONCE + NONCE_BYTES
const INPUT = AAD + AAD_BYTES_MAX
const OUTPUT = INPUT + SMALL_BYTES_MAX + TAG_BYTES
const END = OUTPUT + SMALL_BYTES_MAX + TAG_BYTES

export class SmallAead {
  readonly #sodium: Sodium
  readonly #at: number
  readonly #memory: Uint8Array

  constructor(sodium: Sodium) {
    this.#sodium = sodium
    this.#at = sodium._malloc(END)
    this.#memory = sodium.HEAPU8.subarray(this.#at, this.#at + END)
  }

  /** `text`: without its tag. */
  takes(aadLength: number, textLength: number): boolean {
    return textLength <= SMALL_BYTES_MAX && aadLength <= AAD_BYTES_MAX
  }

  /** Ciphertext and tag. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const [at, { length }] = [this.#at, plaintext]
    this.#load(key, nonce, aad, plaintext)
    this.#sodium._crypto_aead_chacha20poly1305_ietf_encrypt(
      at + OUTPUT,
      0,
      at + INPUT,
      length,
      0,
      at + AAD,
      aad.length,
      0,
      0,
      at + NONCE,
      at + KEY,
    )
    return this.#memory.slice(OUTPUT, OUTPUT + length + TAG_BYTES)
  }

  /** The plaintext, or null where anything is not authentic. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | null {
    const [at, { length }] = [this.#at, sealed]
    this.#load(key, nonce, aad, sealed)
    const failed = this.#sodium._crypto_aead_chacha20poly1305_ietf_decrypt(
      at + OUTPUT,
      0,
      0,
      at + INPUT,
      length,
      0,
      at + AAD,
      aad.length,
      0,
      at + NONCE,
      at + KEY,
    )
    return failed === 0 ? this.#memory.slice(OUTPUT, OUTPUT + length - TAG_BYTES) : null
  }

  #load(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, input: Uint8Array): void {
    const memory = this.#memory
    memory.set(key, KEY)
    memory.set(nonce, NONCE)
    if (aad.length > 0) memory.set(aad, AAD)
    memory.set(input, INPUT)
  }
}

let loaded: SmallAead | null = null
let loading: Promise<void> | null = null

/** Null until it is loaded, which the first call begins. */
export function smallAead(): SmallAead | null {
  if (loaded === null) void smallAeadLoaded()
  return loaded
}

/** Resolves when it is there, or will never be. */
export function smallAeadLoaded(): Promise<void> {
  loading ??= load().then((aead) => {
    loaded = aead
  })
  return loading
}

async function load(): Promise<SmallAead | null> {
  try {
    const { default: instantiate } = await import('libsodium')
    return new SmallAead(await instantiate())
  } catch {
    return null
  }
}
