/** A peer made by hand: a bare WebSocket that can do the Noise handshake, or anything but. */
import { connect, type Socket } from 'node:net'
import { WebSocket } from 'ws'
import type { CloseReason } from '../../src/errors.ts'
import type { Digest } from '../../src/identity/digest.ts'
import { Identity } from '../../src/identity/keys.ts'
import { Credential } from '../../src/transport/credential.ts'
import { FRAME_PLAINTEXT_BYTES_MAX, FrameReader, FrameWriter } from '../../src/transport/frame.ts'
import { NoiseHandshake, type Session } from '../../src/transport/handshake.ts'
import type { Protocol } from '../../src/transport/transport.ts'

const GROUPS: Protocol = 'tessera.groups.1'

export class RawPeer {
  readonly webSocket: WebSocket
  readonly identity: Identity
  /** The code with which the WebSocket ended. */
  readonly closeCode: Promise<number>
  readonly #packets: Uint8Array[] = []
  #wake: () => void = () => {}

  private constructor(webSocket: WebSocket, identity: Identity) {
    this.webSocket = webSocket
    this.identity = identity
    this.closeCode = new Promise((resolve) => {
      webSocket.on('close', (code) => resolve(code))
    })
    webSocket.on('error', () => {
      // The close code says what is to be said.
    })
    webSocket.on('message', (data) => {
      this.#packets.push(data as Buffer)
      this.#wake()
    })
  }

  /** An open WebSocket that has said nothing yet. */
  static async open(address: string, identity = Identity.ephemeral()): Promise<RawPeer> {
    const webSocket = new WebSocket(address, GROUPS, { perMessageDeflate: false })
    const peer = new RawPeer(webSocket, identity)
    await new Promise((resolve, reject) => {
      webSocket.on('open', resolve)
      webSocket.on('error', reject)
    })
    return peer
  }

  async packet(): Promise<Uint8Array> {
    while (this.#packets.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.#packets.shift()!
  }

  /** Noise XX as dialler; `protocol` is what it puts into the prologue. */
  async shake({ protocol = GROUPS, identity = this.identity, topic = null as Digest | null } = {}): Promise<Session> {
    const settings = { role: 'dialler', protocol, identity, topic, expected: null } as const
    const handshake = new NoiseHandshake(settings, new Credential(identity))
    this.webSocket.send(handshake.start()!)
    const { packet, session } = handshake.receive(await this.packet())
    this.webSocket.send(packet!)
    return session!
  }

  /** The reason in the next packet, where it brings one. */
  async closeReason(session: Session): Promise<CloseReason | null> {
    return new FrameReader().read(session.open(await this.packet()), [])
  }
}

/** One sealed frame with these messages. */
export function sealed(session: Session, ...messages: Uint8Array[]): Uint8Array {
  const writer = new FrameWriter()
  for (const message of messages) writer.push(message, 'prompt')
  const scratch = new Uint8Array(FRAME_PLAINTEXT_BYTES_MAX)
  return session.seal(scratch.slice(0, writer.write(scratch)))
}

/** A bare TCP connection, with all it was told. */
export class RawSocket {
  readonly socket: Socket
  readonly closed: Promise<void>
  received = ''
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {
      // 'close' follows.
    })
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        resolve()
      })
    })
    socket.on('data', (data) => {
      this.received += data.toString('latin1')
      this.#wake()
    })
  }

  static async open(address: string): Promise<RawSocket> {
    const { hostname, port } = new URL(address)
    const socket = connect(Number(port), hostname)
    const raw = new RawSocket(socket)
    await new Promise((resolve) => socket.on('connect', resolve))
    return raw
  }

  async told(part: string): Promise<string> {
    while (!this.received.includes(part)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return this.received
  }

  /** The HTTP request that turns this connection into a WebSocket. */
  upgrade(protocol: string): void {
    this.socket.write(
      'GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n' +
        `sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: ${protocol}\r\n\r\n`,
    )
  }
}
