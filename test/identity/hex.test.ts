import { bytesToHex } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { hexOf } from '../../src/identity/hex.ts'

it('writes any bytes as the hex digits that others write', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(hexOf(bytes)).toBe(bytesToHex(bytes))
    }),
  )
  expect(hexOf(Uint8Array.from({ length: 256 }, (_, byte) => byte))).toMatch(/^000102.*fdfeff$/)
})
