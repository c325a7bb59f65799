/**
 * A WebSocket as a wire: one binary message is one packet (RFC 6455 §5.6). Whatever the socket says of its end in the clear (close codes,
 * reasons) is only ever `closed` here, because anybody on the path can say it.
 */
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import type { Wire, WireEvents } from './wire.ts'

const BINARY = { binary: true, compress: false } as const

const wireKey = Symbol('tessera.wire')
interface Wired {
  [wireKey]: WebSocketWire
}

export class WebSocketWire implements Wire {
  readonly #webSocket: WebSocket
  readonly #events: WireEvents
  /** Under the WebSocket, once there is one: for corking, and to hear when it has drained. */
  #socket: Socket | null = null

  /** Wires the news of `webSocket` to `events`; `closed` and all else comes from there on. */
  constructor(webSocket: WebSocket, events: WireEvents) {
    this.#webSocket = webSocket
    this.#events = events
    ;(webSocket as WebSocket & Wired)[wireKey] = this
    webSocket.on('message', onMessage).on('error', onError).on('close', onClose)
  }

  /** The socket is known: now drains are heard. */
  attach(socket: Socket): void {
    this.#socket = socket
    ;(socket as Socket & Wired)[wireKey] = this
    socket.on('drain', onDrain)
  }

  /** From the WebSocket and its socket. */
  get events(): WireEvents {
    return this.#events
  }

  get bufferedBytes(): number {
    return this.#webSocket.bufferedAmount
  }

  send(packet: Uint8Array): void {
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.send(packet, BINARY)
  }

  cork(): void {
    this.#socket?.cork()
  }

  uncork(): void {
    this.#socket?.uncork()
  }

  close(code: number): void {
    this.#webSocket.close(code)
  }

  cut(): void {
    this.#webSocket.terminate()
  }
}

// One function for all: a process has a WebSocket for each of its bonds.

function onMessage(this: WebSocket, data: unknown, isBinary: boolean): void {
  const { events } = (this as WebSocket & Wired)[wireKey]
  if (isBinary && data instanceof Uint8Array) events.packet(data)
  else events.violated('A text message came where all is binary.')
}

function onError(this: WebSocket, error: Error): void {
  const { events } = (this as WebSocket & Wired)[wireKey]
  if (isViolation(error)) events.violated(error.message)
  else events.refused(error)
}

function onClose(this: WebSocket): void {
  ;(this as WebSocket & Wired)[wireKey].events.closed()
}

function onDrain(this: Socket): void {
  ;(this as Socket & Wired)[wireKey].events.drained()
}

/** `ws` names what a peer did against RFC 6455 or the caps `WS_ERR_...`; all else is the network's doing. */
function isViolation(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && error.code.startsWith('WS_ERR_')
}
