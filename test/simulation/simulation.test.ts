/** Whole groups under faults, from seeds: what must hold in each, and that a seed is all there is to a run. */
import { describe, expect, it } from 'vitest'
import { type SimulationReport, simulate } from '../../src/testing/simulation.ts'

const SEEDS = Array.from({ length: 24 }, (_, at) => 10_001 + at)
const reports = new Map<number, Promise<SimulationReport>>()

/** A seed is all there is to a run, so each is run once, whoever asks first. */
function reportOf(seed: number): Promise<SimulationReport> {
  const report = reports.get(seed) ?? simulate({ seed })
  reports.set(seed, report)
  return report
}

describe('a simulation', () => {
  it.each(SEEDS)('of seed %i breaks no property', async (seed) => {
    const { violation, trace } = await reportOf(seed)
    expect(violation, trace.join('\n')).toBeNull()
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

  it('does work: over these seeds there are leaders, crashes, partitions and commands that took effect', async () => {
    const totals = { leaders: 0, crashes: 0, partitions: 0, commands: 0 }
    for (const seed of SEEDS) {
      const report = await reportOf(seed)
      for (const name of ['leaders', 'crashes', 'partitions', 'commands'] as const) totals[name] += report[name]
      expect(report.history.length, `seed ${seed}`).toBeGreaterThan(0)
    }
    expect(totals.leaders).toBeGreaterThan(SEEDS.length)
    expect(totals.crashes).toBeGreaterThan(SEEDS.length / 2)
    expect(totals.partitions).toBeGreaterThan(SEEDS.length / 6)
    expect(totals.commands).toBeGreaterThan(20 * SEEDS.length)
  })
})
