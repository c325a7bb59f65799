/** The heartbeat of a link, on a simulated clock: when it asks, and what its chart hears of it. */
import { describe, expect, it } from 'vitest'
import { Heartbeat } from '../../src/actors/heartbeat.ts'
import { BOND } from '../../src/limits.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'

function rig() {
  const clock = new SimulatedClock()
  const startMs = clock.now()
  const log: string[] = []
  const beat = new Heartbeat(clock, [1, 2, 3, 4], {
    ping: () => void log.push('ping'),
    pong: () => void log.push('pong'),
    tell: ({ type }) => void log.push(type),
  })
  return {
    clock,
    log,
    beat,
    sinceMs: () => clock.now() - startMs,
    take: () => log.splice(0),
    /** Heard each `everyMs`. */
    hearing: async (ms: number, everyMs: number) => {
      for (let passed = 0; passed < ms; passed += everyMs) {
        beat.heard()
        await clock.advance(everyMs)
      }
    },
  }
}

describe('a heartbeat', () => {
  it('asks once at the start: a bond that never falls silent has a round-trip time as well', () => {
    expect(rig().log).toEqual(['ping'])
  })

  it('asks nothing and tells nothing while anything is heard', async () => {
    const { take, hearing } = rig()
    take()
    await hearing(10_000, 300)
    expect(take()).toEqual([])
  })

  it('tells nothing of a silence that a ping ends', async () => {
    const { clock, take, beat } = rig()
    take()
    for (let round = 0; round < 20; round++) {
      for (let passed = 0; passed < 1_200 && !take().includes('ping'); passed += 10) await clock.advance(10)
      beat.heard()
    }
    expect(take()).toEqual([])
  })

  it('pings with each miss, tells of the second, and gives up with the tenth', async () => {
    const { clock, take, sinceMs, log } = rig()
    take()
    await clock.advanceUntil(() => log.includes('bond.lost'), 10_000)
    const pings = (count: number) => new Array<string>(count).fill('ping')
    expect(take()).toEqual([...pings(2), 'bond.silent', ...pings(BOND.missedMax - 3), 'bond.lost'])
    expect(sinceMs()).toBeGreaterThanOrEqual(3_800)
    expect(sinceMs()).toBeLessThanOrEqual(6_000)
    await clock.advance(10_000)
    expect(take()).toEqual([])
  })

  it('starts counting anew with anything heard, even after the ninth miss, and tells that it was', async () => {
    const { clock, take, log, beat } = rig()
    take()
    await clock.advanceUntil(() => log.filter((word) => word === 'ping').length === BOND.missedMax - 1, 10_000)
    take()
    beat.heard()
    beat.heard()
    expect(take()).toEqual(['bond.heard'])
    await clock.advance(3_500)
    expect(take()).not.toContain('bond.lost')
  })

  it('measures the way there and back', async () => {
    const { clock, beat } = rig()
    expect(beat.rtt).toBeNull()
    const sentMs = clock.monotonicMs()
    await clock.advance(80)
    beat.answered(sentMs)
    beat.answered(sentMs - 80)
    expect(beat.rtt).toEqual({ srttMs: 90, rttvarMs: 50 })
  })

  it('owes no answer to a ping that crossed one of its own, once it has a round-trip time', async () => {
    const { clock, log, take, beat } = rig()
    take()
    const hearPing = () => {
      beat.heard()
      beat.asked(clock.monotonicMs())
    }
    hearPing()
    expect(take()).toEqual(['pong'])
    beat.answered(clock.monotonicMs())
    await clock.advanceUntil(() => log.includes('ping'), 10_000)
    take()
    hearPing()
    expect(take()).toEqual([])
    hearPing()
    expect(take()).toEqual(['pong'])
  })

  it('is still once stopped', async () => {
    const { clock, take, beat } = rig()
    take()
    beat.stop()
    await clock.advance(10_000)
    expect(take()).toEqual([])
    expect(clock.nextMs).toBeNull()
  })
})
