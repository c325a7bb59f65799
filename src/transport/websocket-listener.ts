/**
 * The listening half of the WebSocket transport: one HTTP server for each address carries all protocols, chosen by subprotocol name.
 *
 * A connection costs one of the endpoint's unproven slots from the moment it is accepted, before a byte of it is read, and has
 * `WIRE.handshakeTimeoutMs` to become a WebSocket. From there the connection's own deadlines watch it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions } from 'node:tls'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Clock } from '../clock.ts'
import { CLOSE_CODES, TesseraError } from '../errors.ts'
import { WIRE } from '../limits.ts'
import type { Protocol } from './transport.ts'

/** Tells a dialler of ours why its upgrade was refused. Not authentic: it decides nothing but what an error says. */
export const REFUSAL_HEADER = 'tessera-refused'

/** Headers of an upgrade fit many times. */
const HEADER_BYTES_MAX = 8 * 1024

export interface ListenDeps {
  readonly protocols: readonly Protocol[]
  readonly clock: Clock
  readonly tls: SecureContextOptions | undefined
  readonly slots: { take(): (() => void) | null }
  readonly accept: (protocol: Protocol, webSocket: WebSocket, socket: Socket, release: () => void) => void
}

export interface Listening {
  readonly addresses: readonly string[]
  close(): Promise<void>
}

/** Rejects with `ListenFailed`. */
export async function listenOn(address: string, deps: ListenDeps): Promise<Listening> {
  const { secure, host, port } = parsed(address)
  if (secure && !deps.tls)
    throw new TesseraError('ListenFailed', { detail: `${address} needs a certificate: { tls }.` })
  const server = secure
    ? createTlsServer({ ...deps.tls, maxHeaderSize: HEADER_BYTES_MAX, handshakeTimeout: WIRE.handshakeTimeoutMs })
    : createServer({ maxHeaderSize: HEADER_BYTES_MAX })
  const guests = new Guests(deps)
  server.on(secure ? 'secureConnection' : 'connection', (socket: Socket) => guests.arrived(socket))
  server.on('request', refusePlainRequest)
  server.on('upgrade', (request, socket, head) => guests.upgrade(request, socket, head))
  await bound(server, port, host, address)
  // What the server may say later (a failed TLS handshake, a broken socket) concerns one guest, who is gone already.
  server.on('error', () => {})
  const actual = (server.address() as AddressInfo).port
  return {
    addresses: hosts(host).map((name) => `${secure ? 'wss' : 'ws'}://${name}:${actual}`),
    close: () => {
      server.close()
      guests.dismiss()
      // The handle is given back within this turn; waiting for the server itself would wait for every link.
      return new Promise((resolve) => deps.clock.endOfTurn(resolve))
    },
  }
}

interface Guest {
  readonly release: () => void
  readonly left: () => void
  readonly deadline: unknown
}

/** Connections that are accepted and not yet WebSockets. */
class Guests {
  readonly #deps: ListenDeps
  readonly #waiting = new Map<Duplex, Guest>()
  readonly #webSockets: WebSocketServer

  constructor(deps: ListenDeps) {
    this.#deps = deps
    this.#webSockets = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: WIRE.frameBytesMax,
      handleProtocols: (offered) => this.#chosen(offered) ?? false,
    })
  }

  arrived(socket: Socket): void {
    const { slots, clock } = this.#deps
    const release = slots.take()
    if (!release) {
      socket.destroy()
      return
    }
    const deadline = clock.setTimeout(() => socket.destroy(), WIRE.handshakeTimeoutMs)
    const left = () => this.#left(socket)
    this.#waiting.set(socket, { release, left, deadline })
    socket.on('close', left)
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const guest = this.#waiting.get(socket)
    if (!guest) {
      socket.destroy()
      return
    }
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    const protocol = this.#chosen(offered)
    if (!protocol) {
      refuseProtocol(socket)
      return
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#deps.clock.clearTimeout(guest.deadline)
      this.#waiting.delete(socket)
      socket.off('close', guest.left)
      this.#deps.accept(protocol, webSocket, socket as Socket, guest.release)
    })
  }

  dismiss(): void {
    for (const socket of [...this.#waiting.keys()]) socket.destroy()
  }

  #left(socket: Socket): void {
    const guest = this.#waiting.get(socket)
    if (!guest) return
    this.#waiting.delete(socket)
    this.#deps.clock.clearTimeout(guest.deadline)
    guest.release()
  }

  #chosen(offered: Iterable<string>): Protocol | undefined {
    const names = new Set(offered)
    return this.#deps.protocols.find((protocol) => names.has(protocol))
  }
}

/** RFC 9110 §15.5.22. */
function refusePlainRequest(_request: IncomingMessage, response: ServerResponse): void {
  const body = 'This is a tessera node. It speaks WebSocket.\n'
  response.writeHead(426, { upgrade: 'websocket', connection: 'close', 'content-type': 'text/plain' })
  response.end(body)
}

function refuseProtocol(socket: Duplex): void {
  const body = `${CLOSE_CODES.InvalidProtocol} InvalidProtocol\n`
  socket.on('error', () => socket.destroy())
  socket.end(
    `HTTP/1.1 400 Bad Request\r\n${REFUSAL_HEADER}: InvalidProtocol\r\nconnection: close\r\n` +
      `content-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
}

function bound(server: Server, port: number, host: string, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error): void => reject(new TesseraError('ListenFailed', { detail: address, cause }))
    server.once('error', onError)
    server.listen(port, host, () => {
      server.off('error', onError)
      resolve()
    })
  })
}

function parsed(address: string): { secure: boolean; host: string; port: number } {
  try {
    const url = new URL(address)
    const secure = url.protocol === 'wss:'
    const standard = secure ? 443 : 80
    return { secure, host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? standard : Number(url.port) }
  } catch (cause) {
    throw new TesseraError('ListenFailed', { detail: `${address} is not an address.`, cause })
  }
}

/** Names a peer can dial: a wildcard host stands for every address of this machine that others can reach. */
function hosts(host: string): string[] {
  const bracketed = (name: string): string => (name.includes(':') ? `[${name}]` : name)
  if (host !== '0.0.0.0' && host !== '::') return [bracketed(host)]
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, family, scopeid }) => !internal && (family === 'IPv4' || (host === '::' && !scopeid)))
    .map(({ address }) => bracketed(address))
  return own.length > 0 ? own : [host === '::' ? '[::1]' : '127.0.0.1']
}
