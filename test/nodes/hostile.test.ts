/**
 * Hostile and mismatched peers against a member of a group, over real sockets (SEMANTICS §2 and §3, §7 faults 8 and 9): each is closed
 * with its own reason within its deadline, costs a bounded amount of memory, and disturbs nobody.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { crypto } from '../../src/identity/crypto.ts'
import { derive, digest, type GroupId, type NetworkId } from '../../src/identity/digest.ts'
import { GroupKey } from '../../src/identity/group-key.ts'
import { DISCOVERY, WIRE } from '../../src/limits.ts'
import { encodeBond, encodeHandshake } from '../../src/transport/codec.ts'
import { RawSocket } from '../transport/raw-peer.ts'
import { eventually, Hostile, type Wiretap, within } from './hostile-peer.ts'
import { expectBounded, type HonestPair, honestPair, peakBuffers } from './hostile-world.ts'

const REPEATS = 50
/** Of all repetitions together: some hundred KiB of noise, and nothing that grows with each. */
const LEFT_MEBIBYTES = 8
/** Well below every deadline. */
const AT_ONCE_MS = 1_500
const GIBIBYTE = 2 ** 30
const OTHER_NETWORK = digest('another network') as NetworkId
const OTHER_GROUP = digest('a group that nobody joined') as GroupId

let pair: HonestPair
let hostile: Hostile

beforeAll(async () => {
  pair = await honestPair()
}, 30_000)

beforeEach(() => {
  hostile = new Hostile(pair.target)
})

afterEach(async () => {
  await pair.expectUndisturbed()
  await hostile.close()
})

afterAll(async () => {
  await pair.stop()
})

/** Known to the target, with a channel to it. */
async function known(topic?: GroupId | null): Promise<Wiretap> {
  await hostile.announce(hostile.entry())
  return hostile.channel(topic)
}

const endsAtOnce = (tap: Wiretap) => within(AT_ONCE_MS, 'the close reason', tap.ended())

/** The peer was told nothing but why. */
async function expectRefused(tap: Wiretap, reason: string): Promise<void> {
  expect(await endsAtOnce(tap)).toBe(reason)
  expect(tap.heard).toEqual([])
}

describe('a mismatched peer', () => {
  it('that is not in the catalog, and brings no entry of its own: UnknownPeer', async () => {
    const other = new Hostile(pair.target)
    const strange = async () => {
      const tap = await hostile.channel()
      tap.say(hostile.start(tap, { entry: other.entry() }))
      await expectRefused(tap, 'UnknownPeer')
    }
    await expectBounded(REPEATS, LEFT_MEBIBYTES, strange)
    expect(pair.node.peers.map(({ peer }) => peer)).not.toContain(other.identity.peer)
    await other.endpoint.close()
  })

  it('of another network: DifferentNetwork, and its entry is not taken in', async () => {
    await hostile.announce(hostile.entry())
    await expectBounded(REPEATS, LEFT_MEBIBYTES, async () => {
      const tap = await hostile.channel()
      tap.say(hostile.start(tap, { network: OTHER_NETWORK }))
      await expectRefused(tap, 'DifferentNetwork')
    })
    const stranger = new Hostile({ ...pair.target, network: OTHER_NETWORK })
    expect(await stranger.announce(stranger.entry())).toBe('DifferentNetwork')
    expect(await hostile.announce(stranger.entry())).toBe('Success')
    expect(pair.node.peers.map(({ peer }) => peer)).not.toContain(stranger.identity.peer)
    await stranger.endpoint.close()
  })

  it('that asks for a group nobody joined: GroupNotFound', async () => {
    await hostile.announce(hostile.entry())
    await expectBounded(REPEATS, LEFT_MEBIBYTES, async () => {
      const tap = await hostile.channel(OTHER_GROUP)
      tap.say(hostile.start(tap, { group: OTHER_GROUP }))
      await expectRefused(tap, 'GroupNotFound')
    })
  })

  it('that names one group for its link and another in its handshake: GroupNotFound', async () => {
    const tap = await known()
    tap.say(hostile.start(tap, { group: OTHER_GROUP }))
    await expectRefused(tap, 'GroupNotFound')
    const stray = await hostile.channel(null)
    stray.say(hostile.start(stray))
    await expectRefused(stray, 'GroupNotFound')
  })

  it('with another group key has another group id: GroupNotFound', async () => {
    const key = GroupKey.random()
    const group = derive(key.fingerprint(), 'raft') as GroupId
    const tap = await known(group)
    const proof = key.prove(tap.session.sharedRandom(group), hostile.identity.peer)
    tap.say(hostile.start(tap, { group, proof }))
    await expectRefused(tap, 'GroupNotFound')
  })

  it('with another group key that forges the group id: InvalidProof', async () => {
    const { group } = pair.target
    await hostile.announce(hostile.entry())
    await expectBounded(REPEATS, LEFT_MEBIBYTES, async () => {
      const tap = await hostile.channel()
      const proof = GroupKey.random().prove(tap.session.sharedRandom(group), hostile.identity.peer)
      tap.say(hostile.start(tap, { proof }))
      await expectRefused(tap, 'InvalidProof')
    })
  })

  it('with a proof of another link, or of another prover: InvalidProof', async () => {
    const { group, key } = pair.target
    const first = await known()
    const second = await hostile.channel()
    const replayed = key.prove(first.session.sharedRandom(group), hostile.identity.peer)
    second.say(hostile.start(second, { proof: replayed }))
    await expectRefused(second, 'InvalidProof')
    const reflected = key.prove(first.session.sharedRandom(group), pair.node.id)
    first.say(hostile.start(first, { proof: reflected }))
    await expectRefused(first, 'InvalidProof')
  })

  it('without ticket, or with a refused one, but with the key: NotAllowed', async () => {
    for (const tickets of [[], [{ class: 'badge', data: Uint8Array.of(0) }]]) {
      await expectBounded(REPEATS, LEFT_MEBIBYTES, async () => {
        const tap = await hostile.channel()
        tap.say(hostile.start(tap, { entry: hostile.entry({ tickets }) }))
        await expectRefused(tap, 'NotAllowed')
      })
    }
  })

  it('is let in all the same once it does everything right', async () => {
    const tap = await hostile.bond()
    await eventually('the bond', () => pair.group.bonds.has(hostile.identity.peer))
    tap.say(encodeBond({ type: 'Departure' }))
    expect(await endsAtOnce(tap)).toBe('Departed')
  })
})

describe('a peer that says nothing', () => {
  /** `count` at a time: they are cut together, at the deadline, and cost nothing meanwhile. */
  async function silent<T>(one: () => Promise<T>, ended: (peer: T) => Promise<unknown>): Promise<unknown[]> {
    const startedMs = Date.now()
    const peers = await Promise.all(Array.from({ length: REPEATS }, one))
    const openedMs = Date.now() - startedMs
    const reasons = await within(10_000, 'the deadline', Promise.all(peers.map(ended)))
    const tookMs = Date.now() - startedMs
    expect(tookMs).toBeGreaterThanOrEqual(WIRE.handshakeTimeoutMs - 50)
    expect(tookMs).toBeLessThan(openedMs + WIRE.handshakeTimeoutMs + 1_500)
    return reasons
  }

  it('not even HTTP is cut at the deadline', async () => {
    await silent(
      () => RawSocket.open(pair.target.address),
      (raw) => raw.closed,
    )
  })

  it('on its WebSocket: 4308 Timeout', async () => {
    const codes = await silent(
      () => hostile.raw(),
      (raw) => raw.closeCode,
    )
    expect(new Set(codes)).toEqual(new Set([4308]))
  })

  it.each([
    ['in this group', () => pair.target.group],
    ['in a group that nobody joined', () => OTHER_GROUP],
  ] as const)('on its channel, %s: Timeout', async (_, topic) => {
    await hostile.announce(hostile.entry())
    const reasons = await silent(
      () => hostile.channel(topic()),
      (tap) => tap.ended(),
    )
    expect(new Set(reasons)).toEqual(new Set(['Timeout']))
  })

  it('after it has heard HandshakeEnd: Timeout, and its claim is free again', async () => {
    await hostile.announce(hostile.entry())
    const tap = await hostile.channel()
    tap.say(hostile.start(tap))
    const competing = await hostile.channel()
    await tap.message()
    competing.say(hostile.start(competing))
    await expectRefused(competing, 'AlreadyBonded')
    expect(await within(5_000, 'the deadline', tap.ended())).toBe('Timeout')
    const again = await hostile.bond()
    await eventually('the bond', () => pair.group.bonds.has(hostile.identity.peer))
    again.peer.webSocket.terminate()
  })

  it('on discovery: Timeout', async () => {
    const link = await hostile.endpoint.dial(pair.target.address, { protocol: 'tessera.discovery.1' })
    const startedMs = Date.now()
    const reason = await within(5_000, 'the deadline', new Promise((resolve) => link.onClose(resolve)))
    expect(reason).toBe('Timeout')
    expect(Date.now() - startedMs).toBeGreaterThanOrEqual(DISCOVERY.exchangeTimeoutMs - 50)
  })
})

describe('a peer that sends garbage', () => {
  it('instead of HTTP is dropped', async () => {
    await expectBounded(REPEATS, LEFT_MEBIBYTES, async () => {
      const raw = await RawSocket.open(pair.target.address)
      raw.socket.write(crypto.randomBytes(4_096))
      await within(AT_ONCE_MS, 'the cut', raw.closed)
    })
  })

  it('instead of Noise: 4300 InvalidHandshake', async () => {
    await expectBounded(REPEATS, LEFT_MEBIBYTES, async () => {
      const raw = await hostile.raw()
      raw.webSocket.send(crypto.randomBytes(4_096))
      expect(await within(AT_ONCE_MS, 'the close code', raw.closeCode)).toBe(4300)
    })
  })

  it.each([
    ['random bytes', () => crypto.randomBytes(512)],
    ['a message of the steady state', () => encodeBond({ type: 'Ping', sentMs: 1 })],
    ['nothing at all', () => new Uint8Array(0)],
  ] as const)('instead of HandshakeStart, %s: InvalidHandshake', async (_, garbage) => {
    await hostile.announce(hostile.entry())
    await expectBounded(REPEATS, LEFT_MEBIBYTES, async () => {
      const tap = await hostile.channel()
      tap.say(garbage())
      await expectRefused(tap, 'InvalidHandshake')
    })
  })

  it('instead of a sealed frame: ProtocolViolation', async () => {
    const tap = await known()
    tap.peer.webSocket.send(crypto.randomBytes(512))
    await expectRefused(tap, 'ProtocolViolation')
  })

  it.each([
    [
      'HandshakeEnd',
      () => encodeHandshake({ type: 'HandshakeEnd', proof: new Uint8Array(32), bonds: [] }),
      'ProtocolViolation',
    ],
    ['Peers', () => encodeHandshake({ type: 'Peers', bonds: [] }), 'ProtocolViolation'],
  ] as const)('a handshake out of its order, %s first: %s', async (_, message, reason) => {
    const tap = await known()
    tap.say(message())
    await expectRefused(tap, reason)
  })

  it.each([
    ['random bytes', () => crypto.randomBytes(512)],
    ['a handshake message', (tap: Wiretap) => hostile.start(tap)],
    ['a raft message of no known kind', () => Uint8Array.of(0x82, 9, 0x81, 0x18, 99)],
  ] as const)('in the steady state, %s: ProtocolViolation', async (_, garbage) => {
    const { peer } = hostile.identity
    for (let i = 0; i < 5; i++) {
      const tap = await hostile.bond()
      tap.say(garbage(tap))
      expect(await endsAtOnce(tap)).toBe('ProtocolViolation')
      await eventually('the end of the bond', () => !pair.group.bonds.has(peer))
    }
  })
})

describe('a peer that claims 1 GiB', () => {
  const FEW_BYTES = 16 * 1024 * 1024
  const claim = Uint8Array.from([0, 0, 4, GIBIBYTE >>> 24, 0, 0, 0])

  it('in the header of a WebSocket message: 1009, at its header', async () => {
    const header = Buffer.alloc(14)
    header.set([0x82, 0xff])
    header.writeBigUInt64BE(BigInt(GIBIBYTE), 2)
    const peak = await peakBuffers(() =>
      expectBounded(REPEATS, LEFT_MEBIBYTES, async () => {
        const raw = await RawSocket.open(pair.target.address)
        raw.upgrade('tessera.groups.1')
        await raw.told('101 Switching')
        raw.socket.write(Buffer.concat([header, Buffer.alloc(4_096)]))
        // RFC 6455 §5.5.1, §7.4.1: a close frame with code 1009, message too big.
        await within(AT_ONCE_MS, 'the close frame', raw.told(Buffer.from([0x88, 2, 0x03, 0xf1]).toString('latin1')))
        raw.socket.destroy()
      }),
    )
    expect(peak).toBeLessThan(FEW_BYTES)
  })

  it('as the length of its first message: ProtocolViolation', async () => {
    await hostile.announce(hostile.entry())
    const peak = await peakBuffers(() =>
      expectBounded(REPEATS, LEFT_MEBIBYTES, async () => {
        const tap = await hostile.channel()
        tap.frame(claim)
        await expectRefused(tap, 'ProtocolViolation')
      }),
    )
    expect(peak).toBeLessThan(FEW_BYTES)
  })

  it('as the length of a message in the steady state: ProtocolViolation', async () => {
    const peak = await peakBuffers(async () => {
      for (let i = 0; i < 5; i++) {
        const tap = await hostile.bond()
        tap.frame(claim)
        expect(await endsAtOnce(tap)).toBe('ProtocolViolation')
      }
    })
    expect(peak).toBeLessThan(FEW_BYTES)
  })
})

describe('a member that lies', () => {
  it('about who it is: an entry update of another peer, or a forged one, is a ProtocolViolation', async () => {
    const accomplice = new Hostile(pair.target)
    const forged = { ...hostile.entry(), signature: new Uint8Array(64) }
    for (const entry of [accomplice.entry(), forged]) {
      const tap = await hostile.bond()
      tap.say(encodeBond({ type: 'PeerEntryUpdate', entry }))
      expect(await endsAtOnce(tap)).toBe('ProtocolViolation')
    }
    await accomplice.close()
  })

  it('about the time: an entry from the future is not kept, whichever way it comes', async () => {
    const liar = new Hostile(pair.target)
    const ahead = liar.entry({ update: Date.now() + DISCOVERY.futureMaxMs + 60_000 })
    await hostile.announce(ahead)
    const tap = await hostile.bond()
    tap.say(encodeBond({ type: 'BondFormed', entry: ahead }), encodeBond({ type: 'Departure' }))
    expect(await endsAtOnce(tap)).toBe('Departed')
    expect(pair.node.peers.map(({ peer }) => peer)).not.toContain(liar.identity.peer)
    await liar.endpoint.close()
  })

  it('about who is still there: one that departed is not brought back', async () => {
    const gone = new Hostile(pair.target)
    const before = gone.entry()
    await gone.close()
    await hostile.announce(before)
    const tap = await hostile.bond()
    tap.say(encodeBond({ type: 'BondFormed', entry: before }), encodeBond({ type: 'Departure' }))
    expect(await endsAtOnce(tap)).toBe('Departed')
    expect(pair.node.peers.map(({ peer }) => peer)).not.toContain(gone.identity.peer)
  })
})
