/** What a peer may do to a listener without knowing any secret, over real sockets (SEMANTICS: faults 8 and 10). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { crypto } from '../../src/identity/crypto.ts'
import { Identity } from '../../src/identity/keys.ts'
import { WIRE } from '../../src/limits.ts'
import { webSocket } from '../../src/transport/websocket.ts'
import { Pair, Recorded } from './pair.ts'
import { RawPeer, RawSocket, sealed } from './raw-peer.ts'

const GIBIBYTE = 2 ** 30
const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Deadlines that run: one for each connection that is not a link yet. The bystander's are over. */
async function deadlines(count: number): Promise<void> {
  while (pair.clock.pending < count) await turn()
}

let pair: Pair
let address: string
/** A link that stands throughout: whatever a hostile peer does must not be felt here. */
let bystander: [Recorded, Recorded]
const sockets: RawSocket[] = []

async function tcp(): Promise<RawSocket> {
  const raw = await RawSocket.open(address)
  sockets.push(raw)
  return raw
}

/** A raw peer with a session, and the listener's end of its link. */
async function proven(): Promise<{ peer: RawPeer; session: Awaited<ReturnType<RawPeer['shake']>>; end: Recorded }> {
  const peer = await RawPeer.open(address)
  const session = await peer.shake()
  return { peer, session, end: new Recorded(await pair.accepted()) }
}

beforeEach(async () => {
  pair = new Pair({
    transport: () => webSocket(),
    listenAddress: '',
    deadAddress: '',
    silentAddress: async () => '',
    dispose: async () => {},
  })
  address = await pair.listen('ws://127.0.0.1:0')
  bystander = await pair.links(address)
})

afterEach(async () => {
  const [a, b] = bystander
  a.link.send(text('unharmed'))
  const messages = await b.received(1)
  for (const raw of sockets.splice(0)) raw.socket.destroy()
  await pair.close()
  expect(new TextDecoder().decode(messages[0])).toBe('unharmed')
})

describe('before it is a WebSocket', () => {
  it('a peer that connects and says nothing is cut at the deadline', async () => {
    const raw = await tcp()
    await deadlines(1)
    pair.clock.advance(WIRE.handshakeTimeoutMs)
    await raw.closed
    expect(raw.received).toBe('')
  })

  it('so is one that never finishes its request', async () => {
    const raw = await tcp()
    raw.socket.write('GET / HTTP/1.1\r\nhost: x\r\nx-slow: ')
    await deadlines(1)
    pair.clock.advance(WIRE.handshakeTimeoutMs)
    await raw.closed
  })

  it('silence holds the unproven slots until the deadline, and no longer', async () => {
    const silent = await Promise.all(Array.from({ length: WIRE.unprovenLinksMax - 1 }, tcp))
    const oneTooMany = await tcp()
    await oneTooMany.closed
    pair.clock.advance(WIRE.handshakeTimeoutMs)
    await Promise.all(silent.map((raw) => raw.closed))
    const [a] = await pair.links(address)
    expect(a.link.peer).toBe(pair.acceptorIdentity.peer)
  })

  it('an unknown subprotocol is refused with 4100 InvalidProtocol', async () => {
    const raw = await tcp()
    raw.upgrade('chat.1')
    await raw.closed
    expect(raw.received).toMatch(/^HTTP\/1\.1 400 /)
    expect(raw.received).toMatch(/4100 InvalidProtocol/)
  })

  it('a plain request is answered 426 and shown the door', async () => {
    const raw = await tcp()
    raw.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await raw.closed
    expect(raw.received).toMatch(/^HTTP\/1\.1 426 /)
    expect(raw.received).toMatch(/upgrade: websocket/i)
  })

  it('what is not HTTP at all is dropped', async () => {
    const raw = await tcp()
    raw.socket.write(crypto.randomBytes(2_000))
    await raw.closed
  })
})

describe('before it has a channel', () => {
  it('a silent WebSocket is closed Timeout at the deadline', async () => {
    const peer = await RawPeer.open(address)
    await deadlines(1)
    pair.clock.advance(WIRE.handshakeTimeoutMs)
    expect(await peer.closeCode).toBe(4308)
  })

  it.each([
    ['too short', new Uint8Array(5)],
    ['of the right length, but a point of small order', new Uint8Array(32)],
    ['of the largest length there is', new Uint8Array(WIRE.frameBytesMax)],
  ])('garbage instead of Noise, %s, is closed InvalidHandshake', async (_, garbage) => {
    const peer = await RawPeer.open(address)
    peer.webSocket.send(garbage)
    expect(await peer.closeCode).toBe(4300)
  })

  it('garbage instead of the last handshake message is closed InvalidHandshake', async () => {
    const peer = await RawPeer.open(address)
    peer.webSocket.send(crypto.agreement().publicKey)
    await peer.packet()
    peer.webSocket.send(crypto.randomBytes(160))
    expect(await peer.closeCode).toBe(4300)
  })

  it('a text message is closed InvalidHandshake', async () => {
    const peer = await RawPeer.open(address)
    peer.webSocket.send('hello')
    expect(await peer.closeCode).toBe(4300)
  })

  it('a peer that claims an id it has no key for is closed InvalidHandshake', async () => {
    const peer = await RawPeer.open(address)
    const victim = Identity.ephemeral()
    const thief = Identity.ephemeral()
    await peer.shake({ identity: { ...thief, peer: victim.peer, kind: 'fixed', sign: (bytes) => thief.sign(bytes) } })
    expect(await peer.closeCode).toBe(4300)
  })

  it('a handshake for another protocol than the WebSocket names does not complete', async () => {
    const peer = await RawPeer.open(address)
    await expect(peer.shake({ protocol: 'tessera.discovery.1' })).rejects.toThrow()
    peer.webSocket.terminate()
  })

  it('a WebSocket message that claims 1 GiB is refused at its header', async () => {
    const raw = await tcp()
    raw.upgrade('tessera.groups.1')
    await raw.told('101 Switching')
    const before = process.memoryUsage().arrayBuffers
    const header = Buffer.alloc(14)
    header.set([0x82, 0xff])
    header.writeBigUInt64BE(BigInt(GIBIBYTE), 2)
    raw.socket.write(Buffer.concat([header, Buffer.alloc(4_096)]))
    // RFC 6455 §5.5.1, §7.4.1: a close frame with code 1009, message too big.
    await raw.told(Buffer.from([0x88, 2, 1009 >> 8, 1009 & 255]).toString('latin1'))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024)
  })
})

describe('with a channel, before it is trusted', () => {
  it('a message that claims 1 GiB is closed ProtocolViolation, at the cost of nothing', async () => {
    const { peer, session, end } = await proven()
    const before = process.memoryUsage().arrayBuffers
    peer.webSocket.send(session.seal(Uint8Array.from([0, 0, 4, 0x40, 0, 0, 0])))
    expect(await peer.closeReason(session)).toBe('ProtocolViolation')
    expect(await end.closed).toEqual({ reason: 'ProtocolViolation', byPeer: false })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024)
  })

  it.each<[string, (sealedFrame: Uint8Array) => Uint8Array | string]>([
    ['a frame that was tampered with', (frame) => frame.map((byte, i) => (i === 3 ? byte ^ 1 : byte))],
    ['a frame that is not sealed', (frame) => new Uint8Array(frame.length)],
    ['a frame shorter than a tag', () => new Uint8Array(3)],
    ['a text message', () => 'hello'],
  ])('%s is closed ProtocolViolation', async (_, spoil) => {
    const { peer, session, end } = await proven()
    peer.webSocket.send(spoil(sealed(session, text('x'))))
    expect(await peer.closeReason(session)).toBe('ProtocolViolation')
    expect(await end.closed).toEqual({ reason: 'ProtocolViolation', byPeer: false })
    expect(end.messages).toHaveLength(0)
  })

  it('a frame that is sent again is closed ProtocolViolation', async () => {
    const { peer, session, end } = await proven()
    const frame = sealed(session, text('once'))
    peer.webSocket.send(frame)
    await end.received(1)
    peer.webSocket.send(frame)
    expect(await peer.closeReason(session)).toBe('ProtocolViolation')
    expect(end.messages).toHaveLength(1)
  })

  it('a WebSocket message past the frame cap ends the link as ProtocolViolation', async () => {
    const { peer, end } = await proven()
    peer.webSocket.send(new Uint8Array(WIRE.frameBytesMax + 1))
    expect(await end.closed).toEqual({ reason: 'ProtocolViolation', byPeer: false })
    expect(await peer.closeCode).toBe(1009)
  })
})

describe('the end cannot be forged', () => {
  it.each([4303, 4330, 4204, 1000])('a close with code %i in the clear is UnexpectedClose', async (code) => {
    const { peer, end } = await proven()
    peer.webSocket.close(code, 'NotAllowed')
    expect(await end.closed).toEqual({ reason: 'UnexpectedClose', byPeer: true })
  })

  it('a socket that breaks is UnexpectedClose', async () => {
    const { peer, end } = await proven()
    peer.webSocket.terminate()
    expect(await end.closed).toEqual({ reason: 'UnexpectedClose', byPeer: true })
  })
})

describe('a peer that stops reading', () => {
  /** Sends until the link refuses, a turn of the event loop between any two. */
  async function fill(end: Recorded): Promise<void> {
    const chunk = new Uint8Array(256 * 1024)
    while (end.link.send(chunk, 'bulk')) await turn()
  }

  it('is refused more than its budget, and nobody else waits for it', async () => {
    const { peer, end } = await proven()
    peer.webSocket.pause()
    await fill(end)
    expect(end.link.queuedBytes).toBeLessThanOrEqual(WIRE.linkQueueBytesMax)
    const [a, b] = await pair.links(address)
    b.link.send(text('meanwhile'))
    expect(new TextDecoder().decode((await a.received(1))[0])).toBe('meanwhile')
    peer.webSocket.terminate()
    await end.closed
  })

  it('cannot hold up a close for longer than its deadline', async () => {
    const { peer, end } = await proven()
    peer.webSocket.pause()
    await fill(end)
    const down = end.link.close('TooSlow')
    expect(await end.closed).toEqual({ reason: 'TooSlow', byPeer: false })
    pair.clock.advance(WIRE.closeTimeoutMs)
    await down
    expect(end.link.queuedBytes).toBe(0)
    peer.webSocket.terminate()
  })

  it('and that never closes its end is cut', async () => {
    const { peer, end } = await proven()
    peer.webSocket.pause()
    const down = end.link.close('Departed')
    await end.closed
    pair.clock.advance(WIRE.closeTimeoutMs)
    await down
    peer.webSocket.terminate()
  })
})
