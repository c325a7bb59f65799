/**
 * Identities: an Ed25519 key pair. The peer id is the public key.
 */
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
