/**
 * `npm run chaos -- --seconds S --nodes N [--seed X] [--json]`: N processes over WebSockets, clients at all of them, kills, stops, cuts,
 * slow paths, restarts; then the question whether anything acknowledged is lost, done twice, or out of order. The history stands in
 * `--history FILE` (docs/history.md).
 *
 * On standard output: the result, with `--json` as one line. On standard error: progress at a terminal, and what failed. Exit code 1
 * where something failed or nothing could be done at all.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { interruption } from '../../src/cli/interruption.ts'
import { RAFT } from '../../src/limits.ts'
import { formatHistory } from '../../src/testing/linearizability.ts'
import { readOptions, wholeNumber } from '../usage.ts'
import { type ChaosOutcome, runChaos } from './run.ts'

const USAGE = `npm run chaos -- [options]

  --seconds S      how long there are faults (20)
  --nodes N        how many members (5)
  --seed X         which faults, and when; what processes make of them differs from run to run (any)
  --json           the result as one line of JSON
  --trace          tell what is done to whom as it happens, and not only where something failed
  --history FILE   where the history goes (build/chaos-history.jsonl)
`

const { seconds, nodes, seed, values } = readOptions(USAGE, () => {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '20' },
      nodes: { type: 'string', default: '5' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      json: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      history: { type: 'string', default: fileURLToPath(new URL('../../chaos-history.jsonl', import.meta.url)) },
      /** Another module for the members' processes: how the tests see a wrong member found. */
      member: { type: 'string', default: fileURLToPath(new URL('member.js', import.meta.url)) },
    },
  })
  return {
    seconds: wholeNumber('seconds', values.seconds, 1, 86_400),
    nodes: wholeNumber('nodes', values.nodes, 2, RAFT.votersMax),
    seed: wholeNumber('seed', values.seed, 0, 0xffff_ffff),
    values,
  }
})

/** Of a long history, what stands on standard error; the file has all of it. */
const SHOWN_OPS_MAX = 200

function resultOf({ verdict, tally }: ChaosOutcome) {
  const { ops, ok, unknown, linearizable, lost, duplicated } = verdict
  const { kills, cuts, stops, deaths } = tally
  return { ops, ok, unknown, linearizable, lost, duplicated, kills, cuts, stops, deaths, seed }
}

/** What is wrong, as a person would say it. */
function complaints({ verdict, tally, missing }: ChaosOutcome): string[] {
  const { ok, linearizable, undecided, smallest, lost, duplicated } = verdict
  return [
    ...(ok === 0 ? ['nothing could be done at all'] : []),
    ...(linearizable || !smallest ? [] : [`not linearizable: key ${smallest.violation.key} has no order`]),
    ...undecided.map((key) => `key ${key} is not decided: the search for an order was given up`),
    ...(lost > 0 ? [`${lost} acknowledged operations are lost`] : []),
    ...(duplicated > 0 ? [`${duplicated} operations were applied more than once`] : []),
    ...(tally.deaths > 0 ? [`${tally.deaths} members ended by themselves`] : []),
    ...missing.map((what) => `not answered after all was mended: ${what}`),
  ]
}

function explain(outcome: ChaosOutcome, wrong: readonly string[]): string {
  const { verdict } = outcome
  const lines = values.trace ? [] : [...traced]
  if (verdict.smallest) {
    const { violation, history } = verdict.smallest
    const { key, placed, of, value, stuck } = violation
    const shown = history.slice(-SHOWN_OPS_MAX)
    lines.push('', `key ${key}, the last ${shown.length} of ${history.length} operations up to where no order is left:`)
    lines.push(formatHistory(shown).trimEnd())
    lines.push(`${placed} of ${of} have an order and leave ${JSON.stringify(value)}; none of these can come next:`)
    lines.push(formatHistory(stuck).trimEnd())
  }
  const again = `npm run chaos -- --seconds ${seconds} --nodes ${nodes} --seed ${seed}`
  return [...lines, '', ...wrong, `the history: ${values.history}`, again, ''].join('\n')
}

const traced: string[] = []

function trace(line: string): void {
  traced.push(line)
  if (values.trace) process.stderr.write(`${line}\n`)
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`)
}

async function main(): Promise<number> {
  const interrupted = interruption(process.stdout)
  const module = pathToFileURL(resolve(values.member))
  try {
    const outcome = await runChaos({ seconds, nodes, seed, module, signal: interrupted.signal, progress, trace })
    progress('')
    mkdirSync(dirname(resolve(values.history)), { recursive: true })
    writeFileSync(values.history, formatHistory(outcome.history))
    const wrong = complaints(outcome)
    if (wrong.length > 0) process.stderr.write(explain(outcome, wrong))
    const result = resultOf(outcome)
    const told = values.json
      ? JSON.stringify(result)
      : Object.entries(result)
          .map(([name, value]) => `${name} ${value}`)
          .join('\n')
    process.stdout.write(`${told}\n`)
    return wrong.length > 0 ? 1 : 0
  } catch (error) {
    if (!interrupted.signal.aborted) throw error
    progress('')
    return await interrupted.code
  }
}

process.exit(await main())
