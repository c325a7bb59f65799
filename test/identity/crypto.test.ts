import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js'
import { bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { hexToBytes as bytes, concatBytes, bytesToHex as hex, utf8ToBytes as utf8 } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type CryptoProvider, crypto } from '../../src/identity/crypto.ts'
import { nativeCrypto } from '../../src/identity/crypto-native.ts'
import { portableCrypto } from '../../src/identity/crypto-portable.ts'
import { SMALL_BYTES_MAX, smallAead, smallAeadLoaded } from '../../src/identity/crypto-small.ts'
import { BLAKE3, BLAKE3_KEY, RFC_7748_5_2, RFC_7748_6_1, RFC_8032, RFC_8439_2_8_2, SHA_256_FAMILY } from './vectors.ts'

await smallAeadLoaded()
const native = nativeCrypto() as CryptoProvider
const openssl = nativeCrypto(() => null) as CryptoProvider
const NOTHING = new Uint8Array(0)
const cryptoFailed = expect.objectContaining({ code: 'CryptoFailed' })
const invalidKey = expect.objectContaining({ code: 'InvalidKey' })

it('native is there in Node, and used', () => {
  expect(native.name).toBe('native')
  expect(crypto.name).toBe('native')
})

describe('where node:crypto is missing', () => {
  const node = process.getBuiltinModule('node:crypto')
  afterEach(() => vi.restoreAllMocks())

  const withNode = (found: object | undefined) =>
    vi.spyOn(process, 'getBuiltinModule').mockReturnValue(found as unknown as typeof node)

  it('there is no native provider', () => {
    withNode(undefined)
    expect(nativeCrypto()).toBe(null)
  })

  it.each(['createCipheriv', 'createPrivateKey', 'diffieHellman', 'sign', 'verify'])(
    'or lacks %s: none either',
    (name) => {
      withNode({
        ...node,
        [name]: () => {
          throw new Error('unsupported')
        },
      })
      expect(nativeCrypto()).toBe(null)
    },
  )
})

describe('libsodium', () => {
  it('seals what is small once it is loaded', () => {
    expect(smallAead()).not.toBe(null)
  })

  it('is not asked for larger packets', () => {
    const aead = smallAead()!
    const seal = vi.spyOn(aead, 'seal')
    const [key, nonce] = [new Uint8Array(32), new Uint8Array(12)]
    native.seal(key, nonce, NOTHING, new Uint8Array(SMALL_BYTES_MAX + 1))
    expect(seal).not.toHaveBeenCalled()
    native.seal(key, nonce, NOTHING, new Uint8Array(SMALL_BYTES_MAX))
    expect(seal).toHaveBeenCalledOnce()
    seal.mockRestore()
  })
})

it('a generated key is told as it is made, and never exported: over that Node 20 may stand still for ever', () => {
  const node = process.getBuiltinModule('node:crypto')
  const imported = vi.spyOn(node, 'createPublicKey')
  const generated = vi.spyOn(node, 'generateKeyPairSync')
  expect(native.agreement().publicKey).toHaveLength(32)
  expect(generated.mock.results.map(({ value }) => value.publicKey)).toEqual([
    { kty: 'OKP', crv: 'X25519', x: expect.any(String) },
  ])
  expect(imported).not.toHaveBeenCalled()
})

describe.each([
  { name: 'native', provider: native },
  { name: 'native without libsodium', provider: openssl },
  { name: 'portable', provider: portableCrypto },
])('$name crypto', ({ provider }) => {
  describe('Ed25519', () => {
    it.each(RFC_8032)('RFC 8032 §7.1 $name', ({ seed, publicKey, message, signature }) => {
      const signer = provider.signer(bytes(seed))
      expect(hex(signer.publicKey)).toBe(publicKey)
      expect(hex(signer.sign(bytes(message)))).toBe(signature)
      expect(provider.verify(bytes(publicKey), bytes(message), bytes(signature))).toBe(true)
    })

    it('refuses a signature with any one bit changed', () => {
      const { publicKey, message, signature } = RFC_8032[2]
      for (let bit = 0; bit < 512; bit++) {
        const changed = bytes(signature)
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(provider.verify(bytes(publicKey), bytes(message), changed)).toBe(false)
      }
    })

    it('RFC 8032 §5.1.7: refuses S + L, the same signature written in another way', () => {
      const { publicKey, message, signature } = RFC_8032[1]
      const s = bytesToNumberLE(bytes(signature.slice(64))) + ed25519.Point.Fn.ORDER
      const malleated = concatBytes(bytes(signature.slice(0, 64)), numberToBytesLE(s, 32))
      expect(provider.verify(bytes(publicKey), bytes(message), malleated)).toBe(false)
    })

    it.each(ED25519_TORSION_SUBGROUP)('refuses the small-order key %s, for which anyone can sign', (point) => {
      // S = 0 and R = -[k]A: found by trying messages until [k]A is zero, which one in eight does.
      const forged = new Uint8Array(64)
      forged[0] = 1
      for (let i = 0; i < 64; i++) {
        expect(provider.verify(bytes(point), Uint8Array.of(i), forged)).toBe(false)
        expect(provider.verify(withSignBit(bytes(point)), Uint8Array.of(i), forged)).toBe(false)
      }
    })

    it.each([0xed, 0xee, 0xf0, 0xff])(
      'RFC 8032 §5.1.3: refuses the key whose y is not reduced (lowest byte %i)',
      (low) => {
        const point = new Uint8Array(32).fill(0xff)
        point[0] = low
        point[31] = 0x7f
        const forged = new Uint8Array(64)
        forged[0] = 1
        for (let i = 0; i < 64; i++) expect(provider.verify(point, Uint8Array.of(i), forged)).toBe(false)
      },
    )

    it('refuses what only holds when multiplied by the cofactor, whichever provider looks', () => {
      const { publicKey, message, signature } = signedWithMixedOrder()
      expect(ed25519.verify(signature, message, publicKey, { zip215: false })).toBe(true)
      expect(provider.verify(publicKey, message, signature)).toBe(false)
    })

    it('is false, never a throw, for bytes that are no point', () => {
      const noPoint = new Uint8Array(32)
      noPoint[0] = 2
      expect(provider.verify(noPoint, NOTHING, new Uint8Array(64))).toBe(false)
      expect(provider.verify(new Uint8Array(31), NOTHING, new Uint8Array(64))).toBe(false)
      expect(provider.verify(new Uint8Array(32), NOTHING, new Uint8Array(63))).toBe(false)
    })

    it('keeps verifying after more peers than it keeps keys of', () => {
      const { publicKey, message, signature } = RFC_8032[1]
      const count = provider.name === 'native' ? 1_100 : 8
      for (let i = 0; i < count; i++) {
        const other = native.signer(native.blake3(Uint8Array.of(i >> 8, i))).publicKey
        expect(provider.verify(other, bytes(message), bytes(signature))).toBe(false)
      }
      expect(provider.verify(bytes(publicKey), bytes(message), bytes(signature))).toBe(true)
    })

    it('takes seeds of 32 bytes only', () => {
      expect(() => provider.signer(new Uint8Array(31))).toThrow(invalidKey)
    })
  })

  describe('X25519', () => {
    it.each(RFC_7748_5_2.single)('RFC 7748 §5.2 $scalar', ({ scalar, u, result }) => {
      expect(hex(provider.agreement(bytes(scalar)).agree(bytes(u)))).toBe(result)
    })

    it('RFC 7748 §5.2 iterated', () => {
      const { start, after1, after1000 } = RFC_7748_5_2.iterated
      let [k, u]: [Uint8Array, Uint8Array] = [bytes(start), bytes(start)]
      for (let i = 1; i <= 1000; i++) {
        ;[k, u] = [provider.agreement(k).agree(u), k]
        if (i === 1) expect(hex(k)).toBe(after1)
      }
      expect(hex(k)).toBe(after1000)
    })

    it('RFC 7748 §6.1', () => {
      const { aliceSecret, alicePublic, bobSecret, bobPublic, shared } = RFC_7748_6_1
      const [alice, bob] = [provider.agreement(bytes(aliceSecret)), provider.agreement(bytes(bobSecret))]
      expect(hex(alice.publicKey)).toBe(alicePublic)
      expect(hex(bob.publicKey)).toBe(bobPublic)
      expect(hex(alice.agree(bob.publicKey))).toBe(shared)
      expect(hex(bob.agree(alice.publicKey))).toBe(shared)
    })

    it('makes a fresh key where none is given', () => {
      const [a, b] = [provider.agreement(), provider.agreement()]
      expect(hex(a.publicKey)).not.toBe(hex(b.publicKey))
      expect(hex(a.agree(b.publicKey))).toBe(hex(b.agree(a.publicKey)))
    })

    // RFC 7748 §6.1, last paragraph; the points are those of order 1, 2, 4 and 8, and their unreduced twins.
    it.each([
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ])('refuses the all-zero secret of %s', (point) => {
      expect(() => provider.agreement().agree(bytes(point))).toThrow(cryptoFailed)
    })

    it('takes keys of 32 bytes only', () => {
      expect(() => provider.agreement(new Uint8Array(33))).toThrow(invalidKey)
      expect(() => provider.agreement().agree(new Uint8Array(31))).toThrow(invalidKey)
    })
  })

  describe('ChaCha20-Poly1305', () => {
    const { key, nonce, aad, plaintext, ciphertext, tag } = RFC_8439_2_8_2

    it('RFC 8439 §2.8.2', () => {
      expect(hex(provider.seal(bytes(key), bytes(nonce), bytes(aad), bytes(plaintext)))).toBe(ciphertext + tag)
      expect(hex(provider.open(bytes(key), bytes(nonce), bytes(aad), bytes(ciphertext + tag)))).toBe(plaintext)
    })

    it('opens nothing that was changed', () => {
      const sealed = bytes(ciphertext + tag)
      for (const at of [0, sealed.length - 17, sealed.length - 16, sealed.length - 1]) {
        const changed = sealed.slice()
        changed[at] = (changed[at] as number) ^ 1
        expect(() => provider.open(bytes(key), bytes(nonce), bytes(aad), changed)).toThrow(cryptoFailed)
      }
      expect(() => provider.open(bytes(key), bytes(nonce), NOTHING, sealed)).toThrow(cryptoFailed)
      expect(() => provider.open(bytes(key), new Uint8Array(12), bytes(aad), sealed)).toThrow(cryptoFailed)
      expect(() => provider.open(new Uint8Array(32), bytes(nonce), bytes(aad), sealed)).toThrow(cryptoFailed)
      expect(() => provider.open(bytes(key), bytes(nonce), bytes(aad), sealed.subarray(0, -1))).toThrow(cryptoFailed)
      expect(() => provider.open(bytes(key), bytes(nonce), bytes(aad), new Uint8Array(15))).toThrow(cryptoFailed)
    })

    it('takes keys of 32 bytes and nonces of 12', () => {
      expect(() => provider.seal(new Uint8Array(31), bytes(nonce), NOTHING, NOTHING)).toThrow(invalidKey)
      expect(() => provider.seal(bytes(key), new Uint8Array(8), NOTHING, NOTHING)).toThrow(invalidKey)
      expect(() => provider.open(bytes(key), new Uint8Array(24), NOTHING, new Uint8Array(16))).toThrow(invalidKey)
    })
  })

  describe('hashes', () => {
    const { sha256OfAbc, hmac, hkdf, scrypt } = SHA_256_FAMILY

    it('FIPS 180-4 SHA-256, whole or in parts', () => {
      expect(hex(provider.sha256(utf8('abc')))).toBe(sha256OfAbc)
      expect(hex(provider.sha256(utf8('a'), NOTHING, utf8('bc')))).toBe(sha256OfAbc)
    })

    it('RFC 4231 §4.3 HMAC-SHA-256', () => {
      expect(hex(provider.hmacSha256(utf8(hmac.key), utf8(hmac.data)))).toBe(hmac.mac)
    })

    it('RFC 5869 §A.1 HKDF-SHA-256', () => {
      expect(hex(provider.hkdfSha256(bytes(hkdf.salt), bytes(hkdf.ikm), bytes(hkdf.info), 42))).toBe(hkdf.okm)
    })

    it('Noise §4.3: HKDF with three outputs is three chained HMACs', () => {
      const [chainingKey, ikm] = [new Uint8Array(32).fill(1), NOTHING]
      const temp = provider.hmacSha256(chainingKey, ikm)
      const first = provider.hmacSha256(temp, Uint8Array.of(1))
      const second = provider.hmacSha256(temp, first, Uint8Array.of(2))
      const third = provider.hmacSha256(temp, second, Uint8Array.of(3))
      expect(hex(provider.hkdfSha256(chainingKey, ikm, NOTHING, 96))).toBe(hex(concatBytes(first, second, third)))
    })

    it('RFC 7914 §12 scrypt', () => {
      expect(hex(provider.scrypt(utf8(scrypt.password), utf8(scrypt.salt), scrypt.cost, 64))).toBe(scrypt.key)
    })

    it.each(BLAKE3)("BLAKE3's published vector of $length bytes, plain and keyed", ({ length, hash, keyed }) => {
      const input = Uint8Array.from({ length }, (_, i) => i % 251)
      expect(hex(provider.blake3(input))).toBe(hash)
      expect(hex(provider.keyedBlake3(utf8(BLAKE3_KEY), input))).toBe(keyed)
      const cut = length >> 1
      expect(hex(provider.blake3(input.subarray(0, cut), input.subarray(cut)))).toBe(hash)
    })

    it('takes BLAKE3 keys of 32 bytes only', () => {
      expect(() => provider.keyedBlake3(new Uint8Array(31), NOTHING)).toThrow(invalidKey)
    })
  })

  it('gives as many random bytes as asked for, new each time', () => {
    expect(provider.randomBytes(0)).toHaveLength(0)
    expect(provider.randomBytes(32)).toHaveLength(32)
    expect(hex(provider.randomBytes(32))).not.toBe(hex(provider.randomBytes(32)))
  })

  it('compares in constant time what has the same length, and nothing else', () => {
    expect(provider.constantTimeEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
    expect(provider.constantTimeEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
    expect(provider.constantTimeEqual(Uint8Array.of(1, 2), Uint8Array.of(1))).toBe(false)
    expect(provider.constantTimeEqual(NOTHING, NOTHING)).toBe(true)
  })

  it('gives plain Uint8Arrays, not the Buffers of Node', () => {
    const key = new Uint8Array(32).fill(3)
    const sealed = provider.seal(key, new Uint8Array(12), NOTHING, key)
    const results = [
      sealed,
      provider.open(key, new Uint8Array(12), NOTHING, sealed),
      provider.signer(key).publicKey,
      provider.signer(key).sign(key),
      provider.agreement(key).publicKey,
      provider.agreement(key).agree(provider.agreement().publicKey),
      provider.randomBytes(8),
      provider.sha256(key),
      provider.hmacSha256(key, key),
      provider.hkdfSha256(key, key, NOTHING, 64),
      provider.blake3(key),
      provider.scrypt(key, key, { cost: 2, blockSize: 1, parallelization: 1 }, 32),
    ]
    for (const result of results) expect(Object.getPrototypeOf(result)).toBe(Uint8Array.prototype)
  })
})

describe('native and portable crypto', () => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
  const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 })
  const data = fc.uint8Array({ maxLength: 300 })

  it('give identical bytes for identical input', () => {
    fc.assert(
      fc.property(key, key, nonce, data, data, (k1, k2, n, a, b) => {
        const [theirs, ours] = [native, portableCrypto].map((provider) => {
          const signer = provider.signer(k1)
          const agreement = provider.agreement(k1)
          return [
            signer.publicKey,
            signer.sign(a),
            agreement.publicKey,
            agreement.agree(provider.agreement(k2).publicKey),
            provider.seal(k1, n, a, b),
            provider.sha256(a, b),
            provider.hmacSha256(a, b),
            provider.hkdfSha256(a, b, n, 96),
            provider.blake3(a, b),
            provider.keyedBlake3(k1, a, b),
            provider.scrypt(a, b, { cost: 4, blockSize: 2, parallelization: 2 }, 48),
          ].map(hex)
        })
        expect(ours).toEqual(theirs)
      }),
      { numRuns: 60 },
    )
  })

  it('seal alike and open alike at every size at which a packet is still small, and past it', () => {
    for (let length = 0; length <= SMALL_BYTES_MAX + 1; length++) {
      const [n, k] = [native.sha256(utf8(`nonce ${length}`)).subarray(0, 12), native.sha256(utf8(`key ${length}`))]
      const text = native.hkdfSha256(k, n, NOTHING, length)
      const aad = text.slice(0, length % 35)
      const sealed = native.seal(k, n, aad, text)
      expect(hex(sealed)).toBe(hex(portableCrypto.seal(k, n, aad, text)))
      expect(hex(native.open(k, n, aad, sealed))).toBe(hex(text))
      const changed = sealed.slice()
      changed[(length * 7) % changed.length]! ^= 1 << (length % 8)
      expect(() => native.open(k, n, aad, changed)).toThrow(cryptoFailed)
    }
  })

  it('open what the other sealed and verify what the other signed', () => {
    fc.assert(
      fc.property(key, nonce, data, data, (k, n, aad, message) => {
        for (const [a, b] of [[native, portableCrypto] as const, [portableCrypto, native] as const]) {
          expect(hex(b.open(k, n, aad, a.seal(k, n, aad, message)))).toBe(hex(message))
          const signer = a.signer(k)
          expect(b.verify(signer.publicKey, message, signer.sign(message))).toBe(true)
        }
      }),
      { numRuns: 40 },
    )
  })

  it('agree on whether bytes are a signature, whatever the bytes', () => {
    const point = fc.oneof(key, fc.constantFrom(...ED25519_TORSION_SUBGROUP.map((p) => bytes(p))))
    fc.assert(
      fc.property(point, point, fc.nat(3), data, (publicKey, r, s, message) => {
        const signature = concatBytes(r, numberToBytesLE(s, 32))
        expect(portableCrypto.verify(publicKey, message, signature)).toBe(native.verify(publicKey, message, signature))
      }),
      { numRuns: 200 },
    )
  })
})

function withSignBit(point: Uint8Array): Uint8Array {
  point[31] = (point[31] as number) ^ 0x80
  return point
}

/** A key with a small-order part A = [a]B + T, and a signature whose difference from a true one is a multiple of T. */
function signedWithMixedOrder(): { publicKey: Uint8Array; message: Uint8Array; signature: Uint8Array } {
  const { BASE, Fn } = ed25519.Point
  const order8 = ED25519_TORSION_SUBGROUP.map((hexPoint) => ed25519.Point.fromBytes(bytes(hexPoint))).find(
    (p) => !p.multiplyUnsafe(4n).is0(),
  )
  if (order8 === undefined) throw new Error('the torsion subgroup has points of order 8')
  const [a, nonce] = [7n, 11n]
  const publicKey = BASE.multiply(a).add(order8).toBytes()
  const r = BASE.multiply(nonce).toBytes()
  for (let i = 0; ; i++) {
    const message = Uint8Array.of(i)
    const k = Fn.create(bytesToNumberLE(sha512(concatBytes(r, publicKey, message))))
    if (order8.multiplyUnsafe(k).is0()) continue
    const s = numberToBytesLE(Fn.create(nonce + k * a), 32)
    return { publicKey, message, signature: concatBytes(r, s) }
  }
}
