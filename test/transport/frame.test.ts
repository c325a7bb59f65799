import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CloseReason } from '../../src/errors.ts'
import { WIRE } from '../../src/limits.ts'
import { FRAME_PLAINTEXT_BYTES_MAX, FrameReader, FrameWriter } from '../../src/transport/frame.ts'
import type { Lane } from '../../src/transport/transport.ts'

const PROMPT = 0
const BULK = 1
const CONTROL = 2

function frames(writer: FrameWriter): Uint8Array[] {
  const scratch = new Uint8Array(FRAME_PLAINTEXT_BYTES_MAX)
  const all: Uint8Array[] = []
  for (let length = writer.write(scratch); length > 0; length = writer.write(scratch))
    all.push(scratch.slice(0, length))
  return all
}

function read(reader: FrameReader, all: readonly Uint8Array[]): { messages: Uint8Array[]; reason: CloseReason | null } {
  const messages: Uint8Array[] = []
  let reason: CloseReason | null = null
  for (const frame of all) reason = reader.read(frame, messages) ?? reason
  return { messages, reason }
}

function trusting(): FrameReader {
  const reader = new FrameReader()
  reader.messageBytesMax = WIRE.messageBytesMax
  return reader
}

/** A run by hand: lane or control tag, and the bytes of its stream. */
function run(tag: number, ...bytes: number[]): number[] {
  return [tag, bytes.length >>> 8, bytes.length & 255, ...bytes]
}

function prefix(length: number): number[] {
  return [length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255]
}

/** The first byte tells the lane, the next three the place in it, so order shows per lane. */
function stamped(lane: Lane, index: number, size: number): Uint8Array {
  const bytes = new Uint8Array(4 + size).fill(index)
  bytes.set([lane === 'prompt' ? PROMPT : BULK, (index >>> 16) & 255, (index >>> 8) & 255, index & 255])
  return bytes
}

const lanes = fc.constantFrom<Lane>('prompt', 'bulk')
const sizes = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 300 }) },
  { weight: 2, arbitrary: fc.integer({ min: FRAME_PLAINTEXT_BYTES_MAX - 12, max: FRAME_PLAINTEXT_BYTES_MAX + 4 }) },
  { weight: 1, arbitrary: fc.integer({ min: 100_000, max: 300_000 }) },
)

describe('frames', () => {
  it('bring every message back, whole and in order within its lane, whatever the sizes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(lanes, sizes), { maxLength: 60 }), (plan) => {
        const writer = new FrameWriter()
        const sent = plan.map(([lane, size], index) => {
          const message = stamped(lane, index, size)
          writer.push(message, lane)
          return message
        })
        expect(writer.messageBytes).toBe(sent.reduce((sum, { length }) => sum + length, 0))
        const all = frames(writer)
        expect(all.every((frame) => frame.length <= FRAME_PLAINTEXT_BYTES_MAX)).toBe(true)
        expect([writer.messageBytes, writer.idle]).toEqual([0, true])
        const { messages } = read(trusting(), all)
        expect(messages).toHaveLength(sent.length)
        for (const tag of [PROMPT, BULK]) {
          const inLane = (list: readonly Uint8Array[]): Buffer => Buffer.concat(list.filter(([first]) => first === tag))
          expect(Buffer.compare(inLane(messages), inLane(sent))).toBe(0)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('join any cutting of a lane into runs and frames, even inside a length', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 20 })
    const cuts = fc.infiniteStream(fc.record({ size: fc.integer({ min: 1, max: 9 }), newFrame: fc.boolean() }))
    fc.assert(
      fc.property(messages, lanes, cuts, (sent, lane, cutting) => {
        const stream = sent.flatMap((message) => [...prefix(message.length), ...message])
        const all: number[][] = [[]]
        for (let at = 0; at < stream.length; ) {
          const { size, newFrame } = cutting.next().value
          if (newFrame && all.at(-1)!.length > 0) all.push([])
          all.at(-1)!.push(...run(lane === 'prompt' ? PROMPT : BULK, ...stream.slice(at, at + size)))
          at += size
        }
        const joined = read(
          new FrameReader(),
          all.map((frame) => Uint8Array.from(frame)),
        )
        expect(joined.messages.map((m) => [...m])).toEqual(sent.map((m) => [...m]))
      }),
    )
  })

  it('hold many small messages each', () => {
    const writer = new FrameWriter()
    for (let i = 0; i < 300; i++) writer.push(new Uint8Array(200), 'prompt')
    expect(frames(writer)).toHaveLength(1)
  })

  it('put what is prompt ahead of bulk that is under way', () => {
    const writer = new FrameWriter()
    const reader = trusting()
    const scratch = new Uint8Array(FRAME_PLAINTEXT_BYTES_MAX)
    writer.push(stamped('bulk', 1, 500_000), 'bulk')
    const got: Uint8Array[] = []
    reader.read(scratch.slice(0, writer.write(scratch)), got)
    writer.push(stamped('prompt', 2, 10), 'prompt')
    reader.read(scratch.slice(0, writer.write(scratch)), got)
    expect(got.map(([lane]) => lane)).toEqual([PROMPT])
    for (const frame of frames(writer)) reader.read(frame, got)
    expect(got.map(([lane]) => lane)).toEqual([PROMPT, BULK])
  })

  it('end with the close reason, after all that waits', () => {
    const writer = new FrameWriter()
    writer.push(stamped('bulk', 1, 200_000), 'bulk')
    writer.close('Departed')
    writer.push(stamped('prompt', 2, 1), 'prompt')
    expect(writer.idle).toBe(false)
    const { messages, reason } = read(trusting(), frames(writer))
    expect([messages.length, reason]).toEqual([2, 'Departed'])
  })

  it('leave nothing of what was cleared but the close reason', () => {
    const writer = new FrameWriter()
    writer.push(new Uint8Array(100_000), 'bulk')
    writer.clear()
    writer.close('ProtocolViolation')
    expect(read(trusting(), frames(writer))).toEqual({ messages: [], reason: 'ProtocolViolation' })
  })

  it('keep a queue of very many messages in order', () => {
    const writer = new FrameWriter()
    for (let i = 0; i < 50_000; i++) writer.push(stamped('prompt', i, 0), 'prompt')
    const { messages } = read(new FrameReader(), frames(writer))
    const places = messages.map((m) => m[1]! * 65_536 + m[2]! * 256 + m[3]!)
    expect(places).toEqual(Array.from({ length: 50_000 }, (_, i) => i))
  })
})

describe('a length is checked before anything is reserved', () => {
  it.each([
    ['unproven', WIRE.unprovenMessageBytesMax, () => new FrameReader()],
    ['proven', WIRE.messageBytesMax, trusting],
  ])('the cap of a peer that is %s', (_, cap, make) => {
    const frame = (length: number): Uint8Array => Uint8Array.from(run(PROMPT, ...prefix(length)))
    expect(make().read(frame(cap), [])).toBeNull()
    expect(() => make().read(frame(cap + 1), [])).toThrow(/larger than its cap/)
    expect(() => make().read(frame(2 ** 30), [])).toThrow(/larger than its cap/)
    expect(() => make().read(frame(2 ** 32 - 1), [])).toThrow(/larger than its cap/)
  })

  it('and then grows with what arrives: claims alone reserve no more than the unproven cap each', () => {
    const readers = Array.from({ length: 64 }, trusting)
    const before = process.memoryUsage().arrayBuffers
    for (const reader of readers) reader.read(Uint8Array.from(run(BULK, ...prefix(WIRE.messageBytesMax))), [])
    const reserved = process.memoryUsage().arrayBuffers - before
    expect(reserved).toBeLessThan(2 * readers.length * WIRE.unprovenMessageBytesMax)
  })
})

describe('malformed frames are refused', () => {
  it.each<[string, number[]]>([
    ['an empty one', []],
    ['a header cut short', [PROMPT, 0]],
    ['an empty run', run(PROMPT)],
    ['a run longer than its frame', [PROMPT, 0, 5, 1, 2]],
    ['a lane that does not exist', run(3, 1)],
    ['a control run of one byte', run(CONTROL, 1)],
    ['a control run that is not the last', [...run(CONTROL, 16, 4), ...run(PROMPT, 0, 0, 0, 0)]],
  ])('%s', (_, bytes) => {
    expect(() => new FrameReader().read(Uint8Array.from(bytes), [])).toThrow(/does not decode/)
  })

  it('a close code outside the table is UnexpectedClose', () => {
    expect(new FrameReader().read(Uint8Array.from(run(CONTROL, 0, 1)), [])).toBe('UnexpectedClose')
  })

  it('and no bytes at all crash the reader otherwise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          new FrameReader().read(bytes, [])
        } catch (error) {
          expect(error).toMatchObject({ name: 'TesseraError' })
        }
      }),
      { numRuns: 500 },
    )
  })
})
