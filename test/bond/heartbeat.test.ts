import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BOND } from '../../src/limits.ts'
import {
  heardAt,
  isLost,
  isSilent,
  type Liveness,
  nextFinding,
  nextTick,
  sample,
  tick,
} from '../../src/machines/bond/heartbeat.ts'
import { type RandomState, randomFrom } from '../../src/machines/random.ts'

const ticks = (start: Liveness, atMs: readonly number[]) => atMs.reduce(tick, start)
const missed = (count: number): Liveness => ({ heardMs: 0, missed: count })

describe('liveness', () => {
  it('counts a miss only for a silence longer than interval plus jitter', () => {
    expect(tick(heardAt(100), 750).missed).toBe(0)
    expect(tick(heardAt(100), 751).missed).toBe(1)
    expect(ticks(heardAt(0), [500, 1_000, 1_350]).missed).toBe(2)
  })

  it('is the same where nothing was missed', () => {
    const liveness = heardAt(100)
    expect(tick(liveness, 500)).toBe(liveness)
  })

  it('counts one miss however long a tick was late: a process that slept has not listened', () => {
    expect(tick(heardAt(0), 60_000).missed).toBe(1)
  })

  it('starts over with anything heard', () => {
    expect(heardAt(2_000)).toEqual({ heardMs: 2_000, missed: 0 })
  })

  it('takes a peer for silent once a ping was left without an answer for a tick', () => {
    expect([0, 1, 2, 3].map((count) => isSilent(missed(count)))).toEqual([false, false, true, true])
  })

  it('gives a peer up after ten misses in a row, not after nine', () => {
    expect(isLost(missed(BOND.missedMax - 1))).toBe(false)
    expect(isLost(missed(BOND.missedMax))).toBe(true)
  })

  it('takes between 650 + 9 x 350 and 12 x 500 ms to give up whatever the jitter', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 350, max: 500, noNaN: true }), { minLength: 13, maxLength: 13 }),
        (lengths) => {
          let liveness = heardAt(0)
          let passedMs = 0
          for (const length of lengths) {
            if (isLost(liveness)) break
            passedMs += length
            liveness = tick(liveness, passedMs)
          }
          return isLost(liveness) && passedMs >= 3_800 && passedMs <= 6_000
        },
      ),
    )
  })

  it('draws ticks of the interval less at most the jitter, and not all alike', () => {
    let random: RandomState = [1, 2, 3, 4]
    const drawn: number[] = []
    for (let count = 0; count < 200; count++) {
      const [tickMs, next] = nextTick(random)
      drawn.push(tickMs)
      random = next
    }
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(350)
    expect(Math.max(...drawn)).toBeLessThanOrEqual(500)
    expect(Math.max(...drawn) - Math.min(...drawn)).toBeGreaterThan(100)
  })
})

describe('the next tick that can find anything', () => {
  const seed = fc.tuple(fc.integer(), fc.integer(), fc.integer(), fc.integer())

  it('is the first at which the silence would be too long, were nothing heard until then', () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 0, max: 5_000 }), (drawn, sinceMs) => {
        const [atMs] = nextFinding(heardAt(1_000), 1_000 + sinceMs, randomFrom(drawn as RandomState))
        expect(tick(heardAt(1_000), atMs).missed).toBe(1)
        expect(atMs).toBeGreaterThanOrEqual(1_000 + sinceMs + 350)
        // One tick before it may have found a silence of 650 ms, which is none.
        expect(atMs).toBeLessThanOrEqual(1_000 + Math.max(sinceMs, 650) + 500)
      }),
    )
  })

  it('keeps to the shortest tick that there may be', () => {
    const [atMs] = nextFinding(missed(3), 2_000, [1, 2, 3, 4], 499.5)
    expect(atMs).toBeGreaterThanOrEqual(2_499.5)
  })
})

describe('round-trip time (RFC 6298 §2)', () => {
  it('takes the first sample as it is, half of it as deviation', () => {
    expect(sample(null, 80)).toEqual({ srttMs: 80, rttvarMs: 40 })
  })

  it('weighs later samples by 1/8, their deviation by 1/4', () => {
    expect(sample({ srttMs: 80, rttvarMs: 40 }, 160)).toEqual({ srttMs: 90, rttvarMs: 50 })
  })

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('ignores a sample of %d ms', (wrong) => {
    const rtt = { srttMs: 80, rttvarMs: 40 }
    expect(sample(rtt, wrong)).toBe(rtt)
    expect(sample(null, wrong)).toBeNull()
  })

  it('stays between the smallest and largest sample', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 10_000 }), { minLength: 1 }), (samples) => {
        const rtt = samples.reduce<ReturnType<typeof sample>>(sample, null)
        return rtt !== null && rtt.srttMs >= Math.min(...samples) - 1e-6 && rtt.srttMs <= Math.max(...samples) + 1e-6
      }),
    )
  })
})
