/**
 * The contract of a transport: links between processes, whatever carries them.
 *
 * A link is one ordered, message-based, encrypted, mutually authenticated connection for one protocol. The
 * dialler runs Noise XX as initiator; both ends learn the other's `PeerId`, proven. A link is handed over only when
 * its channel stands, so nobody above ever sees an unauthenticated byte.
 *
 * Lifecycle: dial | accept -> open -> closed. `onMessages` receives every batch that arrived in one turn; `onClose`
 * is called exactly once, with the reason the peer gave, or `UnexpectedClose` where it gave none. What arrives before
 * a handler is set is kept (within the unproven cap) and delivered to it.
 */
import type { Clock } from '../clock.ts'
import type { CloseReason } from '../errors.ts'
import type { Digest } from '../identity/digest.ts'
import type { Identity, PeerId } from '../identity/keys.ts'

export type { Clock } from '../clock.ts'

/** The protocol of a link: the WebSocket subprotocol, our ALPN. */
export type Protocol = 'tessera.groups.1' | 'tessera.discovery.1'

/** Consensus and liveness go ahead of bulk. */
export type Lane = 'prompt' | 'bulk'

export interface Link {
  readonly protocol: Protocol
  /** The group a dialler wants to talk to, told inside the encrypted handshake; null where it named none. */
  readonly topic: Digest | null
  readonly peer: PeerId
  readonly role: 'dialler' | 'acceptor'
  /** Bytes given to `send` that have not left this process yet. */
  readonly queuedBytes: number
  /** 32 bytes that both ends of this link derive and nobody else can: an exporter of the channel (Noise §11.2). */
  sharedRandom(label: string): Uint8Array
  /**
   * Queues one message; messages of one turn share frames. False where it was not queued: the link is closed or
   * `queuedBytes`, or the number of waiting messages, would pass the link's budget.
   */
  send(message: Uint8Array, lane?: Lane): boolean
  /** The peer is proven: its messages may now be as large as `WIRE.messageBytesMax`. */
  trust(): void
  /** One call per turn in which messages arrived. */
  onMessages(handler: (messages: Uint8Array[]) => void): void
  /** Called once, on the first reason that ends the link; `byPeer` tells who gave it. */
  onClose(handler: (reason: CloseReason, byPeer: boolean) => void): void
  /** Sends what waits, then the encrypted reason, then closes. Resolves when the link is down; never rejects. */
  close(reason: CloseReason): Promise<void>
}

export interface DialOptions {
  readonly protocol: Protocol
  readonly topic?: Digest | null
  /** The dial fails (`DialFailed`) where another peer answers. Absent for bootstrap addresses. */
  readonly peer?: PeerId
  readonly signal?: AbortSignal
}

export interface Listener {
  /** Addresses that can be dialled, with the real port where 0 was asked for. */
  readonly addresses: readonly string[]
  close(): Promise<void>
}

export interface Endpoint {
  /** Rejects with `DialFailed` (cause and, where the peer said one, reason inside) or `Aborted`. */
  dial(address: string, options: DialOptions): Promise<Link>
  /** Accepts links of `protocols`; others are refused `InvalidProtocol`. Rejects with `ListenFailed`. */
  listen(address: string, protocols: readonly Protocol[], accept: (link: Link) => void): Promise<Listener>
  /** Closes every listener and every link with `GracefulShutdown`. */
  close(): Promise<void>
}

/** What a transport is given by the node: who it is, and its time. */
export interface TransportDeps {
  readonly identity: Identity
  readonly clock: Clock
}

export interface Transport {
  /** True where `address` is of this transport's kind. */
  understands(address: string): boolean
  endpoint(deps: TransportDeps): Endpoint
}
