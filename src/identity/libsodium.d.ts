/** What `crypto-small.ts` calls of it; the package has no types of its own. A length is two 32-bit halves, a pointer a place in `HEAPU8`. */
declare module 'libsodium' {
  export interface Sodium {
    readonly HEAPU8: Uint8Array
    _malloc(length: number): number
    _crypto_aead_chacha20poly1305_ietf_encrypt(
      sealed: number,
      sealedLength: number,
      text: number,
      textLength: number,
      textLengthHigh: number,
      aad: number,
      aadLength: number,
      aadLengthHigh: number,
      unused: number,
      nonce: number,
      key: number,
    ): number
    /** Not 0 where anything is not authentic. */
    _crypto_aead_chacha20poly1305_ietf_decrypt(
      text: number,
      textLength: number,
      unused: number,
      sealed: number,
      sealedLength: number,
      sealedLengthHigh: number,
      aad: number,
      aadLength: number,
      aadLengthHigh: number,
      nonce: number,
      key: number,
    ): number
  }
  export default function load(): Promise<Sodium>
}
