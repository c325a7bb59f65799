import { hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { bytesOf, derive, digest, short } from '../../src/identity/digest.ts'

describe('a digest', () => {
  it('is BLAKE3 of any string or bytes', () => {
    // BLAKE3's published vector of no bytes.
    const ofNothing = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'
    expect(digest('')).toBe(ofNothing)
    expect(digest(new Uint8Array(0))).toBe(ofNothing)
    expect(digest('grüße')).toBe(digest(new TextEncoder().encode('grüße')))
  })

  it('is what 64 hex digits say, in lower case', () => {
    const hex = 'AB'.repeat(32)
    expect(digest(hex)).toBe(hex.toLowerCase())
    expect(digest(hex.slice(1))).not.toBe(hex.slice(1).toLowerCase())
    expect(digest(`${hex}\n`)).toMatch(/^[0-9a-f]{64}$/)
  })

  it('derives another from its bytes followed by more', () => {
    const base = digest('network')
    expect(derive(base, 'orders')).toBe(
      digest(Uint8Array.of(...hexToBytes(base), ...new TextEncoder().encode('orders'))),
    )
    expect(derive(base, 'orders')).toBe(derive(base, new TextEncoder().encode('orders')))
    expect(derive(base, '')).not.toBe(base)
  })

  it('stands for 32 bytes and is shown by the first five', () => {
    const base = digest('network')
    expect(bytesOf(base)).toEqual(hexToBytes(base))
    expect(short(base)).toBe(base.slice(0, 10))
  })
})
