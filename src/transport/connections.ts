/**
 * All connections of one endpoint: its dials with their signals, the links it accepted, the slots that unproven peers may hold, and
 * the end of them all. Shared by the transports.
 */
import type { Clock } from '../clock.ts'
import { type CloseReason, TesseraError } from '../errors.ts'
import type { PeerId } from '../identity/keys.ts'
import { WIRE } from '../limits.ts'
import { Connection, type ConnectionOwner, type Opening } from './connection.ts'
import type { Handshake, HandshakeSettings } from './handshake.ts'
import type { DialOptions, Link, Protocol, TransportDeps } from './transport.ts'
import type { Wire } from './wire.ts'

/** Builds the wire of one connection, which will tell it its news. Throws where the address is of no use. */
export type Connect = (connection: Connection) => Wire

/** Links between accept and proof: silence must not hold more than these. */
class UnprovenSlots {
  #taken = 0

  /** A function that gives the slot back, once; null where all are taken. */
  take(): (() => void) | null {
    if (this.#taken >= WIRE.unprovenLinksMax) return null
    this.#taken++
    let held = true
    return () => {
      if (held) this.#taken--
      held = false
    }
  }
}

export class Connections implements ConnectionOwner {
  readonly slots = new UnprovenSlots()
  readonly #deps: TransportDeps
  readonly #all = new Set<Connection>()
  #closed = false

  constructor(deps: TransportDeps) {
    this.#deps = deps
  }

  get closed(): boolean {
    return this.#closed
  }

  get clock(): Clock {
    return this.#deps.clock
  }

  /** From a connection. */
  ended(connection: Connection): void {
    this.#all.delete(connection)
  }

  dial(options: DialOptions, shake: (settings: HandshakeSettings) => Handshake, connect: Connect): Promise<Link> {
    const { signal } = options
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(aborted(signal))
      if (this.#closed) return reject(new TesseraError('DialFailed', { detail: 'This endpoint is closed.' }))
      const onAbort = (): void => connection.fail(aborted(signal), 'Cancelled')
      const settled = (): void => signal?.removeEventListener('abort', onAbort)
      const settings = this.#settings('dialler', options.protocol, options.topic ?? null, options.peer ?? null)
      // Who dials chose the peer, and gives it no slot.
      const connection = this.#track(shake(settings), null, {
        onOpen: (link) => {
          settled()
          resolve(link)
        },
        onFailed: (error) => {
          settled()
          reject(error)
        },
      })
      signal?.addEventListener('abort', onAbort)
      this.#connect(connection, connect)
    })
  }

  /** `release`: gives back the slot of an unproven link, taken when its first byte could arrive. */
  accept(
    protocol: Protocol,
    shake: (settings: HandshakeSettings) => Handshake,
    connect: Connect,
    release: () => void,
    accept: (link: Link) => void,
  ): void {
    const handshake = shake(this.#settings('acceptor', protocol, null, null))
    const connection = this.#track(handshake, release, { onOpen: accept, onFailed: () => {} })
    this.#connect(connection, connect)
    connection.opened()
  }

  /** Closes every link and gives up every dial. Resolves when all are down. */
  async close(reason: CloseReason): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#all].map((connection) => connection.close(reason)))
  }

  #settings(
    role: Link['role'],
    protocol: Protocol,
    topic: HandshakeSettings['topic'],
    expected: PeerId | null,
  ): HandshakeSettings {
    return { role, protocol, identity: this.#deps.identity, topic, expected }
  }

  #track(handshake: Handshake, release: (() => void) | null, opening: Opening): Connection {
    const connection = new Connection(handshake, this, release, opening)
    this.#all.add(connection)
    return connection
  }

  #connect(connection: Connection, connect: Connect): void {
    try {
      connection.attach(connect(connection))
    } catch (error) {
      connection.refused(error)
      connection.closed()
    }
  }
}

function aborted(signal: AbortSignal | undefined): TesseraError {
  return new TesseraError('Aborted', { cause: signal?.reason })
}
