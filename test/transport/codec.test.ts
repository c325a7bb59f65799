/** The codec: what is encoded decodes to the same, has one encoding, and whatever else comes is refused and nothing worse. */

import { encode as cborOf, Encoder } from 'cbor-x/encode'
import fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { TesseraError } from '../../src/errors.ts'
import { DISCOVERY as DISCOVERY_LIMITS, RAFT as RAFT_LIMITS } from '../../src/limits.ts'
import type { AppendEntries, PreVote, RaftMessage } from '../../src/machines/raft/messages.ts'
import {
  decodeBond,
  decodeDiscovery,
  decodeEntry,
  decodeHandshake,
  encodeBond,
  encodeDiscovery,
  encodeEntry,
  encodeHandshake,
  encodeRaftBatch,
} from '../../src/transport/codec.ts'
import { pack } from '../../src/transport/packed.ts'
import { boolean, type Fields, family, type Message, message, uint } from '../../src/transport/wire-fields.ts'
import {
  anyBond,
  anyDiscovery,
  anyEntry,
  anyHandshake,
  BOND,
  DISCOVERY,
  ENTRIES,
  HANDSHAKE,
  RAFT,
} from './codec-samples.ts'

/** `cbor-x` as others would use it, to build what a stranger may send. */
const plain = new Encoder({ useRecords: false, tagUint8Array: false, variableMapSize: true })
const cbor = (value: unknown) => Uint8Array.from(plain.encode(value))

function refusal(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): string {
  try {
    decode(bytes)
  } catch (error) {
    expect(error).toBeInstanceOf(TesseraError)
    expect((error as TesseraError).code).toBe('InvalidMessage')
    return (error as TesseraError).message
  }
  throw new Error(`accepted ${Buffer.from(bytes).toString('hex')}`)
}

describe('a message comes back as it was sent', () => {
  test.each(HANDSHAKE)('$type', (sample) => {
    expect(decodeHandshake(encodeHandshake(sample))).toStrictEqual(sample)
  })
  test.each(BOND)('$type', (sample) => expect(decodeBond(encodeBond(sample))).toStrictEqual(sample))
  test.each(DISCOVERY)('$type', (sample) => expect(decodeDiscovery(encodeDiscovery(sample))).toStrictEqual(sample))
  test.each(RAFT)('$type', (sample) => {
    expect(decodeBond(encodeRaftBatch([sample]))).toStrictEqual({ type: 'Raft', messages: [sample] })
  })
  test.each(ENTRIES)('entry $kind', (sample) => expect(decodeEntry(encodeEntry(sample))).toStrictEqual(sample))

  test('any of them', () => {
    const same = <T>(any: fc.Arbitrary<T>, encode: (value: T) => Uint8Array, decode: (bytes: Uint8Array) => T) =>
      fc.assert(
        fc.property(any, (value) => {
          expect(decode(encode(value))).toStrictEqual(value)
        }),
      )
    same(anyHandshake, encodeHandshake, decodeHandshake)
    same(anyBond, encodeBond, decodeBond)
    same(anyDiscovery, encodeDiscovery, decodeDiscovery)
    same(anyEntry, encodeEntry, decodeEntry)
  })

  test('fractions of a clock do not travel', () => {
    expect(decodeBond(encodeBond({ type: 'Ping', sentMs: 12.75 }))).toEqual({ type: 'Ping', sentMs: 12 })
  })
})

describe('a message has one encoding', () => {
  test('in what cbor-x writes for the same items', () => {
    const bytes = Uint8Array.of(9, 9, 9)
    const entry = { kind: 'commands', term: 24, timeMs: 2 ** 32 - 1, session: 256, sequence: 65_536, acknowledged: 0 }
    expect(encodeEntry({ ...entry, count: 2, packed: pack([bytes, bytes]) } as never)).toEqual(
      cbor([3, 24, 2 ** 32 - 1, 256, 65_536, 0, [bytes, bytes]]),
    )
    expect(encodeBond({ type: 'Departure' })).toEqual(cbor([6]))
  })

  test('what decodes encodes to the same bytes, however it was damaged before', () => {
    const bytes = anyBond.map(encodeBond)
    let survived = 0
    fc.assert(
      fc.property(bytes, fc.nat(), fc.nat({ max: 255 }), (original, at, byte) => {
        const damaged = Uint8Array.from(original)
        damaged[at % damaged.length] = byte
        const decoded = accepted(decodeBond, damaged)
        if (!decoded) return
        survived++
        expect(encodeBond(decoded)).toEqual(damaged)
      }),
      { numRuns: 2_000 },
    )
    expect(survived).toBeGreaterThan(100)
  })
})

/** What decodes, or undefined where the bytes were refused with `InvalidMessage`; anything else that is thrown fails the test. */
function accepted<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T | undefined {
  try {
    return decode(bytes)
  } catch (error) {
    if (error instanceof TesseraError && error.code === 'InvalidMessage') return undefined
    throw error
  }
}

describe('a broadcast is encoded once', () => {
  test('an empty batch and a bond message that carries one are the same thing', () => {
    expect(encodeRaftBatch([])).toEqual(encodeBond({ type: 'Raft', messages: [] }))
    expect(decodeBond(encodeRaftBatch([]))).toEqual({ type: 'Raft', messages: [] })
  })
})

describe('memory', () => {
  const append = encodeRaftBatch([{ ...(RAFT[4] as AppendEntries), entries: [ENTRIES[3]!] }])
  const commandIn = (bytes: Uint8Array) => {
    const decoded = decodeBond(bytes)
    if (decoded.type !== 'Raft' || decoded.messages[0]?.type !== 'AppendEntries') throw new Error('not the sample')
    const last = decoded.messages[0].entries.at(-1)
    if (last?.kind !== 'commands') throw new Error('not the sample')
    return last.packed
  }

  test('a command is a view of its message', () => {
    expect(commandIn(append).buffer).toBe(append.buffer)
  })

  test('a command of a small message does not keep the frame that brought it', () => {
    const frame = new Uint8Array(64 * 1024)
    frame.set(append, 1_000)
    const command = commandIn(frame.subarray(1_000, 1_000 + append.length))
    expect(command).toEqual(commandIn(append))
    expect(command.buffer.byteLength).toBe(append.length)
  })

  test('what is encoded stands in memory of its own size, and decoding leaves no mark on its input', () => {
    expect(append.buffer.byteLength).toBe(append.length)
    decodeBond(append)
    expect(Object.keys(append)).toHaveLength(append.length)
  })
})

describe('what is refused', () => {
  const head = (major: number, length: number) => {
    const bytes = new Uint8Array(5)
    bytes[0] = (major << 5) | 26
    new DataView(bytes.buffer).setUint32(1, length)
    return bytes
  }
  const GIB = 1024 * 1024 * 1024

  test.each([
    ['nothing', Uint8Array.of(), 'truncated'],
    ['a byte string of 1 GiB', head(2, GIB), 'truncated'],
    ['a text of 1 GiB', head(3, GIB), 'truncated'],
    ['an array of 1 GiB', head(4, GIB), 'truncated'],
    ['an array of 2^63', Uint8Array.of(0x9b, 0x7f, 255, 255, 255, 255, 255, 255, 255), 'number out of range'],
    ['an array of indefinite length', Uint8Array.of(0x9f, 0x06, 0xff), 'indefinite'],
    ['text of indefinite length', Uint8Array.of(0x81, 0x7f, 0x60, 0xff), 'indefinite'],
    ['a second item behind the message', Uint8Array.of(0x81, 0x06, 0x06), 'something follows'],
    ['a map', cbor({ type: 'Ping' }), 'major type 5'],
    ['a tag', Uint8Array.of(0xc2, 0x41, 0x06), 'major type 6'],
    ['a record of cbor-x', new Encoder({ useRecords: true }).encode({ a: 1 }), 'major type 6'],
    ['a negative number', Uint8Array.of(0x82, 0x04, 0x20), 'major type 1'],
    ['a float', Uint8Array.of(0x82, 0x04, 0xf9, 0, 0), 'simple value 25'],
    ['undefined', Uint8Array.of(0x82, 0x04, 0xf7), 'simple value 23'],
    ['a number beyond 2^53', Uint8Array.of(0x82, 0x04, 0x1b, 0, 0x20, 0, 0, 0, 0, 0, 0), 'number out of range'],
    ['a number in more bytes than it needs', Uint8Array.of(0x82, 0x04, 0x18, 0x17), 'shortest form'],
    ['arrays in arrays', new Uint8Array(100_000).fill(0x81), 'nested too deeply'],
    ['something that is no array', Uint8Array.of(0x04), 'Bond message: not an array'],
    ['an empty array', Uint8Array.of(0x80), 'none has the tag undefined'],
    ['an unknown tag', cbor([99]), 'none has the tag 99'],
    ['a handshake message on a steady bond', encodeHandshake(HANDSHAKE[2]!), 'none has the tag 3'],
    ['a field too few', cbor([4]), 'Ping'],
    ['a field too many', cbor([6, 1]), 'Departure'],
    ['text for a number', cbor([4, '12']), 'Ping: sentMs must be integer'],
    ['a signature one byte short', cbor([7, [new Uint8Array(1), new Uint8Array(63)]]), 'PeerEntryUpdate: entry/1'],
    ['a batch of no message', cbor([9, 1]), 'Raft message: not an array'],
    ['a number for true', cbor([9, [33, 1, 1]]), 'PreVoteResponse: granted must be boolean'],
    ['an entry of a kind unknown', cbor([9, [36, 1, 1, 1, 1, 1, [[9, 1, 1]]]]), 'AppendEntries: entries/0'],
    ['a nonce of control characters', cbor([9, [39, [[2, '\u0007']]]]), 'Propose: proposals/0'],
    ['a nonce that is not UTF-8', Uint8Array.of(0x82, 9, 0x82, 0x18, 39, 0x81, 0x82, 2, 0x61, 0xff), 'Propose'],
  ])('%s', (_, bytes, detail) => {
    expect(refusal(decodeBond, bytes)).toContain(detail)
  })

  test('more entries, bytes or items than the caps allow', () => {
    const noops = Array.from({ length: RAFT_LIMITS.appendEntriesMax + 1 }, () => [0, 1, 1])
    expect(refusal(decodeBond, cbor([9, [36, 1, 1, 1, 1, 1, noops]]))).toContain('AppendEntries: entries')
    const command = new Uint8Array(RAFT_LIMITS.commandBytesMax + 1)
    expect(refusal(decodeEntry, cbor([3, 1, 1, 1, 1, 1, command]))).toContain('Entry')
    const bytes = new Uint8Array(DISCOVERY_LIMITS.entryBytesMax + 1)
    expect(refusal(decodeHandshake, cbor([3, [[bytes, new Uint8Array(64)]]]))).toContain('Peers: bonds/0/0')
    const items = new Uint8Array(3 * 1024 * 1024).fill(0x80)
    items.set(head(4, items.length - 5))
    expect(refusal(decodeBond, items)).toContain('too many items')
  })

  test('random bytes, cut messages and spliced messages end in nothing but InvalidMessage', () => {
    const decoders = [decodeHandshake, decodeBond, decodeDiscovery, decodeEntry]
    const all = (bytes: Uint8Array) => {
      for (const decode of decoders) accepted<unknown>(decode, bytes)
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), all), { numRuns: 3_000 })
    const any = fc.oneof(anyBond.map(encodeBond), anyHandshake.map(encodeHandshake), anyDiscovery.map(encodeDiscovery))
    const splice = fc.tuple(any, any, fc.nat(), fc.nat()).map(([a, b, cut, skip]) => {
      return Uint8Array.from([...a.subarray(0, cut % a.length), ...b.subarray(skip % b.length)])
    })
    fc.assert(fc.property(splice, all), { numRuns: 1_500 })
  })

  test('any plain value in place of a field', () => {
    const field = fc.oneof(fc.anything({ withDate: true }), fc.constantFrom('__proto__', 'constructor'))
    const wire = fc.tuple(fc.nat({ max: 46 }), fc.array(field, { maxLength: 6 }))
    fc.assert(
      fc.property(wire, ([tag, fields]) => {
        const message = encodedOrNothing([tag, ...fields])
        if (!message) return
        for (const decode of [decodeHandshake, decodeBond, decodeDiscovery]) accepted<unknown>(decode, message)
        accepted(decodeBond, Uint8Array.of(0x82, 0x09, ...message))
      }),
    )
  })
})

/** Some of what fast-check thinks of (symbols, odd getters) has no encoding at all. */
function encodedOrNothing(value: unknown): Uint8Array | undefined {
  try {
    return Uint8Array.from(cborOf(value))
  } catch {
    return undefined
  }
}

describe('what would be refused is not sent', () => {
  const refused = (encode: () => unknown) => expect(encode).toThrow(expect.objectContaining({ code: 'InvalidMessage' }))

  test('numbers, ids, bytes and lists out of their bounds', () => {
    const preVote = RAFT[0] as PreVote
    for (const term of [-1, 1.5, Number.NaN, 2 ** 53]) refused(() => encodeRaftBatch([{ ...preVote, term } as PreVote]))
    refused(() => encodeHandshake({ ...HANDSHAKE[0], network: 'abc' } as never))
    refused(() => encodeHandshake({ ...HANDSHAKE[0], network: 'x'.repeat(64) } as never))
    refused(() => encodeHandshake({ ...HANDSHAKE[0], proof: new Uint8Array(31) } as never))
    const commands = (count: number, packed: Uint8Array) => encodeEntry({ ...ENTRIES[3], count, packed } as never)
    const empty = pack([new Uint8Array()])
    refused(() => commands(1, pack([new Uint8Array(RAFT_LIMITS.commandBytesMax + 1)])))
    refused(() => commands(2, empty))
    refused(() => commands(0, new Uint8Array()))
    const tooMany = RAFT_LIMITS.entryCommandsMax + 1
    refused(() => commands(tooMany, pack(new Array<Uint8Array>(tooMany).fill(new Uint8Array()))))
    refused(() => encodeEntry({ ...ENTRIES[2], nonce: 'ü' } as never))
    const entries = Array.from({ length: RAFT_LIMITS.appendEntriesMax + 1 }, () => ENTRIES[0])
    refused(() => encodeRaftBatch([{ ...RAFT[4], entries } as never]))
  })

  test('a failed encoding leaves nothing behind in the next', () => {
    refused(() => encodeHandshake({ ...HANDSHAKE[0], proof: new Uint8Array(31) } as never))
    expect(encodeBond({ type: 'Departure' })).toEqual(Uint8Array.of(0x81, 0x06))
  })
})

describe('types', () => {
  test('a declaration must match its interface, field by field', () => {
    const fields: Fields<PreVote, 'term' | 'lastIndex' | 'lastTerm'> = {
      term: uint(),
      lastIndex: uint(),
      lastTerm: uint(),
    }
    expectTypeOf(message<PreVote>(1, 'PreVote', fields).read).returns.toEqualTypeOf<PreVote>()
    // @ts-expect-error: a field is missing
    message<PreVote>(1, 'PreVote', { term: uint(), lastIndex: uint() })
    // @ts-expect-error: a field too many
    message<PreVote>(1, 'PreVote', { term: uint(), lastIndex: uint(), lastTerm: uint(), granted: boolean() })
    // @ts-expect-error: a field of another type
    message<PreVote>(1, 'PreVote', { term: uint(), lastIndex: uint(), lastTerm: boolean() })
    // @ts-expect-error: another message's name
    message<PreVote>(1, 'RequestVote', fields)
    // @ts-expect-error: messages are missing from the family
    family<RaftMessage>('Raft message', { PreVote: message<PreVote>(1, 'PreVote', fields) })
    expectTypeOf<Message<PreVote>>().not.toEqualTypeOf<Message<RaftMessage>>()
  })
})
