/**
 * Frames: how messages are cut into pieces of at most one Noise message, and joined again. Pure: bytes in, bytes out.
 *
 * Each lane is a stream of `length (4 bytes, big-endian) | message`. A frame is one or more runs `lane (1) | length (2) | bytes`,
 * each a piece of one lane's stream, so many small messages share a frame, a large one spans several, and what is prompt
 * goes ahead of bulk at each new frame. The last run of a link may be the control run: the close reason, 2 bytes.
 *
 * Invariants: a message's length is checked against the cap before a byte is reserved for it, and what is reserved grows with what has
 * arrived, never with what was claimed. A joined message that lay within one frame is a view of it, not a copy.
 */
import { CLOSE_CODES, type CloseReason, closeReasonOf, TesseraError } from '../errors.ts'
import { WIRE } from '../limits.ts'
import type { Lane } from './transport.ts'

/** The Poly1305 tag of each frame comes out of its size. */
export const FRAME_PLAINTEXT_BYTES_MAX = WIRE.frameBytesMax - 16

const RUN_HEADER_BYTES = 3
const PREFIX_BYTES = 4
const LANE_TAG: Record<Lane, number> = { prompt: 0, bulk: 1 }
const CONTROL_TAG = 2
/** Consumed places of a lane's queue are given back in steps of this many. */
const COMPACT_AFTER = 4_096
const EMPTY = new Uint8Array(0)

/** One lane's messages that wait to be cut, and how far the first has been. Mutable, owned by one `FrameWriter`. */
class LaneQueue {
  #messages: Uint8Array[] = []
  #head = 0
  /** Bytes of the first message's prefix and body that are already in frames. */
  #offset = 0
  /** Of stream: prefixes and bodies. */
  streamBytes = 0
  /** Of bodies: what a caller counts. */
  messageBytes = 0

  get messages(): number {
    return this.#messages.length - this.#head
  }

  push(message: Uint8Array): void {
    this.#messages.push(message)
    this.streamBytes += PREFIX_BYTES + message.length
    this.messageBytes += message.length
  }

  /** Writes exactly `count` bytes of the stream. */
  drain(into: Uint8Array, start: number, count: number): void {
    let at = start
    const end = start + count
    while (at < end) {
      const message = this.#messages[this.#head]!
      if (this.#offset < PREFIX_BYTES) at = this.#drainPrefix(message.length, into, at, end)
      if (this.#offset < PREFIX_BYTES) break
      const from = this.#offset - PREFIX_BYTES
      const size = Math.min(message.length - from, end - at)
      into.set(size === message.length ? message : message.subarray(from, from + size), at)
      at += size
      this.#offset += size
      this.messageBytes -= size
      if (from + size === message.length) this.#shift()
    }
    this.streamBytes -= count
  }

  #drainPrefix(length: number, into: Uint8Array, start: number, end: number): number {
    let at = start
    while (this.#offset < PREFIX_BYTES && at < end) into[at++] = length >>> (24 - 8 * this.#offset++)
    return at
  }

  #shift(): void {
    this.#messages[this.#head++] = EMPTY
    this.#offset = 0
    if (this.#head === this.#messages.length) {
      this.#messages.length = 0
      this.#head = 0
    } else if (this.#head >= COMPACT_AFTER) {
      this.#messages = this.#messages.slice(this.#head)
      this.#head = 0
    }
  }
}

/** Cuts what waits into frames. A lane has a queue while something waits in it: most of the time, nothing does. */
export class FrameWriter {
  #prompt: LaneQueue | null = null
  #bulk: LaneQueue | null = null
  #closing: CloseReason | null = null

  /** Bytes of messages that wait. */
  get messageBytes(): number {
    return (this.#prompt?.messageBytes ?? 0) + (this.#bulk?.messageBytes ?? 0)
  }

  /** How many messages wait. */
  get messages(): number {
    return (this.#prompt?.messages ?? 0) + (this.#bulk?.messages ?? 0)
  }

  get idle(): boolean {
    return this.#closing === null && this.#prompt === null && this.#bulk === null
  }

  push(message: Uint8Array, lane: Lane): void {
    if (lane === 'prompt') {
      this.#prompt ??= new LaneQueue()
      this.#prompt.push(message)
    } else {
      this.#bulk ??= new LaneQueue()
      this.#bulk.push(message)
    }
  }

  /** The control run follows everything that waits now. */
  close(reason: CloseReason): void {
    this.#closing = reason
  }

  clear(): void {
    this.#prompt = null
    this.#bulk = null
  }

  /** Writes the next frame and returns its length; 0 where nothing waits. */
  write(into: Uint8Array): number {
    let at = 0
    if (this.#prompt) {
      at = run(this.#prompt, LANE_TAG.prompt, into, at)
      if (this.#prompt.streamBytes === 0) this.#prompt = null
    }
    if (this.#bulk) {
      at = run(this.#bulk, LANE_TAG.bulk, into, at)
      if (this.#bulk.streamBytes === 0) this.#bulk = null
    }
    const isEmpty = this.#prompt === null && this.#bulk === null
    if (this.#closing && isEmpty && at + RUN_HEADER_BYTES + 2 <= FRAME_PLAINTEXT_BYTES_MAX) {
      const code = CLOSE_CODES[this.#closing]
      header(into, at, CONTROL_TAG, 2)
      into[at + 3] = code >>> 8
      into[at + 4] = code
      at += RUN_HEADER_BYTES + 2
      this.#closing = null
    }
    return at
  }
}

/** One run of that lane, as much as there is and has room. */
function run(queue: LaneQueue, tag: number, into: Uint8Array, at: number): number {
  const room = FRAME_PLAINTEXT_BYTES_MAX - at - RUN_HEADER_BYTES
  const size = Math.min(queue.streamBytes, room)
  if (size <= 0) return at
  header(into, at, tag, size)
  queue.drain(into, at + RUN_HEADER_BYTES, size)
  return at + RUN_HEADER_BYTES + size
}

function header(into: Uint8Array, at: number, tag: number, size: number): void {
  into[at] = tag
  into[at + 1] = size >>> 8
  into[at + 2] = size
}

/** A message that goes on in the next run of its lane: its prefix, then as much of it as was reserved. Mutable, owned by one `FrameReader`. */
class Partial {
  #prefixSeen = 0
  #length = 0
  /** Null until the prefix is whole. */
  #body: Uint8Array | null = null
  #filled = 0

  /** The message, once it is whole. */
  get message(): Uint8Array | null {
    return this.#body && this.#filled === this.#length ? this.#body : null
  }

  /** Takes what belongs to this message; returns where the next one begins. */
  take(bytes: Uint8Array, start: number, end: number, messageBytesMax: number): number {
    let at = start
    while (this.#prefixSeen < PREFIX_BYTES && at < end) {
      this.#length = this.#length * 256 + bytes[at++]!
      this.#prefixSeen++
    }
    if (this.#prefixSeen < PREFIX_BYTES) return at
    if (this.#body === null) {
      checkLength(this.#length, messageBytesMax)
      this.#body = new Uint8Array(Math.min(this.#length, WIRE.unprovenMessageBytesMax))
    }
    while (at < end && this.#filled < this.#length) at = this.#fill(this.#body, bytes, at, end)
    return at
  }

  #fill(body: Uint8Array, bytes: Uint8Array, at: number, end: number): number {
    const target = this.#filled < body.length ? body : this.#grown(body)
    const size = Math.min(end - at, target.length - this.#filled)
    target.set(bytes.subarray(at, at + size), this.#filled)
    this.#filled += size
    return at + size
  }

  /** Twice as much as has arrived, so what is reserved stays in proportion to what the peer really sent. */
  #grown(body: Uint8Array): Uint8Array {
    const larger = new Uint8Array(Math.min(this.#length, body.length * 2))
    larger.set(body)
    this.#body = larger
    return larger
  }
}

function checkLength(length: number, messageBytesMax: number): void {
  if (length <= messageBytesMax) return
  throw new TesseraError('MessageTooLarge', { detail: `${length} bytes claimed, ${messageBytesMax} allowed.` })
}

/**
 * Appends the messages of one run of a lane, of which `partial` began before; returns the one that goes on in the next. A message that lies
 * within the run leaves no state behind.
 */
function join(
  partial: Partial | null,
  bytes: Uint8Array,
  start: number,
  end: number,
  messageBytesMax: number,
  out: Uint8Array[],
): Partial | null {
  let at = start
  if (partial) {
    at = partial.take(bytes, at, end, messageBytesMax)
    const { message } = partial
    if (message === null) return partial
    out.push(message)
  }
  while (at < end) {
    const from = at + PREFIX_BYTES
    const length = from <= end ? prefixAt(bytes, at) : 0
    if (from <= end) checkLength(length, messageBytesMax)
    if (from > end || length > end - from) {
      const next = new Partial()
      next.take(bytes, at, end, messageBytesMax)
      return next
    }
    out.push(new Uint8Array(bytes.buffer, bytes.byteOffset + from, length))
    at = from + length
  }
  return null
}

function prefixAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

/** Joins frames to messages. After an error the link must be closed. */
export class FrameReader {
  #prompt: Partial | null = null
  #bulk: Partial | null = null
  /** The cap on one message; raised when the peer is proven. */
  messageBytesMax: number = WIRE.unprovenMessageBytesMax

  /** Appends the messages that this frame completes; returns the close reason where the frame brings one. */
  read(frame: Uint8Array, out: Uint8Array[]): CloseReason | null {
    if (frame.length === 0) throw malformed('An empty frame.')
    let at = 0
    while (at < frame.length) {
      if (frame.length - at < RUN_HEADER_BYTES) throw malformed('A run header cut short.')
      const tag = frame[at]!
      const size = frame[at + 1]! * 256 + frame[at + 2]!
      const start = at + RUN_HEADER_BYTES
      const end = start + size
      if (size === 0 || end > frame.length) throw malformed('A run that is empty or longer than its frame.')
      if (tag === CONTROL_TAG) return closeReasonAt(frame, start, end)
      if (tag === LANE_TAG.prompt) this.#prompt = join(this.#prompt, frame, start, end, this.messageBytesMax, out)
      else if (tag === LANE_TAG.bulk) this.#bulk = join(this.#bulk, frame, start, end, this.messageBytesMax, out)
      else throw malformed(`Lane ${tag} does not exist.`)
      at = end
    }
    return null
  }
}

/** The control run is the last of the last frame. */
function closeReasonAt(frame: Uint8Array, start: number, end: number): CloseReason {
  if (end - start !== 2 || end !== frame.length) throw malformed('A control run of the wrong form.')
  return closeReasonOf(frame[start]! * 256 + frame[start + 1]!)
}

function malformed(detail: string): TesseraError {
  return new TesseraError('InvalidMessage', { detail })
}
