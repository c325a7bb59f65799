/**
 * `soak`: load with reconnects, and the heap after each minute. Members compact their logs as always, so what still grows after the second
 * minute is a leak.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchOptions } from './options.ts'
import type { Measured, Ratio, Row } from './report.ts'
import { meanOf, rounded } from './statistics.ts'
import { Trio } from './trio.ts'

const MINUTES = 10
const POLL_MS = 100
const IN_FLIGHT = 16
/** So that each bond has been steady for longer than `BOND.redialResetMs` when its turn comes: who loses one more often backs off. */
const RECONNECT_MS = 10_000
/** What leaks with reconnects and time shows at this rate too, and leaves the machine something for others. */
const PAUSE_MS = 20

/** `--seconds` is the length of what stands for a minute here, so that the benchmark can be tried in less than ten. */
export async function soak({ seconds, tell }: BenchOptions): Promise<Measured> {
  const trio = await Trio.open(false, {}, ['--expose-gc'])
  const rows: Row[] = []
  try {
    for (let minute = 1; minute <= MINUTES; minute++) {
      const { answered, failed } = await runMinute(trio, seconds)
      const heaps = await Promise.all(trio.members.map((member) => member.call('heldBytes', null)))
      const { committed } = await trio.members[0]!.call('status', null)
      const heapMiB = rounded(heaps.reduce((sum, heap) => sum + heap, 0) / heaps.length / 2 ** 20)
      const row = { minute, perSecond: rounded(answered / seconds), failed, committed, heapMiB }
      tell(JSON.stringify(row))
      rows.push(row)
    }
  } finally {
    await trio.close()
  }
  return { rows, ratios: ratiosOf(rows), rounds: rows }
}

/** Student's t for eight minutes: growth below so many of its standard errors cannot be told from none. */
const T_95 = 2.36

function ratiosOf(rows: readonly Row[]): Ratio[] {
  const heap = (row: Row | undefined) => Number(row?.heapMiB)
  const grown = rows.flatMap((row, i) => (i >= 2 ? [heap(row) - heap(rows[i - 1])] : []))
  const [mean, error] = meanOf(grown)
  return [
    { name: 'heap growth a minute / its error', value: Math.abs(mean) / error, target: T_95, wanted: 'at most' },
    { name: 'heap growth a minute, MiB', value: mean, target: null, wanted: 'at most' },
  ]
}

async function runMinute(trio: Trio, seconds: number): Promise<{ answered: number; failed: number }> {
  let running = true
  const reconnects = (async () => {
    for (let turn = 0; running; turn++) {
      await trio.members[turn % 3]!.call('reconnect', null)
      for (let waited = 0; running && waited < RECONNECT_MS; waited += POLL_MS) await sleep(POLL_MS)
    }
  })()
  const load = { inFlight: IN_FLIGHT, pauseMs: PAUSE_MS, seconds }
  try {
    const loaded = await Promise.all(trio.members.map((member) => member.call('soak', load)))
    const sum = (of: (one: (typeof loaded)[number]) => number) => loaded.reduce((total, one) => total + of(one), 0)
    return { answered: sum((one) => one.answered), failed: sum((one) => one.failed) }
  } finally {
    running = false
    await reconnects
  }
}
