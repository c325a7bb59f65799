/**
 * A WebSocket as a wire: one binary message is one packet (RFC 6455 §5.6). Whatever the socket says of its end in the clear (close codes,
 * reasons) is only ever `closed` here, because anybody on the path can say it.
 */
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import type { Wire, WireEvents } from './wire.ts'

const BINARY = { binary: true, compress: false } as const

export class WebSocketWire implements Wire {
  readonly #webSocket: WebSocket
  /** Under the WebSocket, once there is one: for corking, and to hear when it has drained. */
  #socket: Socket | null = null

  /** Wires the news of `webSocket` to `events`; `closed` and all else comes from there on. */
  constructor(webSocket: WebSocket, events: WireEvents) {
    this.#webSocket = webSocket
    webSocket.on('message', (data, isBinary) => {
      if (isBinary && data instanceof Uint8Array) events.packet(data)
      else events.violated('A text message came where all is binary.')
    })
    webSocket.on('error', (error) => {
      if (isViolation(error)) events.violated(error.message)
      else events.refused(error)
    })
    webSocket.on('close', () => events.closed())
  }

  /** The socket is known: now drains are heard. */
  attach(socket: Socket, events: WireEvents): void {
    this.#socket = socket
    socket.on('drain', () => events.drained())
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

/** `ws` names what a peer did against RFC 6455 or the caps `WS_ERR_...`; all else is the network's doing. */
function isViolation(error: Error): boolean {
  return 'code' in error && typeof error.code === 'string' && error.code.startsWith('WS_ERR_')
}
