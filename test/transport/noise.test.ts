import { hexToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { crypto } from '../../src/identity/crypto.ts'
import {
  CipherState,
  HandshakeState,
  NOISE_MESSAGE_BYTES_MAX,
  PROTOCOL_NAME,
  type Split,
  TAG_BYTES,
} from '../../src/transport/noise.ts'
import { VECTORS, type Vector } from './noise-vectors.ts'

const EMPTY = new Uint8Array(0)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

function handshakes({ prologue, initiator, responder }: Vector): [HandshakeState, HandshakeState] {
  const state = (role: 'initiator' | 'responder', keys: Vector['initiator']): HandshakeState =>
    new HandshakeState({
      role,
      prologue: hexToBytes(prologue),
      staticKey: crypto.agreement(hexToBytes(keys.static)),
      ephemeralKey: crypto.agreement(hexToBytes(keys.ephemeral)),
    })
  return [state('initiator', initiator), state('responder', responder)]
}

function fresh(prologue: Uint8Array = EMPTY): [HandshakeState, HandshakeState] {
  const state = (role: 'initiator' | 'responder'): HandshakeState =>
    new HandshakeState({ role, prologue, staticKey: crypto.agreement() })
  return [state('initiator'), state('responder')]
}

function finish([initiator, responder]: [HandshakeState, HandshakeState]): [Split, Split] {
  responder.readMessage(initiator.writeMessage(EMPTY))
  initiator.readMessage(responder.writeMessage(EMPTY))
  responder.readMessage(initiator.writeMessage(EMPTY))
  return [initiator.split(), responder.split()]
}

describe(`${PROTOCOL_NAME}: published vectors`, () => {
  it.each(VECTORS)('of $source', (vector) => {
    const [initiator, responder] = handshakes(vector)
    const [one, two, three, ...transport] = vector.messages
    for (const [writer, reader, message] of [
      [initiator, responder, one],
      [responder, initiator, two],
      [initiator, responder, three],
    ] as const) {
      const written = writer.writeMessage(hexToBytes(message!.payload))
      expect(hex(written)).toBe(message!.ciphertext)
      expect(hex(reader.readMessage(written))).toBe(message!.payload)
    }
    const [i, r] = [initiator.split(), responder.split()]
    expect(hex(initiator.handshakeHash)).toBe(hex(responder.handshakeHash))
    if (vector.handshakeHash) expect(hex(initiator.handshakeHash)).toBe(vector.handshakeHash)
    expect(transport.length).toBeGreaterThan(0)
    // The vectors go on in turn: message 4 is the responder's.
    for (const [index, { payload, ciphertext }] of transport.entries()) {
      const [sender, receiver] = index % 2 === 0 ? [r, i] : [i, r]
      const sealed = sender.sending.encryptWithAd(EMPTY, hexToBytes(payload))
      expect(hex(sealed)).toBe(ciphertext)
      expect(hex(receiver.receiving.decryptWithAd(EMPTY, sealed))).toBe(payload)
    }
  })
})

describe('Noise §5.1, CipherState', () => {
  const key = new Uint8Array(32).fill(7)

  it('uses the last nonce but one, and never the last (2^64 - 1)', () => {
    const cipher = new CipherState(key, 2n ** 64n - 2n)
    const sealed = cipher.encryptWithAd(EMPTY, text('last'))
    expect(() => cipher.encryptWithAd(EMPTY, text('one too many'))).toThrow(/nonces/)
    const other = new CipherState(key, 2n ** 64n - 2n)
    expect(other.decryptWithAd(EMPTY, sealed)).toEqual(text('last'))
    expect(() => other.decryptWithAd(EMPTY, sealed)).toThrow(/nonces/)
  })

  it('carries the nonce over 32 bits', () => {
    const across = new CipherState(key, 2n ** 32n - 1n)
    across.encryptWithAd(EMPTY, EMPTY)
    const beyond = new CipherState(key, 2n ** 32n)
    expect(hex(across.encryptWithAd(EMPTY, text('x')))).toBe(hex(beyond.encryptWithAd(EMPTY, text('x'))))
  })

  it('keeps its nonce where a ciphertext is not authentic', () => {
    const [sender, receiver] = [new CipherState(key), new CipherState(key)]
    const sealed = sender.encryptWithAd(text('ad'), text('message'))
    const forged = Uint8Array.from(sealed)
    forged[0]! ^= 1
    expect(() => receiver.decryptWithAd(text('ad'), forged)).toThrow()
    expect(() => receiver.decryptWithAd(text('other'), sealed)).toThrow()
    expect(receiver.decryptWithAd(text('ad'), sealed)).toEqual(text('message'))
    expect(() => receiver.decryptWithAd(text('ad'), sealed)).toThrow()
  })

  it('refuses a ciphertext shorter than its tag, and messages past 65,535 bytes (Noise §3)', () => {
    const cipher = new CipherState(key)
    expect(() => cipher.decryptWithAd(EMPTY, new Uint8Array(TAG_BYTES - 1))).toThrow(/tag/)
    expect(() => cipher.decryptWithAd(EMPTY, new Uint8Array(NOISE_MESSAGE_BYTES_MAX + 1))).toThrow(/larger/)
    expect(() => cipher.encryptWithAd(EMPTY, new Uint8Array(NOISE_MESSAGE_BYTES_MAX - TAG_BYTES + 1))).toThrow(/larger/)
    const most = new Uint8Array(NOISE_MESSAGE_BYTES_MAX - TAG_BYTES)
    expect(cipher.encryptWithAd(EMPTY, most)).toHaveLength(NOISE_MESSAGE_BYTES_MAX)
  })
})

describe('Noise §5.3, HandshakeState', () => {
  it('goes in turn, and no further than its pattern', () => {
    const [initiator, responder] = fresh()
    expect(() => responder.writeMessage(EMPTY)).toThrow(/in turn/)
    expect(() => initiator.split()).toThrow(/end/)
    finish([initiator, responder])
    expect(initiator.complete && responder.complete).toBe(true)
    expect(() => initiator.writeMessage(EMPTY)).toThrow(/in turn/)
  })

  it('fails where the prologues differ (§6)', () => {
    const [initiator] = fresh(text('groups'))
    const [, responder] = fresh(text('discovery'))
    responder.readMessage(initiator.writeMessage(EMPTY))
    const second = responder.writeMessage(EMPTY)
    expect(() => initiator.readMessage(second)).toThrow()
  })

  it('fails where any byte of any message was changed, and at the latest when the other end reads on', () => {
    for (const turn of [0, 1, 2]) {
      const [initiator, responder] = fresh()
      const deliver = (from: HandshakeState, to: HandshakeState, index: number): void => {
        const message = Uint8Array.from(from.writeMessage(text('payload')))
        if (index === turn) message[message.length - 1]! ^= 1
        to.readMessage(message)
      }
      expect(() => {
        deliver(initiator, responder, 0)
        deliver(responder, initiator, 1)
        deliver(initiator, responder, 2)
      }).toThrow()
    }
  })

  it('refuses messages cut short and messages past 65,535 bytes', () => {
    const [initiator, responder] = fresh()
    expect(() => responder.readMessage(new Uint8Array(31))).toThrow(/short/)
    expect(() => fresh()[1].readMessage(new Uint8Array(NOISE_MESSAGE_BYTES_MAX + 1))).toThrow(/larger/)
    expect(() => initiator.writeMessage(new Uint8Array(NOISE_MESSAGE_BYTES_MAX))).toThrow(/larger/)
  })

  it('refuses a public key of small order', () => {
    const [initiator, responder] = fresh()
    initiator.writeMessage(EMPTY)
    responder.readMessage(new Uint8Array(32))
    expect(() => responder.writeMessage(EMPTY)).toThrow()
  })
})

describe('the exporter', () => {
  it('gives both ends the same 32 bytes, others for each label and session', () => {
    const [a, b] = finish(fresh())
    const [c] = finish(fresh())
    expect(hex(a.exported(text('x')))).toBe(hex(b.exported(text('x'))))
    expect(a.exported(text('x'))).toHaveLength(32)
    expect(hex(a.exported(text('x')))).not.toBe(hex(a.exported(text('y'))))
    expect(hex(a.exported(text('x')))).not.toBe(hex(c.exported(text('x'))))
  })

  it('does not follow from the handshake hash, which is public', () => {
    const both = fresh()
    const [a] = finish(both)
    const { handshakeHash } = both[0]
    for (const secret of [EMPTY, handshakeHash]) {
      expect(hex(a.exported(text('x')))).not.toBe(hex(crypto.hkdfSha256(handshakeHash, secret, text('x'), 32)))
    }
  })
})
