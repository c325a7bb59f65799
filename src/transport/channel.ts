/**
 * The channel: a session with frames, lanes and caps on top. Sans I/O, and the part that all transports share: packets in, messages
 * out, messages in, packets out. One frame is one packet is one Noise message.
 *
 * Invariants: nothing is sealed before it can leave, so what is prompt still overtakes bulk that waits; one packet costs one AEAD
 * call and one copy of its messages.
 */
import type { CloseReason } from '../errors.ts'
import type { Digest } from '../identity/digest.ts'
import type { PeerId } from '../identity/keys.ts'
import { WIRE } from '../limits.ts'
import { FRAME_PLAINTEXT_BYTES_MAX, FrameReader, FrameWriter } from './frame.ts'
import type { Session } from './handshake.ts'
import type { Lane } from './transport.ts'

/** Frames are built here and sealed from here, one at a time; no session keeps a reference. */
const scratch = new Uint8Array(FRAME_PLAINTEXT_BYTES_MAX)

export class Channel {
  readonly #session: Session
  readonly #writer = new FrameWriter()
  readonly #reader = new FrameReader()

  constructor(session: Session) {
    this.#session = session
  }

  get peer(): PeerId {
    return this.#session.peer
  }

  get topic(): Digest | null {
    return this.#session.topic
  }

  /** Nothing waits, not even the close reason. */
  get idle(): boolean {
    return this.#writer.idle
  }

  /** Bytes of messages that wait to be sealed. */
  get waitingBytes(): number {
    return this.#writer.messageBytes
  }

  /** How many messages wait to be sealed. */
  get waitingMessages(): number {
    return this.#writer.messages
  }

  sharedRandom(label: string): Uint8Array {
    return this.#session.sharedRandom(label)
  }

  trust(): void {
    this.#reader.messageBytesMax = WIRE.messageBytesMax
  }

  push(message: Uint8Array, lane: Lane): void {
    this.#writer.push(message, lane)
  }

  /** After all that waits, the reason. */
  pushClose(reason: CloseReason): void {
    this.#writer.close(reason)
  }

  /** Forgets what waits. */
  discard(): void {
    this.#writer.clear()
  }

  /** The next packet, or null where nothing waits. */
  nextPacket(): Uint8Array | null {
    const length = this.#writer.write(scratch)
    return length === 0 ? null : this.#session.seal(scratch.subarray(0, length))
  }

  /** Appends the messages the packet completes; returns the peer's close reason where it brings one. Throws on any violation. */
  receive(packet: Uint8Array, out: Uint8Array[]): CloseReason | null {
    return this.#reader.read(this.#session.open(packet), out)
  }
}
