/**
 * A member that stops reading (SEMANTICS §3 liveness, §7 fault 10), over real sockets: what waits for it is bounded, it is given up in time,
 * and the heartbeats to the others go on all the while.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { BOND, WIRE } from '../../src/limits.ts'
import { encodeBond } from '../../src/transport/codec.ts'
import type { Link } from '../../src/transport/transport.ts'
import { eventually, Hostile, turn, type Wiretap } from './hostile-peer.ts'
import { type HonestPair, honestPair } from './hostile-world.ts'

/** Silence until it counts as one, then as many ticks as may be missed, the longest there are; and a second for a busy machine. */
const GIVEN_UP_MS =
  BOND.livenessIntervalMs * (BOND.missedMax + 2) + BOND.livenessIntervalMs + BOND.livenessJitterMs + 1_000

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

interface Deaf {
  readonly tap: Wiretap
  /** The target's end of the link. */
  readonly link: Link
}

/** A steady member that reads nothing from here on. */
async function deaf(): Promise<Deaf> {
  const tap = await hostile.bond()
  await eventually('the bond', () => pair.group.bonds.has(hostile.identity.peer))
  tap.peer.webSocket.pause()
  return { tap, link: pair.linkWith(hostile.identity.peer) }
}

/** Sends until the socket takes no more and `bytes` wait in the link, or the link refuses. */
async function fill({ link }: Deaf, bytes: number): Promise<void> {
  const chunk = new Uint8Array(256 * 1024)
  while (link.queuedBytes < bytes && link.send(chunk, 'bulk')) await turn()
}

describe('a member that stops reading', () => {
  it('has no more waiting for it than its budget, is given up as Timeout, and delays nobody', async () => {
    const slow = await deaf()
    const bond = pair.group.bonds.get(hostile.identity.peer)
    const startedMs = Date.now()
    await fill(slow, Number.POSITIVE_INFINITY)
    expect(slow.link.queuedBytes).toBeLessThanOrEqual(WIRE.linkQueueBytesMax)
    expect(slow.link.queuedBytes).toBeGreaterThan(WIRE.linkQueueBytesMax / 2)
    let longestMs = 0
    let most = 0
    while (!bond?.isTerminated) {
      const askedMs = Date.now()
      await pair.other.group.execute({ add: 1 })
      longestMs = Math.max(longestMs, Date.now() - askedMs)
      most = Math.max(most, slow.link.queuedBytes)
      await turn()
      if (Date.now() - startedMs > 2 * GIVEN_UP_MS) break
    }
    expect(await bond?.terminated()).toBe('Timeout')
    expect(Date.now() - startedMs).toBeLessThan(GIVEN_UP_MS)
    expect(longestMs).toBeLessThan(BOND.livenessIntervalMs)
    expect(most).toBeLessThanOrEqual(WIRE.linkQueueBytesMax)
    await eventually('the cut', () => slow.link.queuedBytes === 0, WIRE.closeTimeoutMs + 1_000)
  })

  it('has no more of the smallest messages waiting for it than of others: what holds them is bounded too', async () => {
    const slow = await deaf()
    // From here on all waits.
    await fill(slow, 2 * WIRE.socketBytesMax)
    const { link, tap } = slow
    let sent = 0
    while (sent <= WIRE.linkQueueMessagesMax && link.send(new Uint8Array(1))) sent++
    expect(sent).toBeLessThanOrEqual(WIRE.linkQueueMessagesMax)
    // Raft may have had a few to say before.
    expect(sent).toBeGreaterThan(WIRE.linkQueueMessagesMax - 100)
    tap.peer.webSocket.terminate()
    await eventually('the end of the bond', () => !pair.group.bonds.has(hostile.identity.peer))
  })

  it('is not answered what it asks: its pings make nothing wait', async () => {
    const slow = await deaf()
    await fill(slow, 2 * WIRE.socketBytesMax)
    const before = slow.link.queuedBytes
    const pings = Array.from({ length: 2_000 }, (_, sentMs) => encodeBond({ type: 'Ping', sentMs }))
    for (let i = 0; i < 10; i++) slow.tap.say(...pings)
    const tags = ['0a'.repeat(32)] as never[]
    slow.tap.say(encodeBond({ type: 'PeerEntryUpdate', entry: hostile.entry({ tags }) }))
    const newest = () => pair.node.peers.find(({ peer }) => peer === hostile.identity.peer)
    await eventually('the last message', () => newest()?.tags.length === 1)
    // What raft has for a learner in that time.
    expect(slow.link.queuedBytes - before).toBeLessThan(4_096)
    slow.tap.peer.webSocket.terminate()
    await eventually('the end of the bond', () => !pair.group.bonds.has(hostile.identity.peer))
  })
})
