/** Values: what an application sends as command, result, query or answer. */
import { encode as cborOf } from 'cbor-x/encode'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TesseraError } from '../../src/errors.ts'
import { RAFT } from '../../src/limits.ts'
import { decodeValue, encodeValue } from '../../src/transport/codec.ts'

const there = (value: unknown) => decodeValue(encodeValue(value))
const invalid = expect.objectContaining({ code: 'InvalidMessage' })

describe('a value comes back as it was sent', () => {
  test.each([
    ['undefined', undefined],
    ['null', null],
    ['a large integer', 2 ** 53 - 1],
    ['a negative fraction', -1.5],
    ['a bigint', 2n ** 64n - 1n],
    ['a bigint beyond 64 bits', -(2n ** 200n)],
    ['a Date', new Date(1_700_000_000_123)],
    ['a Map with objects as keys', new Map<unknown, unknown>([[{ a: 1 }, [1]]])],
    ['a Set', new Set(['a', 1])],
    ['bytes', Uint8Array.of(1, 2, 3)],
    ['floats', Float64Array.of(0.5, -2)],
    ['an object', { type: 'set', key: 'a', value: { deep: [undefined, true, 'ü', '😀'] } }],
  ])('%s', (_, value) => expect(there(value)).toEqual(value))

  test('any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(!JSON.stringify(value).includes('__proto__') && !JSON.stringify(value).includes('-0'))
        expect(there(value)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  test('without sharing memory with the log, so that an application may change what it got', () => {
    const encoded = encodeValue({ bytes: Uint8Array.of(1, 2, 3) })
    const first = decodeValue(encoded) as { bytes: Uint8Array }
    first.bytes.fill(0)
    expect(decodeValue(encoded)).toEqual({ bytes: Uint8Array.of(1, 2, 3) })
    expect(encoded.buffer.byteLength).toBe(encoded.length)
  })
})

describe('a value that would not decode everywhere is refused where it is sent', () => {
  const cycle: unknown[] = []
  cycle.push(cycle)
  let deep: unknown = 1
  for (let i = 0; i < 200; i++) deep = [deep]

  test.each([
    ['a function', () => 1],
    ['a symbol', { s: Symbol('s') }],
    ['an error', new Error('e')],
    ['a regular expression', /a/],
    ['a cycle', cycle],
    ['nesting without end', deep],
    ['a bigint of some thousand bytes', 2n ** 20_000n],
  ])('%s', (_, value) => expect(() => encodeValue(value)).toThrow(invalid))

  test('one larger than a command may be', () => {
    const tooLarge = expect.objectContaining({ code: 'MessageTooLarge' })
    expect(() => encodeValue(new Uint8Array(RAFT.commandBytesMax))).toThrow(tooLarge)
    expect(() => encodeValue(new Uint8Array(RAFT.commandBytesMax - 16))).not.toThrow()
  })
})

describe('bytes that are no value are refused, and do nothing else', () => {
  const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'))

  test.each([
    ['a record definition of cbor-x', 'd9dfff8319e000816161 01'],
    ['a shared reference', 'd81c 81 d81d 00'],
    ['an error object', 'd81b 82 65 4572726f72 60'],
    ['a typed array whose buffer is a number the sender chose', 'd856 a1 66 627566666572 1a 3b9aca00'],
    ['a bigint of 2 KiB', `c2 590800 ${'ff'.repeat(2048)}`],
    ['a packed reference', 'c6 00'],
    ['a simple value of no meaning', 'e0'],
    ['a Map that is an array', 'd90103 80'],
    ['a map of 1 GiB', 'ba 40000000'],
    ['an array of 1 GiB', '9a 40000000'],
    ['a map whose key is a map', 'a1 a0 01'],
    ['a Date of a bigint', 'c1 1b 0000000000000001'],
  ])('%s', (_, text) => {
    expect(() => decodeValue(hex(text.replaceAll(' ', '')))).toThrow(invalid)
  })

  test('a key named __proto__ reaches no prototype', () => {
    const value = decodeValue(hex('a1695f5f70726f746f5f5fa164657669 6cf5'.replaceAll(' ', ''))) as object
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect((value as { evil?: boolean }).evil).toBeUndefined()
    expect(({} as { evil?: boolean }).evil).toBeUndefined()
  })

  test('random and damaged bytes', () => {
    const onlyInvalid = (bytes: Uint8Array) => {
      try {
        decodeValue(bytes)
      } catch (error) {
        if (!(error instanceof TesseraError && error.code === 'InvalidMessage')) throw error
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), onlyInvalid), { numRuns: 3_000 })
    const values = fc.jsonValue().map((value) => Uint8Array.from(cborOf(value)))
    fc.assert(
      fc.property(values, fc.nat(), fc.nat({ max: 255 }), (bytes, at, byte) => {
        bytes[at % bytes.length] = byte
        onlyInvalid(bytes)
      }),
      { numRuns: 2_000 },
    )
  })
})
