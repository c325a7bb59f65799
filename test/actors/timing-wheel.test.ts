import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProcessClock } from '../../src/testing/process-clock.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import { SLOT_MS, TimingWheel, wheelOf } from '../../src/timing-wheel.ts'

function rig() {
  const clock = new SimulatedClock(1_000)
  const wheel = new TimingWheel(clock)
  const ticks: [string, number][] = []
  const ticking = (name: string) => ({ tick: () => void ticks.push([name, clock.monotonicMs() - 1_000]) })
  return { clock, wheel, ticks, ticking }
}

describe('a timing wheel', () => {
  it('calls at the last slot before the moment, those of one slot together and in order', async () => {
    const { clock, wheel, ticks, ticking } = rig()
    wheel.add(ticking('a'), 1_130)
    wheel.add(ticking('b'), 1_070)
    wheel.add(ticking('c'), 1_125)
    await clock.advance(1_000)
    expect(ticks).toEqual([
      ['b', 50],
      ['a', 125],
      ['c', 125],
    ])
  })

  it('calls once, at most a slot early, never late and never in the slot of the asking, whatever is asked for', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 600 }), { maxLength: 40 }), async (delays) => {
        const { clock, wheel, ticks, ticking } = rig()
        for (const [i, delay] of delays.entries()) {
          wheel.add(ticking(String(i)), clock.monotonicMs() + delay)
        }
        await clock.advance(1_000)
        expect(ticks).toHaveLength(delays.length)
        for (const [name, atMs] of ticks) {
          const dueMs = delays[Number(name)]!
          expect(atMs).toBeGreaterThanOrEqual(Math.max(SLOT_MS, dueMs - SLOT_MS + 1))
          expect(atMs).toBeLessThanOrEqual(Math.max(SLOT_MS, dueMs))
        }
      }),
    )
  })

  it('wakes once for all that are due in a slot, and not at all where nothing waits', async () => {
    const { clock, wheel, ticking } = rig()
    let wakeUps = 0
    for (let i = 0; i < 200; i++) wheel.add(ticking('a'), 1_300 + (i % SLOT_MS))
    while (clock.step()) wakeUps++
    expect(wakeUps).toBe(1)
    expect(clock.nextMs).toBeNull()
  })

  it('lets those who tick ask for the next tick', async () => {
    const { clock, wheel, ticks } = rig()
    const again = {
      tick: () => {
        ticks.push(['again', clock.monotonicMs() - 1_000])
        if (ticks.length < 4) wheel.add(again, clock.monotonicMs() + 50)
      },
    }
    wheel.add(again, 1_050)
    await clock.advance(1_000)
    expect(ticks.map(([, atMs]) => atMs)).toEqual([50, 100, 150, 200])
  })

  it('does not call what was removed, also where its neighbour removed it', async () => {
    const { clock, wheel, ticks, ticking } = rig()
    const [a, c] = [ticking('a'), ticking('c')]
    const slot = wheel.add(a, 1_100)
    wheel.add({ tick: () => wheel.remove(c, slot) }, 1_100)
    wheel.add(c, 1_100)
    wheel.remove(a, slot)
    await clock.advance(1_000)
    expect(ticks).toEqual([])
    const last = wheel.add(a, 3_000)
    wheel.remove(a, last)
    expect(clock.nextMs).toBeNull()
  })

  it('brings what was due while the process did not run, in its order', async () => {
    const world = new SimulatedClock(1_000)
    const clock = new ProcessClock(world, 0)
    const wheel = new TimingWheel(clock)
    const ticks: string[] = []
    wheel.add({ tick: () => void ticks.push('later') }, 1_200)
    wheel.add({ tick: () => void ticks.push('late') }, 1_100)
    clock.stop(500)
    await world.advance(499)
    expect(ticks).toEqual([])
    await world.advance(1)
    expect(ticks).toEqual(['late', 'later'])
  })

  it('goes on after a tick that throws', async () => {
    const { clock, wheel, ticks, ticking } = rig()
    wheel.add(
      {
        tick: () => {
          throw new Error('a tick')
        },
      },
      1_100,
    )
    wheel.add(ticking('next'), 1_100)
    expect(() => clock.step()).toThrow('a tick')
    await clock.advance(1_000)
    expect(ticks.map(([name]) => name)).toEqual(['next'])
  })

  it('is one for each clock', () => {
    const clock = new SimulatedClock()
    expect(wheelOf(clock)).toBe(wheelOf(clock))
    expect(wheelOf(new SimulatedClock())).not.toBe(wheelOf(clock))
  })
})
