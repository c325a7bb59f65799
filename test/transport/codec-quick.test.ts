/** The quick ways of the codec: whatever they take, the general ways take, and to the same; and what matters, they do take. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TesseraError } from '../../src/errors.ts'
import { RAFT as RAFT_LIMITS } from '../../src/limits.ts'
import type { AppendEntries, AppendEntriesResponse, Propose } from '../../src/machines/raft/messages.ts'
import { decodeGeneral, encodeGeneral, readMessage } from '../../src/transport/cbor.ts'
import { NOT_PLAIN, readPlain } from '../../src/transport/cbor-plain.ts'
import { type Place, sizeOf } from '../../src/transport/cbor-writer.ts'
import { encodeCommand, encodeRaftBatch, encodeValue } from '../../src/transport/codec.ts'
import { readCommands } from '../../src/transport/codec-commands.ts'
import { raftMessages } from '../../src/transport/codec-raft.ts'
import { Packing, pack, placesIn } from '../../src/transport/packed.ts'
import { anyBond, anyEntry } from './codec-samples.ts'
import { unpack } from './unpack.ts'

/** What the general way makes of a batch; undefined where it refuses. */
function general(bytes: Uint8Array): unknown {
  try {
    const [tag, ...messages] = readMessage(bytes) as [number, ...unknown[]]
    return tag === 9 ? { type: 'Raft', messages: messages.map(raftMessages.read) } : undefined
  } catch (error) {
    if (error instanceof TesseraError && error.code === 'InvalidMessage') return undefined
    throw error
  }
}

const number = fc.oneof(fc.nat({ max: 30 }), fc.nat({ max: 70_000 }), fc.maxSafeNat())
const bytes = fc.uint8Array({ maxLength: 300 })
const order = { session: number, sequence: number, acknowledged: number }
const plainObject = { noNullPrototype: true } as const
const packed = fc
  .array(bytes, { minLength: 1, maxLength: 5 })
  .map((commands) => ({ count: commands.length, packed: pack(commands) }))
const commands = fc
  .tuple(
    fc.record({ kind: fc.constant('commands' as const), term: number, timeMs: number, ...order }, plainObject),
    packed,
  )
  .map(([entry, more]) => ({ ...entry, ...more }))
const places = { term: number, prevIndex: number, prevTerm: number, commit: number, round: number }
const append = fc
  .record({ type: fc.constant('AppendEntries' as const), ...places, entries: fc.array(commands) }, plainObject)
  .map((message) => message as unknown as AppendEntries)
const propose = fc
  .array(
    fc
      .tuple(fc.record({ kind: fc.constant('commands' as const), ...order }, plainObject), packed)
      .map(([proposal, more]) => ({ ...proposal, ...more })),
  )
  .map((proposals): Propose => ({ type: 'Propose', proposals }))

const appended = fc
  .record(
    { type: fc.constant('AppendEntriesResponse' as const), term: number, matchIndex: number, round: number },
    plainObject,
  )
  .map((message) => message as unknown as AppendEntriesResponse)

describe('commands, read in one pass', () => {
  test.each([
    ['AppendEntriesResponse', appended],
    ['AppendEntries', append],
    ['Propose', propose],
  ] as const)('%s of commands alone takes the quick way, to the same', (_, any) => {
    fc.assert(
      fc.property(any, (message) => {
        const encoded = encodeRaftBatch([message])
        expect(readCommands(encoded)).toStrictEqual({ type: 'Raft', messages: [message] })
        expect(general(encoded)).toStrictEqual({ type: 'Raft', messages: [message] })
      }),
    )
  })

  test('every other message, and every other entry, takes the general way', () => {
    fc.assert(
      fc.property(anyBond, (message) => {
        const isQuick = (each: { type: string }) =>
          ['AppendEntries', 'AppendEntriesResponse', 'Propose'].includes(each.type)
        fc.pre(message.type !== 'Raft' || !message.messages.some(isQuick))
        if (message.type === 'Raft') expect(readCommands(encodeRaftBatch(message.messages))).toBeNull()
      }),
    )
    fc.assert(
      fc.property(anyEntry, append, (entry, message) => {
        fc.pre(entry.kind !== 'commands')
        expect(readCommands(encodeRaftBatch([{ ...message, entries: [...message.entries, entry] }]))).toBeNull()
      }),
    )
  })

  test('what was damaged, cut or added to is read as the general way reads it, or left to it', () => {
    let taken = 0
    const damaged = (encoded: Uint8Array, at: number, byte: number, cut: number) => {
      const result = Uint8Array.from([...encoded, ...new Array<number>(cut % 3).fill(0)])
      result[at % result.length] = byte
      return cut % 7 === 6 ? result.subarray(0, at % result.length) : result
    }
    fc.assert(
      fc.property(
        fc.oneof(append, appended, propose),
        fc.nat(),
        fc.nat({ max: 255 }),
        fc.nat(),
        (message, at, byte, cut) => {
          const bad = damaged(encodeRaftBatch([message]), at, byte, cut)
          const quick = readCommands(bad)
          if (quick === null) return
          taken++
          expect(general(bad)).toStrictEqual(quick)
        },
      ),
      { numRuns: 3_000 },
    )
    expect(taken).toBeGreaterThan(100)
  })

  test('more entries than an AppendEntries may have are left to the general way, which refuses them', () => {
    const one = {
      kind: 'commands',
      term: 1,
      timeMs: 1,
      session: 1,
      sequence: 1,
      acknowledged: 0,
      count: 1,
      packed: pack([new Uint8Array(0)]),
    }
    const head = encodeRaftBatch([
      { type: 'AppendEntries', term: 1, prevIndex: 1, prevTerm: 1, commit: 1, round: 1, entries: [one] } as never,
    ])
    const entry = head.subarray(head.length - 9)
    const many = RAFT_LIMITS.appendEntriesMax + 1
    const parts = [head.subarray(0, head.length - 10), Uint8Array.of(0x99, many >> 8, many & 255)]
    const flood = Buffer.concat([...parts, ...new Array<Uint8Array>(many).fill(entry)])
    expect(readCommands(new Uint8Array(flood))).toBeNull()
    expect(general(new Uint8Array(flood))).toBeUndefined()
  })
})

describe('plain values, read and written in one walk', () => {
  const plain = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, undefined, true, false),
      fc.integer(),
      fc.double(),
      fc.string(),
      fc.uint8Array({ maxLength: 80 }),
      fc.array(tie('value'), { maxLength: 5 }),
      fc
        .dictionary(
          fc.string({ maxLength: 40 }).filter((key) => key !== '__proto__'),
          tie('value'),
          { maxKeys: 5 },
        )
        .map((object) => ({ ...object })),
    ),
  })).value

  test('come back as the general way brings them back', () => {
    fc.assert(
      fc.property(plain, (value) => {
        const encoded = encodeValue(value)
        const read = readPlain(encoded)
        expect(read).not.toBe(NOT_PLAIN)
        expect(read).toStrictEqual(decodeGeneral(encoded))
        expect(read).toStrictEqual(decodeGeneral(encodeGeneral(value)))
        expect(commandAt(encodeCommand(value))).toStrictEqual(encoded)
      }),
    )
  })

  test('bytes that the quick way takes, the general way takes, and to the same', () => {
    let taken = 0
    const same = (bad: Uint8Array) => {
      const quick = readPlain(bad)
      if (quick === NOT_PLAIN) return
      taken++
      expect(decodeGeneral(bad)).toStrictEqual(quick)
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), same), { numRuns: 3_000 })
    fc.assert(
      fc.property(plain.map(encodeValue), fc.nat(), fc.nat({ max: 255 }), (encoded, at, byte) => {
        encoded[at % encoded.length] = byte
        same(encoded)
      }),
      { numRuns: 3_000 },
    )
    expect(taken).toBeGreaterThan(1_000)
  })

  test.each([
    ['text that is not ASCII', 'ü'],
    ['a Date', new Date(0)],
    ['a Map', new Map([[1, 2]])],
    ['a bigint', 1n],
    ['nesting beyond the quick way', Array.from({ length: 60 }).reduce((inner) => [inner], 1 as unknown)],
  ])('%s takes the general way', (_, value) => {
    expect(encodeValue(value)).toEqual(encodeGeneral(value))
    expect(readPlain(encodeValue(value))).toBe(NOT_PLAIN)
  })

  test('an instance of a class is written by the general way, as the plain object of its own properties', () => {
    const instance = Object.assign(Object.create({ inherited: 1 }) as object, { own: 1 })
    expect(encodeValue(instance)).toEqual(encodeGeneral(instance))
    expect(readPlain(encodeValue(instance))).toEqual({ own: 1 })
  })

  test('a getter that encodes another value disturbs neither', () => {
    let inner: Uint8Array | undefined
    const value = {
      before: 1,
      get inside() {
        inner = encodeValue({ other: 'value' })
        return 2
      },
    }
    expect(decodeGeneral(encodeValue(value))).toEqual({ before: 1, inside: 2 })
    expect(decodeGeneral(inner!)).toEqual({ other: 'value' })
  })
})

/** What stands there and there as one piece. */
function gather(places: readonly Place[]): Uint8Array {
  const packing = new Packing()
  for (const place of places) packing.add(place)
  return packing.packed
}

/** A command that was encoded to stand there. */
const commandAt = (place: Place) => unpack(gather([place]))[0]!

describe('commands share memory with their neighbours', () => {
  test('small ones stand in one block, and none is written over', () => {
    const values = Array.from({ length: 3_000 }, (_, i) => ({ i, text: 'x'.repeat(i % 50) }))
    const encoded = values.map(encodeCommand)
    expect(new Set(encoded.map(({ block }) => block)).size).toBeLessThan(10)
    expect(encoded.map((place) => decodeGeneral(commandAt(place)))).toEqual(values)
  })

  test('many become one without a copy while they stand behind each other, and with one where they do not', () => {
    const values = Array.from({ length: 3_000 }, (_, i) => ({ i, text: 'x'.repeat(i % 50) }))
    const encoded = values.map(encodeCommand)
    const blocks = [...new Set(encoded.map(({ block }) => block))]
    const ofFirst = encoded.filter(({ block }) => block === blocks[0])
    expect(gather(ofFirst).buffer).toBe(blocks[0]!.buffer)
    expect(unpack(gather(encoded)).map(decodeGeneral)).toEqual(values)
    expect(unpack(gather([encoded[2]!, encoded[0]!])).map(decodeGeneral)).toEqual([values[2], values[0]])
    expect(placesIn(gather(encoded.slice(0, 2)), 2)).toEqual([
      0,
      sizeOf(encoded[0]!),
      sizeOf(encoded[0]!) + sizeOf(encoded[1]!),
    ])
  })

  test('a large one has memory of its own, before and after', () => {
    const large = encodeCommand(new Uint8Array(100_000).fill(1))
    expect(large.block.buffer.byteLength).toBe(large.end - large.start)
    const small = encodeCommand('small')
    expect(small.block.buffer.byteLength).toBeLessThan(100_000)
    expect(decodeGeneral(commandAt(small))).toBe('small')
  })
})
