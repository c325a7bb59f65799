/**
 * From a bare connection to a session with a proven peer. Sans I/O: packets in, packets out.
 *
 * Two ways. `NoiseHandshake` is the real one: Noise XX, whose messages 2 and 3 carry, encrypted, the sender's peer id and its Ed25519
 * signature over its Noise static key (as in libp2p's Noise handshake); message 3 also carries the link's topic. The protocol's name is
 * in the prologue, so nobody on the path can turn a link of one protocol into one of another. `ClearHandshake` is for simulation within one
 * process: the same three messages and the same answers without ciphers; identity is taken at its word.
 *
 *     payload 1: nothing        payload 2: peer (32) | signature (64)        payload 3: the same | topic (32, or nothing)
 *
 * A handshake that throws is over; its connection must be closed.
 */
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { TesseraError } from '../errors.ts'
import { crypto } from '../identity/crypto.ts'
import { bytesOf, type Digest } from '../identity/digest.ts'
import { hexOf } from '../identity/hex.ts'
import type { Identity, PeerId } from '../identity/keys.ts'
import { CLAIM_BYTES, type Credential } from './credential.ts'
import { HandshakeState, type Split } from './noise.ts'
import type { Link, Protocol } from './transport.ts'

const PROLOGUE = 'tessera.noise.1'
const EXPORTER_LABEL = 'tessera.shared-random.1:'
const PEER_BYTES = 32
const TOPIC_BYTES = 32
const EMPTY = new Uint8Array(0)

/** A proven peer, and the two directions of the channel to it. */
export interface Session {
  readonly peer: PeerId
  readonly topic: Digest | null
  /** One frame to one packet. `frame` may be used again once this returns. */
  seal(frame: Uint8Array): Uint8Array
  /** Throws `CryptoFailed` where the packet is not the next one of this peer. */
  open(packet: Uint8Array): Uint8Array
  sharedRandom(label: string): Uint8Array
}

/** What one received packet leads to: a packet to send, a session, or both. */
export interface HandshakeStep {
  readonly packet: Uint8Array | null
  readonly session: Session | null
}

export interface Handshake {
  readonly role: Link['role']
  readonly protocol: Protocol
  /** The dialler's first packet; null at the acceptor, who waits. */
  start(): Uint8Array | null
  receive(packet: Uint8Array): HandshakeStep
}

export interface HandshakeSettings {
  readonly role: Link['role']
  readonly protocol: Protocol
  readonly identity: Identity
  /** Told by the dialler. */
  readonly topic: Digest | null
  /** The dialler goes no further with any other peer. */
  readonly expected: PeerId | null
}

export class NoiseHandshake implements Handshake {
  readonly role: Link['role']
  readonly protocol: Protocol
  readonly #settings: HandshakeSettings
  readonly #credential: Credential
  readonly #noise: HandshakeState

  constructor(settings: HandshakeSettings, credential: Credential) {
    this.role = settings.role
    this.protocol = settings.protocol
    this.#settings = settings
    this.#credential = credential
    this.#noise = new HandshakeState({
      role: settings.role === 'dialler' ? 'initiator' : 'responder',
      prologue: utf8ToBytes(`${PROLOGUE}:${settings.protocol}`),
      staticKey: credential.staticKey,
    })
  }

  start(): Uint8Array | null {
    return this.role === 'dialler' ? this.#noise.writeMessage(EMPTY) : null
  }

  receive(packet: Uint8Array): HandshakeStep {
    const payload = this.#noise.readMessage(packet)
    if (this.#noise.complete) {
      if (payload.length !== CLAIM_BYTES && payload.length !== CLAIM_BYTES + TOPIC_BYTES) throw malformed()
      return { packet: null, session: this.#session(this.#provenPeer(payload), topicIn(payload)) }
    }
    if (this.role === 'acceptor') {
      if (payload.length > 0) throw malformed()
      return { packet: this.#noise.writeMessage(this.#credential.claim), session: null }
    }
    if (payload.length !== CLAIM_BYTES) throw malformed()
    const peer = expect(this.#settings.expected, this.#provenPeer(payload))
    const { topic } = this.#settings
    const third = this.#noise.writeMessage(concatBytes(this.#credential.claim, topic ? bytesOf(topic) : EMPTY))
    return { packet: third, session: this.#session(peer, topic) }
  }

  #provenPeer(payload: Uint8Array): PeerId {
    return this.#credential.provenPeer(payload.subarray(0, CLAIM_BYTES), this.#noise.remoteStatic ?? EMPTY)
  }

  #session(peer: PeerId, topic: Digest | null): Session {
    return new NoiseSession(peer, topic, this.#noise.split())
  }
}

class NoiseSession implements Session {
  readonly peer: PeerId
  readonly topic: Digest | null
  readonly #split: Split

  constructor(peer: PeerId, topic: Digest | null, split: Split) {
    this.peer = peer
    this.topic = topic
    this.#split = split
  }

  seal(frame: Uint8Array): Uint8Array {
    return this.#split.sending.encryptWithAd(EMPTY, frame)
  }

  open(packet: Uint8Array): Uint8Array {
    return this.#split.receiving.decryptWithAd(EMPTY, packet)
  }

  sharedRandom(label: string): Uint8Array {
    return this.#split.exported(utf8ToBytes(EXPORTER_LABEL + label))
  }
}

function expect(expected: PeerId | null, peer: PeerId): PeerId {
  if (expected && expected !== peer) {
    throw new TesseraError('DialFailed', {
      detail: `Peer ${peer.slice(0, 10)} answered, not ${expected.slice(0, 10)}.`,
    })
  }
  // The same, but not once more in memory.
  return expected ?? peer
}

function topicIn(payload: Uint8Array): Digest | null {
  return payload.length === CLAIM_BYTES ? null : (hexOf(payload.subarray(CLAIM_BYTES)) as Digest)
}

function malformed(): TesseraError {
  return new TesseraError('InvalidMessage', { detail: 'A handshake payload of the wrong length.' })
}

/** Within one process, for simulation. `secret` is the link's own: 32 bytes that the network gave to both ends. */
export class ClearHandshake implements Handshake {
  readonly role: Link['role']
  readonly protocol: Protocol
  readonly #settings: HandshakeSettings
  readonly #secret: Uint8Array

  constructor(settings: HandshakeSettings, secret: Uint8Array) {
    this.role = settings.role
    this.protocol = settings.protocol
    this.#settings = settings
    this.#secret = secret
  }

  start(): Uint8Array | null {
    return this.role === 'dialler' ? EMPTY : null
  }

  receive(packet: Uint8Array): HandshakeStep {
    const own = bytesOf(this.#settings.identity.peer)
    if (this.role === 'acceptor' && packet.length === 0) return { packet: own, session: null }
    if (packet.length < PEER_BYTES) throw malformed()
    const claimed = hexOf(packet.subarray(0, PEER_BYTES)) as PeerId
    if (this.role === 'dialler') {
      const peer = expect(this.#settings.expected, claimed)
      const { topic } = this.#settings
      return { packet: concatBytes(own, topic ? bytesOf(topic) : EMPTY), session: this.#session(peer, topic) }
    }
    const topic = packet.length === PEER_BYTES ? null : (hexOf(packet.subarray(PEER_BYTES)) as Digest)
    return { packet: null, session: this.#session(claimed, topic) }
  }

  #session(peer: PeerId, topic: Digest | null): Session {
    const secret = this.#secret
    return {
      peer,
      topic,
      seal: (frame) => Uint8Array.prototype.slice.call(frame),
      open: (packet) => packet,
      sharedRandom: (label) => crypto.keyedBlake3(secret, utf8ToBytes(EXPORTER_LABEL + label)),
    }
  }
}
