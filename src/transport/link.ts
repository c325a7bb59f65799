/**
 * A link over any wire: the channel bound to a wire and a clock. Transports share it whole.
 *
 * Lifecycle: open -> ended (a first reason is fixed: ours, the peer's, or `UnexpectedClose`) -> down (the wire is gone). Both handlers are
 * called at the end of a turn, never in the stack of a caller; what arrived before the peer's reason is delivered before it. After
 * our own `close` nothing more is delivered. No end takes longer than `WIRE.closeTimeoutMs`: then the wire is cut.
 */
import type { Clock } from '../clock.ts'
import { type CloseReason, TesseraError } from '../errors.ts'
import type { Digest } from '../identity/digest.ts'
import type { PeerId } from '../identity/keys.ts'
import { WIRE } from '../limits.ts'
import type { Channel } from './channel.ts'
import { Down } from './down.ts'
import type { Lane, Link, Protocol } from './transport.ts'
import type { Wire } from './wire.ts'

/** The WebSocket close code of a link that ended by a reason, which travelled encrypted (RFC 6455 §7.4.1). */
const NORMAL_CLOSURE = 1000
/** What a kept message counts for at least, so that a flood of empty ones is bounded too. */
const KEPT_BYTES_MIN = 64

export interface LinkDeps {
  readonly wire: Wire
  readonly channel: Channel
  readonly clock: Clock
  readonly protocol: Protocol
  readonly role: Link['role']
  /** Called once, at the first `trust()`. */
  readonly onTrusted: () => void
}

export class ChannelLink implements Link {
  readonly #deps: LinkDeps
  readonly #down = new Down()
  #trusted = false
  #flushWaits = false
  #turnWaits = false
  #arrived: Uint8Array[] = []
  #keptBytes = 0
  #messageHandler: ((messages: Uint8Array[]) => void) | null = null
  #closeHandler: ((reason: CloseReason, byPeer: boolean) => void) | null = null
  #end: { readonly reason: CloseReason; readonly byPeer: boolean } | null = null
  #told = false
  #cutTimer: unknown = null

  constructor(deps: LinkDeps) {
    this.#deps = deps
  }

  get protocol(): Protocol {
    return this.#deps.protocol
  }

  get role(): Link['role'] {
    return this.#deps.role
  }

  get topic(): Digest | null {
    return this.#deps.channel.topic
  }

  get peer(): PeerId {
    return this.#deps.channel.peer
  }

  get queuedBytes(): number {
    return this.#deps.channel.waitingBytes + this.#deps.wire.bufferedBytes
  }

  sharedRandom(label: string): Uint8Array {
    return this.#deps.channel.sharedRandom(label)
  }

  send(message: Uint8Array, lane: Lane = 'prompt'): boolean {
    if (this.#end || !this.#fits(message)) return false
    this.#deps.channel.push(message, lane)
    // So much need not wait for more: the peer takes it up while this turn goes on.
    if (this.#deps.channel.waitingBytes >= WIRE.turnBytesMax) this.#flush()
    else if (!this.#flushWaits) {
      this.#flushWaits = true
      this.#deps.clock.endOfTurn(() => this.#flushTurn(), 'last')
    }
    return true
  }

  trust(): void {
    if (this.#trusted) return
    this.#trusted = true
    this.#deps.channel.trust()
    this.#deps.onTrusted()
  }

  onMessages(handler: (messages: Uint8Array[]) => void): void {
    this.#messageHandler = handler
    this.#keptBytes = 0
    if (this.#arrived.length > 0) this.#turnSoon()
  }

  onClose(handler: (reason: CloseReason, byPeer: boolean) => void): void {
    this.#closeHandler = handler
    if (this.#end) this.#turnSoon()
  }

  close(reason: CloseReason): Promise<void> {
    if (!this.#end) {
      this.#arrived = []
      this.#ended(reason, false)
      this.#deps.channel.pushClose(reason)
      this.#flush()
    }
    return this.#down.reached()
  }

  /** From the wire. */
  receive(packet: Uint8Array): void {
    if (this.#end) return
    try {
      const before = this.#arrived.length
      const reason = this.#deps.channel.receive(packet, this.#arrived)
      if (!this.#messageHandler) this.#keep(before)
      if (this.#arrived.length > before) this.#turnSoon()
      if (reason) this.#endedByPeer(reason)
    } catch (error) {
      if (!(error instanceof TesseraError)) throw error
      this.violated()
    }
  }

  /** The peer broke the protocol: what waits for it is not worth sending. */
  violated(): void {
    if (this.#end) return
    this.#deps.channel.discard()
    void this.close('ProtocolViolation')
  }

  /** From the wire: there is room again. */
  drained(): void {
    this.#flush()
  }

  /** From the wire, last. */
  wireClosed(): void {
    this.#down.reach()
    if (!this.#end) this.#ended('UnexpectedClose', true)
    this.#deps.clock.clearTimeout(this.#cutTimer)
    this.#deps.channel.discard()
  }

  #fits({ length }: Uint8Array): boolean {
    const { waitingMessages } = this.#deps.channel
    return this.queuedBytes + length <= WIRE.linkQueueBytesMax && waitingMessages < WIRE.linkQueueMessagesMax
  }

  /** Bounds what is held for a handler that is not there yet. */
  #keep(from: number): void {
    for (let i = from; i < this.#arrived.length; i++) {
      this.#keptBytes += Math.max(this.#arrived[i]!.length, KEPT_BYTES_MIN)
    }
    if (this.#keptBytes > WIRE.unprovenMessageBytesMax) throw new TesseraError('MessageTooLarge')
  }

  #endedByPeer(reason: CloseReason): void {
    this.#ended(reason, true)
    this.#deps.channel.discard()
    this.#deps.wire.close(NORMAL_CLOSURE)
  }

  #ended(reason: CloseReason, byPeer: boolean): void {
    const { clock, wire } = this.#deps
    this.#end = { reason, byPeer }
    this.#turnSoon()
    this.#cutTimer = this.#down.isReached ? null : clock.setTimeout(() => wire.cut(), WIRE.closeTimeoutMs)
  }

  #flushTurn(): void {
    this.#flushWaits = false
    this.#flush()
  }

  /** Seals and sends what has room; the rest stays in its lanes until the wire has drained. */
  #flush(): void {
    if (this.#down.isReached) return
    const { wire, channel } = this.#deps
    wire.cork()
    while (wire.bufferedBytes < WIRE.socketBytesMax) {
      const packet = channel.nextPacket()
      if (!packet) break
      wire.send(packet)
    }
    wire.uncork()
    if (this.#end && channel.idle) wire.close(NORMAL_CLOSURE)
  }

  #turnSoon(): void {
    if (this.#turnWaits) return
    this.#turnWaits = true
    this.#deps.clock.endOfTurn(() => this.#turn())
  }

  #turn(): void {
    this.#turnWaits = false
    try {
      this.#deliver()
    } finally {
      this.#tellEnd()
    }
  }

  #deliver(): void {
    if (!this.#messageHandler || this.#arrived.length === 0) return
    const messages = this.#arrived
    this.#arrived = []
    this.#messageHandler(messages)
  }

  #tellEnd(): void {
    if (this.#end && this.#closeHandler && !this.#told) {
      this.#told = true
      this.#closeHandler(this.#end.reason, this.#end.byPeer)
    }
  }
}
