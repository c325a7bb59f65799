import { describe, expect, it } from 'vitest'
import { crypto } from '../../src/identity/crypto.ts'
import { Identity } from '../../src/identity/keys.ts'
import { Credential } from '../../src/transport/credential.ts'

const alice = new Credential(Identity.ephemeral())
const bobsIdentity = Identity.ephemeral()
const bob = new Credential(bobsIdentity)

/** `claim` with the bytes of another one from `at` on. */
const spliced = (claim: Uint8Array, other: Uint8Array, at: number) => {
  return Uint8Array.of(...claim.subarray(0, at), ...other.subarray(at))
}

describe('a credential', () => {
  it('tells whose a static key is, as often as it is asked', () => {
    for (let i = 0; i < 2; i++) expect(alice.provenPeer(bob.claim, bob.staticKey.publicKey)).toBe(bobsIdentity.peer)
  })

  it('of a peer that was believed is checked anew for another key, another signature, and another peer', () => {
    alice.provenPeer(bob.claim, bob.staticKey.publicKey)
    const renewed = new Credential(bobsIdentity)
    const refused = expect.objectContaining({ code: 'CryptoFailed' })
    const attempts = [
      [bob.claim, crypto.agreement().publicKey],
      [bob.claim, renewed.staticKey.publicKey],
      [spliced(bob.claim, renewed.claim, 32), bob.staticKey.publicKey],
      [spliced(alice.claim, bob.claim, 32), bob.staticKey.publicKey],
    ] as const
    for (const [claim, key] of attempts) expect(() => alice.provenPeer(claim, key)).toThrow(refused)
    expect(alice.provenPeer(renewed.claim, renewed.staticKey.publicKey)).toBe(bobsIdentity.peer)
  })
})
