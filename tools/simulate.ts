/**
 * `npm run simulate -- --seeds N [--seed S] [--json]`: simulates seeds S to S + N - 1 and prints one line of JSON about all of them. What
 * failed is told on stderr: the seed, the broken property, the last of what happened, and how to run it again.
 */
import { parseArgs } from 'node:util'
import type { Outcome } from './simulate-worker.ts'
import { runSeeds } from './simulation-pool.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
})

function wholeNumber(option: 'seeds' | 'seed' | 'workers'): number {
  const value = Number(values[option])
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`--${option}: a whole number.`)
  return value
}

const first = wholeNumber('seed')
const count = wholeNumber('seeds')
const totals = { seeds: 0, failures: 0, steps: 0, commands: 0, leaders: 0, crashes: 0, partitions: 0 }
const startedMs = performance.now()

function tell({ seed, violation, trace, steps, commands, leaders, crashes, partitions }: Outcome): false {
  totals.seeds++
  totals.steps += steps
  totals.commands += commands
  totals.leaders += leaders
  totals.crashes += crashes
  totals.partitions += partitions
  if (violation) {
    totals.failures++
    const again = `npm run simulate -- --seeds 1 --seed ${seed}`
    process.stderr.write(`${trace.join('\n')}\nseed ${seed}: ${violation.property}: ${violation.detail}\n${again}\n\n`)
  } else if (process.stderr.isTTY) {
    process.stderr.write(`\r${totals.seeds} of ${count} seeds, ${totals.failures} failed `)
  }
  return false
}

await runSeeds({
  module: new URL('../src/testing/simulation.js', import.meta.url).href,
  workers: Math.max(1, Math.min(wholeNumber('workers'), count)),
  seeds: Array.from({ length: count }, (_, at) => first + at),
  told: tell,
})
const seconds = Math.round((performance.now() - startedMs) / 100) / 10
if (process.stderr.isTTY && !values.json) process.stderr.write('\n')
process.stdout.write(`${JSON.stringify({ ...totals, seconds })}\n`)
process.exitCode = totals.failures > 0 ? 1 : 0
