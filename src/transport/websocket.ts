/**
 * `webSocket()`: links over WebSockets (RFC 6455), `ws://` and `wss://`. TLS outside is for networks that ask for it; who the peer is and what
 * is said is settled by the Noise channel inside, with or without.
 *
 * Nothing is compressed (a compressed secret leaks by its length), redirects are not followed, Nagle's delay is off.
 */
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { SecureContextOptions } from 'node:tls'
import { WebSocket } from 'ws'
import { TesseraError } from '../errors.ts'
import { WIRE } from '../limits.ts'
import type { Connection } from './connection.ts'
import { Connections } from './connections.ts'
import { Credential } from './credential.ts'
import { type Handshake, type HandshakeSettings, NoiseHandshake } from './handshake.ts'
import type { DialOptions, Endpoint, Link, Listener, Protocol, Transport, TransportDeps } from './transport.ts'
import { listenOn, REFUSAL_HEADER } from './websocket-listener.ts'
import { WebSocketWire } from './websocket-wire.ts'

export interface WebSocketOptions {
  /** Certificate and key for listening on `wss://`, and authorities to trust when dialling. */
  readonly tls?: SecureContextOptions
}

/** The transport over WebSockets. */
export function webSocket(options: WebSocketOptions = {}): Transport {
  return {
    understands: (address) => /^wss?:\/\//i.test(address),
    endpoint: (deps) => new WebSocketEndpoint(deps, options),
  }
}

class WebSocketEndpoint implements Endpoint {
  readonly #deps: TransportDeps
  readonly #options: WebSocketOptions
  readonly #connections: Connections
  readonly #listeners = new Set<Listener>()
  /** Of a static key that is fresh for each endpoint. */
  readonly #credential: Credential

  constructor(deps: TransportDeps, options: WebSocketOptions) {
    this.#deps = deps
    this.#options = options
    this.#credential = new Credential(deps.identity)
    this.#connections = new Connections(deps)
  }

  dial(address: string, options: DialOptions): Promise<Link> {
    return this.#connections.dial(options, this.#shake, (connection) =>
      this.#open(address, options.protocol, connection),
    )
  }

  async listen(address: string, protocols: readonly Protocol[], accept: (link: Link) => void): Promise<Listener> {
    if (this.#connections.closed) throw new TesseraError('ListenFailed', { detail: 'This endpoint is closed.' })
    const listening = await listenOn(address, {
      protocols,
      clock: this.#deps.clock,
      tls: this.#options.tls,
      slots: this.#connections.slots,
      accept: (protocol, webSocket, socket, release) => {
        const connect = (connection: Connection): WebSocketWire => {
          const wire = new WebSocketWire(webSocket, connection)
          wire.attach(socket)
          return wire
        }
        this.#connections.accept(protocol, this.#shake, connect, release, accept)
      },
    })
    const listener: Listener = {
      addresses: listening.addresses,
      close: async () => {
        this.#listeners.delete(listener)
        await listening.close()
      },
    }
    this.#listeners.add(listener)
    return listener
  }

  async close(): Promise<void> {
    const listeners = [...this.#listeners].map((listener) => listener.close())
    await Promise.all([...listeners, this.#connections.close('GracefulShutdown')])
  }

  readonly #shake = (settings: HandshakeSettings): Handshake => new NoiseHandshake(settings, this.#credential)

  #open(address: string, protocol: Protocol, connection: Connection): WebSocketWire {
    const client = new WebSocket(address, protocol, {
      ...this.#options.tls,
      perMessageDeflate: false,
      followRedirects: false,
      maxPayload: WIRE.frameBytesMax,
      generateMask: noMask,
    })
    const wire = new WebSocketWire(client, connection)
    const onUpgrade = ({ socket }: IncomingMessage) => wire.attach(socket)
    const onRefusal = (request: ClientRequest, response: IncomingMessage) => {
      const reason = response.headers[REFUSAL_HEADER] === 'InvalidProtocol' ? 'InvalidProtocol' : undefined
      const detail = `The server answered ${response.statusCode}.`
      connection.refused(new TesseraError('DialFailed', { detail, ...(reason && { reason }) }))
      request.destroy()
    }
    const onOpen = () => {
      // What they hold of the dial is not needed as long as the bond stands.
      client.off('upgrade', onUpgrade).off('unexpected-response', onRefusal).off('open', onOpen)
      connection.opened()
    }
    client.on('upgrade', onUpgrade).on('unexpected-response', onRefusal).on('open', onOpen)
    return wire
  }
}

/**
 * RFC 6455 §10.3 masks so that a script in a browser cannot choose the bytes a proxy sees. What goes out here is ciphertext of
 * this process's own, already beyond anyone's choosing, so the mask is zero, and neither end spends a pass over each byte on it.
 */
function noMask(mask: Buffer): void {
  mask.fill(0)
}
