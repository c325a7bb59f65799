/**
 * One connection from its first packet to its last: it drives the handshake under deadlines, then hands over a link and passes
 * the wire's news on to it. A connection that fails before it has a link leaves nothing behind.
 *
 * Lifecycle: connecting -> handshake -> open (a link exists) | failed -> down. A failed acceptor says why in the clear, as the code with
 * which the wire closes: there is no channel yet to say it in, and no peer of ours acts on it.
 */
import type { Clock } from '../clock.ts'
import { CLOSE_CODES, type CloseReason, TesseraError } from '../errors.ts'
import { WIRE } from '../limits.ts'
import { Channel } from './channel.ts'
import { Down } from './down.ts'
import type { Handshake } from './handshake.ts'
import { ChannelLink, type LinkHost } from './link.ts'
import type { Wire, WireEvents } from './wire.ts'

/** Whose a connection is. */
export interface ConnectionOwner {
  readonly clock: Clock
  /** The wire is gone; called once, last. */
  ended(connection: Connection): void
}

/** Who waits for the link; one of the two is called, once. */
export interface Opening {
  readonly onOpen: (link: ChannelLink) => void
  /** Before there was a link. */
  readonly onFailed: (error: TesseraError) => void
}

export class Connection implements WireEvents, LinkHost {
  readonly down = new Down()
  readonly #owner: ConnectionOwner
  /** Gives back the slot that an unproven peer holds; null where it holds none. */
  #release: (() => void) | null
  /** Null once it is over: its keys are of no more use. */
  #handshake: Handshake | null
  /** Null once it has been told. */
  #opening: Opening | null
  #wire: Wire | null = null
  #link: ChannelLink | null = null
  #failed = false
  #timer: unknown

  constructor(handshake: Handshake, owner: ConnectionOwner, release: (() => void) | null, opening: Opening) {
    this.#handshake = handshake
    this.#owner = owner
    this.#release = release
    this.#opening = opening
    this.#timer = owner.clock.setTimeout(() => this.#timedOut('connect'), WIRE.dialTimeoutMs)
  }

  get clock(): Clock {
    return this.#owner.clock
  }

  get wire(): Wire {
    return this.#wire as Wire
  }

  /** From the link. */
  trusted(): void {
    this.#release?.()
    this.#release = null
  }

  /** Called once, before any news of the wire. */
  attach(wire: Wire): void {
    this.#wire = wire
  }

  /** Ends the connection in whatever state it is. Resolves when it is down. */
  close(reason: CloseReason): Promise<void> {
    if (this.#link) return this.#link.close(reason)
    this.fail(new TesseraError('DialFailed', { detail: 'This endpoint was closed.' }), reason)
    return this.down.reached()
  }

  /** Gives up before there is a link; afterwards it does nothing. */
  fail(error: TesseraError, reason: CloseReason): void {
    if (this.#link || this.#failed) return
    this.#failed = true
    this.#handshake = null
    this.clock.clearTimeout(this.#timer)
    if (!this.down.isReached) {
      this.#timer = this.clock.setTimeout(() => this.#wire?.cut(), WIRE.closeTimeoutMs)
      this.#wire?.close(CLOSE_CODES[reason])
    }
    const opening = this.#opening
    this.#opening = null
    opening?.onFailed(error)
  }

  opened(): void {
    if (this.#failed) return
    this.clock.clearTimeout(this.#timer)
    this.#timer = this.clock.setTimeout(() => this.#timedOut('finish the handshake'), WIRE.handshakeTimeoutMs)
    const first = this.#handshake?.start()
    if (first) this.#wire?.send(first)
  }

  packet(packet: Uint8Array): void {
    if (this.#link) this.#link.receive(packet)
    else if (!this.#failed) this.#shake(packet)
  }

  drained(): void {
    this.#link?.drained()
  }

  violated(detail: string): void {
    if (this.#link) this.#link.violated()
    else this.fail(new TesseraError('DialFailed', { detail }), 'InvalidHandshake')
  }

  refused(error: unknown): void {
    const known = error instanceof TesseraError ? error : new TesseraError('DialFailed', { cause: error })
    this.fail(known, 'UnexpectedClose')
  }

  closed(): void {
    if (this.down.isReached) return
    this.down.reach()
    this.fail(
      new TesseraError('DialFailed', { detail: 'The connection ended before its handshake did.' }),
      'UnexpectedClose',
    )
    this.clock.clearTimeout(this.#timer)
    this.#link?.wireClosed()
    this.#release?.()
    this.#owner.ended(this)
  }

  #timedOut(what: string): void {
    this.fail(new TesseraError('DialFailed', { detail: `The peer did not ${what} in time.` }), 'Timeout')
  }

  #shake(packet: Uint8Array): void {
    const [wire, handshake, opening] = [this.#wire, this.#handshake, this.#opening]
    if (!wire || !handshake || !opening) return
    try {
      const { packet: answer, session } = handshake.receive(packet)
      if (answer) wire.send(answer)
      if (!session) return
      this.clock.clearTimeout(this.#timer)
      this.#timer = null
      this.#link = new ChannelLink(this, new Channel(session), handshake)
      this.#handshake = null
      this.#opening = null
    } catch (error) {
      this.#handshakeFailed(error)
      return
    }
    opening.onOpen(this.#link)
  }

  #handshakeFailed(error: unknown): void {
    if (!(error instanceof TesseraError)) throw error
    const asDial = error.code === 'DialFailed' ? error : new TesseraError('DialFailed', { cause: error })
    this.fail(asDial, 'InvalidHandshake')
  }
}
