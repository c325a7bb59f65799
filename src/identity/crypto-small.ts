/**
 * ChaCha20-Poly1305 (RFC 8439 §2.8) for packets so small that OpenSSL's context, made and dropped for each, costs more than the work
 * that is done in it. Raft with one command under way sends nothing else. The work is `@chainsafe/as-chacha20poly1305`'s: WebAssembly, which
 * branches on no secret; this file only carries bytes into its memory and out again, and compares tags.
 *
 * One instance for the process: what it holds is overwritten by the next call.
 */
import type { newInstance } from '@chainsafe/as-chacha20poly1305'
import { constantTimeEqual } from './crypto-portable.ts'

/** Up to here it is the faster one (ADR 19). */
export const SMALL_BYTES_MAX = 320
/** What it has room for: a hash, in the handshake. */
const AAD_BYTES_MAX = 32
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

export class SmallAead {
  readonly #wasm: ReturnType<typeof newInstance>
  readonly #key: Uint8Array
  readonly #nonce: Uint8Array
  readonly #aad: Uint8Array
  readonly #input: Uint8Array
  readonly #output: Uint8Array
  readonly #tag: Uint8Array

  constructor(wasm: ReturnType<typeof newInstance>) {
    const place = ({ value }: { readonly value: number }, length: number) =>
      new Uint8Array(wasm.memory.buffer, value, length)
    this.#wasm = wasm
    this.#key = place(wasm.cpKey, KEY_BYTES)
    this.#nonce = place(wasm.cpNonce, NONCE_BYTES)
    this.#aad = place(wasm.cpAssociatedData, AAD_BYTES_MAX)
    this.#input = place(wasm.cpInput, SMALL_BYTES_MAX)
    this.#output = place(wasm.chacha20Output, SMALL_BYTES_MAX)
    this.#tag = place(wasm.poly1305Output, TAG_BYTES)
  }

  takes(aad: Uint8Array, text: Uint8Array): boolean {
    return text.length <= SMALL_BYTES_MAX && aad.length <= AAD_BYTES_MAX
  }

  /** Ciphertext and tag. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const { length } = plaintext
    this.#load(key, nonce, aad, plaintext)
    this.#wasm.sealUpdate(true, true, length, length, aad.length)
    const sealed = new Uint8Array(length + TAG_BYTES)
    sealed.set(this.#output.subarray(0, length))
    sealed.set(this.#tag, length)
    return sealed
  }

  /** The plaintext, or null where anything is not authentic. */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    ciphertext: Uint8Array,
    tag: Uint8Array,
  ): Uint8Array | null {
    const { length } = ciphertext
    this.#load(key, nonce, aad, ciphertext)
    this.#wasm.openUpdate(true, true, length, length, aad.length)
    return constantTimeEqual(this.#tag, tag) ? this.#output.slice(0, length) : null
  }

  #load(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, text: Uint8Array): void {
    this.#key.set(key)
    this.#nonce.set(nonce)
    this.#aad.set(aad)
    this.#input.set(text)
  }
}

/** Null where a process allows no WebAssembly. */
export function smallAead(): SmallAead | null {
  try {
    const { createRequire } = globalThis.process.getBuiltinModule('node:module')
    const load = createRequire(import.meta.url)
    const { newInstance } = load('@chainsafe/as-chacha20poly1305') as typeof import('@chainsafe/as-chacha20poly1305')
    return new SmallAead(newInstance())
  } catch {
    return null
  }
}
