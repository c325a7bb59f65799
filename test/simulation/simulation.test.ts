/** Whole groups under faults, from seeds: what must hold in each, and that a seed is all there is to a run. */
import { describe, expect, it } from 'vitest'
import { FAULTS } from '../../src/testing/faults/all.ts'
import { type SimulationReport, simulate } from '../../src/testing/simulation.ts'

const COUNTED = ['leaders', 'crashes', 'partitions', 'restores', 'commands'] as const
const totals = { leaders: 0, crashes: 0, partitions: 0, restores: 0, commands: 0 }

/** From `seed` on, the first run in which it could happen: some faults need several machines. */
async function firstWith(fault: string, seed: number): Promise<SimulationReport> {
  const report = await simulate({ seed, faults: [fault], brief: true })
  for (const name of COUNTED) totals[name] += report[name]
  return report.violation || report.faults[fault] ? report : firstWith(fault, seed + 100)
}

describe('a simulation', () => {
  it.each(FAULTS.map(({ name }, at) => [name, 10_001 + at] as const))(
    'with no fault but %s has it, and breaks no property',
    async (fault, seed) => {
      const { violation, trace, faults } = await firstWith(fault, seed)
      expect(violation, trace.join('\n')).toBeNull()
      expect(Object.keys(faults)).toEqual([fault])
    },
  )

  it('does work: over all of these there were leaders, crashes, partitions, snapshots, and commands that took effect', () => {
    expect(totals.leaders).toBeGreaterThan(FAULTS.length)
    expect(totals.crashes).toBeGreaterThan(10)
    expect(totals.partitions).toBeGreaterThan(3)
    expect(totals.restores).toBeGreaterThan(3)
    expect(totals.commands).toBeGreaterThan(50 * FAULTS.length)
  })

  it('takes no fault that there is not', () => {
    expect(() => simulate({ seed: 1, faults: ['bad luck'] })).toThrow(RangeError)
  })

  it('is over sooner where it is brief, and works all the same', async () => {
    const [long, brief] = [await simulate({ seed: 3 }), await simulate({ seed: 3, brief: true })]
    expect(brief.violation).toBeNull()
    expect(brief.steps).toBeLessThan(long.steps)
    expect(brief.history.length).toBeGreaterThan(0)
  })

  it.each([11, 42])('of seed %i is the same run each time, to the byte', async (seed) => {
    const options = { seed, traceLines: 1_000_000 }
    const [first, second] = [await simulate(options), await simulate(options)]
    expect(first.trace.length).toBeGreaterThan(200)
    expect(second.trace.join('\n')).toBe(first.trace.join('\n'))
    expect(second).toEqual(first)
  })

  it('of another seed is another run', async () => {
    const [first, second] = [await simulate({ seed: 7 }), await simulate({ seed: 8 })]
    expect(second.trace).not.toEqual(first.trace)
  })

  it('keeps as much of its trace as it is asked to', async () => {
    const all = await simulate({ seed: 7, traceLines: 1_000_000 })
    const { trace } = await simulate({ seed: 7, traceLines: 50 })
    expect(trace).toEqual(all.trace.slice(-50))
  })
})
