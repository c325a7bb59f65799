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
import type { Down } from './down.ts'
import type { Lane, Link, Protocol } from './transport.ts'
import type { Wire } from './wire.ts'

/** The WebSocket close code of a link that ended by a reason, which travelled encrypted (RFC 6455 §7.4.1). */
const NORMAL_CLOSURE = 1000
/** What a kept message counts for at least, so that a flood of empty ones is bounded too. */
const KEPT_BYTES_MIN = 64

/** What a link stands on: its connection. */
export interface LinkHost {
  readonly clock: Clock
  readonly wire: Wire
  /** Reached before `wireClosed`. */
  readonly down: Down
  /** Called once, at the first `trust()`. */
  trusted(): void
}

export class ChannelLink implements Link {
  readonly protocol: Protocol
  readonly role: Link['role']
  readonly #host: LinkHost
  readonly #channel: Channel
  #trusted = false
  #flushWaits = false
  #turnWaits = false
  /** Null where nothing waits to be delivered. */
  #arrived: Uint8Array[] | null = null
  #keptBytes = 0
  #messageHandler: ((messages: Uint8Array[]) => void) | null = null
  #closeHandler: ((reason: CloseReason, byPeer: boolean) => void) | null = null
  #end: { readonly reason: CloseReason; readonly byPeer: boolean } | null = null
  #told = false
  #cutTimer: unknown = null

  constructor(host: LinkHost, channel: Channel, { protocol, role }: Pick<Link, 'protocol' | 'role'>) {
    this.#host = host
    this.#channel = channel
    this.protocol = protocol
    this.role = role
  }

  get topic(): Digest | null {
    return this.#channel.topic
  }

  get peer(): PeerId {
    return this.#channel.peer
  }

  get queuedBytes(): number {
    return this.#channel.waitingBytes + this.#host.wire.bufferedBytes
  }

  sharedRandom(label: string): Uint8Array {
    return this.#channel.sharedRandom(label)
  }

  send(message: Uint8Array, lane: Lane = 'prompt'): boolean {
    if (this.#end || !this.#fits(message)) return false
    this.#channel.push(message, lane)
    // So much need not wait for more: the peer takes it up while this turn goes on.
    if (this.#channel.waitingBytes >= WIRE.turnBytesMax) this.#flush()
    else if (!this.#flushWaits) {
      this.#flushWaits = true
      this.#host.clock.endOfTurn(() => this.#flushTurn(), 'last')
    }
    return true
  }

  trust(): void {
    if (this.#trusted) return
    this.#trusted = true
    this.#channel.trust()
    this.#host.trusted()
  }

  onMessages(handler: (messages: Uint8Array[]) => void): void {
    this.#messageHandler = handler
    this.#keptBytes = 0
    if (this.#arrived) this.#turnSoon()
  }

  onClose(handler: (reason: CloseReason, byPeer: boolean) => void): void {
    this.#closeHandler = handler
    if (this.#end) this.#turnSoon()
  }

  close(reason: CloseReason): Promise<void> {
    if (!this.#end) {
      this.#arrived = null
      this.#ended(reason, false)
      this.#channel.pushClose(reason)
      this.#flush()
    }
    return this.#host.down.reached()
  }

  /** From the wire. */
  receive(packet: Uint8Array): void {
    if (this.#end) return
    try {
      const arrived = this.#arrived ?? []
      const before = arrived.length
      const reason = this.#channel.receive(packet, arrived)
      if (!this.#messageHandler) this.#keep(arrived, before)
      if (arrived.length > before) {
        this.#arrived = arrived
        this.#turnSoon()
      }
      if (reason) this.#endedByPeer(reason)
    } catch (error) {
      if (!(error instanceof TesseraError)) throw error
      this.violated()
    }
  }

  /** The peer broke the protocol: what waits for it is not worth sending. */
  violated(): void {
    if (this.#end) return
    this.#channel.discard()
    void this.close('ProtocolViolation')
  }

  /** From the wire: there is room again. */
  drained(): void {
    this.#flush()
  }

  /** From the wire, last. */
  wireClosed(): void {
    if (!this.#end) this.#ended('UnexpectedClose', true)
    this.#host.clock.clearTimeout(this.#cutTimer)
    this.#channel.discard()
  }

  #fits({ length }: Uint8Array): boolean {
    const { waitingMessages } = this.#channel
    return this.queuedBytes + length <= WIRE.linkQueueBytesMax && waitingMessages < WIRE.linkQueueMessagesMax
  }

  /** Bounds what is held for a handler that is not there yet. */
  #keep(arrived: readonly Uint8Array[], from: number): void {
    for (let i = from; i < arrived.length; i++) this.#keptBytes += Math.max(arrived[i]!.length, KEPT_BYTES_MIN)
    if (this.#keptBytes > WIRE.unprovenMessageBytesMax) throw new TesseraError('MessageTooLarge')
  }

  #endedByPeer(reason: CloseReason): void {
    this.#ended(reason, true)
    this.#channel.discard()
    this.#host.wire.close(NORMAL_CLOSURE)
  }

  #ended(reason: CloseReason, byPeer: boolean): void {
    const { clock, wire, down } = this.#host
    this.#end = { reason, byPeer }
    this.#turnSoon()
    this.#cutTimer = down.isReached ? null : clock.setTimeout(() => wire.cut(), WIRE.closeTimeoutMs)
  }

  #flushTurn(): void {
    this.#flushWaits = false
    this.#flush()
  }

  /** Seals and sends what has room; the rest stays in its lanes until the wire has drained. */
  #flush(): void {
    const { wire, down } = this.#host
    if (down.isReached) return
    wire.cork()
    while (wire.bufferedBytes < WIRE.socketBytesMax) {
      const packet = this.#channel.nextPacket()
      if (!packet) break
      wire.send(packet)
    }
    wire.uncork()
    if (this.#end && this.#channel.idle) wire.close(NORMAL_CLOSURE)
  }

  #turnSoon(): void {
    if (this.#turnWaits) return
    this.#turnWaits = true
    this.#host.clock.endOfTurn(() => this.#turn())
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
    const messages = this.#arrived
    if (!this.#messageHandler || !messages) return
    this.#arrived = null
    this.#messageHandler(messages)
  }

  #tellEnd(): void {
    if (this.#end && this.#closeHandler && !this.#told) {
      this.#told = true
      this.#closeHandler(this.#end.reason, this.#end.byPeer)
    }
  }
}
