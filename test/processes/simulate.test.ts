/** `npm run simulate`: the seeds that every run of this suite goes through, and how a failure is told. */
import { join } from 'node:path'
import { afterEach, beforeAll, expect, it } from 'vitest'
import { buildTools, Command, ROOT } from './command.ts'

const MAIN = join(ROOT, 'build/tools/simulate.js')
const SEEDS = 200

let command: Command | null = null

beforeAll(buildTools, 120_000)

afterEach(() => command?.dispose())

/** The result, and what was told on standard error. One worker, as other tests of processes run beside. */
async function simulated(...args: readonly string[]) {
  command = new Command(process.execPath, [MAIN, '--json', '--workers', '1', ...args])
  const notes: string[] = []
  const { ended } = command
  const reading = (async (running: Command) => {
    for (;;) notes.push(await running.note())
  })(command).catch(() => undefined)
  const { lines } = await command.run('')
  await reading
  expect(lines, notes.join('\n')).toHaveLength(1)
  return { code: (await ended).code, notes, result: JSON.parse(lines[0] as string) }
}

it(`${SEEDS} seeds break no property`, async () => {
  const { code, notes, result } = await simulated('--seeds', String(SEEDS), '--brief')
  expect(notes).toEqual([])
  expect(result).toEqual({
    seeds: SEEDS,
    failures: 0,
    steps: expect.any(Number),
    commands: expect.any(Number),
    leaders: expect.any(Number),
    crashes: expect.any(Number),
    partitions: expect.any(Number),
    seconds: expect.any(Number),
  })
  // They did something: less would say that the simulation is idle.
  expect(result.commands).toBeGreaterThan(50 * SEEDS)
  expect(result.leaders).toBeGreaterThan(SEEDS)
  expect(result.crashes).toBeGreaterThan(SEEDS / 2)
  expect(result.partitions).toBeGreaterThan(SEEDS / 10)
  expect(code).toBe(0)
})

it('a planted bug is found, and how often is told', async () => {
  const { code, notes, result } = await simulated('--bugs', '--only', 'count a learner', '--seeds', '30', '--brief')
  expect(notes).toEqual([])
  expect(result).toEqual({
    bugs: [{ bug: 'count a learner', of: 30, found: expect.any(Number), firstSeed: expect.any(Number) }],
    missed: 0,
  })
  expect(result.bugs[0].found).toBeGreaterThan(1)
  expect(code).toBe(0)
})

it('a bug that nothing finds is told as missed, and fails', async () => {
  const { code, result } = await simulated('--bugs', '--only', 'count a learner', '--seeds', '0')
  expect(result).toEqual({ bugs: [{ bug: 'count a learner', of: 0, found: 0, firstSeed: null }], missed: 1 })
  expect(code).toBe(1)
})
