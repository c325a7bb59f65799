/**
 * `npm run simulate -- --seeds N [--seed S] [--brief] [--json]`: simulates seeds S to S + N - 1 and prints one line of JSON about all of
 * them. What failed is told on stderr: the seed, the broken property, the last of what happened, and how to run it again.
 *
 * `npm run simulate -- --bugs [--first] [--only WORDS] [--json]`: builds a copy of the source for each planted bug and simulates it with
 * the same N seeds; with `--first` only until a seed finds it. One line of JSON, and success where none was missed. Without `--json` each
 * bug is told on stderr as soon as it is done.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { plantAll } from './plant.ts'
import { PLANTED_BUGS } from './planted-bugs.ts'
import type { Outcome } from './simulate-worker.ts'
import { runSeeds } from './simulation-pool.ts'
import { readOptions, wholeNumber } from './usage.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MODULE = new URL('../src/testing/simulation.js', import.meta.url).href
const live = process.stderr.isTTY

const USAGE = `npm run simulate -- [options]

  --seeds N      how many seeds (200)
  --seed S       the first of them (1)
  --brief        faults come and go for half as long
  --workers N    how many at a time (2)
  --bugs         in how many of the seeds is each planted bug found?
  --first        with --bugs: only until a seed finds it
  --only WORDS   with --bugs: only those with these words in their name
  --json         nothing on standard error but what failed
`

const { first, count, workers, values } = readOptions(USAGE, () => {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '200' },
      seed: { type: 'string', default: '1' },
      workers: { type: 'string', default: '2' },
      json: { type: 'boolean', default: false },
      bugs: { type: 'boolean', default: false },
      brief: { type: 'boolean', default: false },
      first: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
    },
  })
  return {
    first: wholeNumber('seed', values.seed, 0, 0xffff_ffff),
    count: wholeNumber('seeds', values.seeds, 0, 0xffff_ffff),
    workers: wholeNumber('workers', values.workers, 1, 256),
    values,
  }
})
const { brief } = values
const seeds = Array.from({ length: count }, (_, at) => first + at)

function progress(text: string): void {
  if (live) process.stderr.write(`\r\u001b[2K${text}`)
}

async function simulateSeeds(): Promise<number> {
  const totals = { seeds: 0, failures: 0, steps: 0, commands: 0, leaders: 0, crashes: 0, partitions: 0 }
  const startedMs = performance.now()
  const told = ({ seed, violation, trace, ...counts }: Outcome): false => {
    totals.seeds++
    for (const name of ['steps', 'commands', 'leaders', 'crashes', 'partitions'] as const) totals[name] += counts[name]
    if (violation) {
      totals.failures++
      progress('')
      const again = `npm run simulate -- --seeds 1 --seed ${seed}${brief ? ' --brief' : ''}`
      process.stderr.write(
        `${trace.join('\n')}\nseed ${seed}: ${violation.property}: ${violation.detail}\n${again}\n\n`,
      )
    }
    progress(`${totals.seeds} of ${count} seeds, ${totals.failures} failed `)
    return false
  }
  await runSeeds({ module: MODULE, workers, seeds, brief, told })
  progress('')
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10
  process.stdout.write(`${JSON.stringify({ ...totals, seconds })}\n`)
  return totals.failures
}

async function hunt(module: string) {
  let of = 0
  const found: { readonly seed: number; readonly property: string }[] = []
  const told = ({ seed, violation }: Outcome): boolean => {
    of++
    if (violation) found.push({ seed, property: violation.property })
    return violation !== null && values.first
  }
  await runSeeds({ module, workers, seeds, brief, told })
  found.sort((a, b) => a.seed - b.seed)
  return { row: { of, found: found.length, firstSeed: found[0]?.seed ?? null }, property: found[0]?.property ?? null }
}

async function huntBugs(): Promise<number> {
  const bugs = PLANTED_BUGS.filter(({ bug }) => bug.includes(values.only))
  progress(`builds ${bugs.length} copies`)
  const { modules, remove } = plantAll(ROOT, bugs)
  const rows = []
  for (const [at, { bug }] of bugs.entries()) {
    progress(`${at + 1} of ${bugs.length}: ${bug}`)
    const { row, property } = await hunt(modules[at] as string)
    rows.push({ bug, ...row })
    if (values.json) continue
    progress('')
    const { found, of, firstSeed } = row
    process.stderr.write(
      found > 0 ? `found ${bug}: ${found} of ${of}, first ${firstSeed}: ${property}\n` : `MISSED ${bug}\n`,
    )
  }
  progress('')
  remove()
  const missed = rows.filter(({ found }) => found === 0).length
  process.stdout.write(`${JSON.stringify({ bugs: rows, missed })}\n`)
  return missed
}

process.exitCode = (await (values.bugs ? huntBugs() : simulateSeeds())) > 0 ? 1 : 0
