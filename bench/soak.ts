/**
 * `soak`: load with reconnects, and the heap after each minute. Minutes of commands and minutes of strong reads take turns: a command stays
 * in the log for good as long as there are no snapshots, a read leaves nothing, so what grows while only reads run is a leak.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchOptions } from './options.ts'
import type { Measured, Ratio, Row } from './report.ts'
import { meanOf, rounded } from './statistics.ts'
import { type MemberProcess, Trio } from './trio.ts'

const MINUTES = 10
const IN_FLIGHT = 16
const RECONNECT_MS = 1_000
/** A closed loop at full speed fills the log with gigabytes; what leaks with reconnects and time shows at this rate as well. */
const PAUSE_MS = 5

/** `--seconds` is the length of what stands for a minute here, so that the benchmark can be tried in less than ten. */
export async function soak({ seconds, tell }: BenchOptions): Promise<Measured> {
  const trio = await Trio.open(false, {}, ['--expose-gc'])
  const rows: Row[] = []
  try {
    for (let minute = 1; minute <= MINUTES; minute++) {
      const load = minute % 2 === 1 ? 'commands' : 'reads'
      const done = await runMinute(trio, load, seconds)
      const heaps = await Promise.all(trio.members.map((member) => member.call('heldBytes', null)))
      const { committed } = await trio.members[0]!.call('status', null)
      const heapMiB = rounded(heaps.reduce((sum, heap) => sum + heap, 0) / heaps.length / 2 ** 20)
      const row = { minute, load, perSecond: rounded(done / seconds), committed, heapMiB }
      tell(JSON.stringify(row))
      rows.push(row)
    }
  } finally {
    await trio.close()
  }
  return { rows, ratios: ratiosOf(rows), rounds: rows }
}

/** Student's t for four minutes: growth below so many of its standard errors cannot be told from none. */
const T_95 = 3.18

/** What grows in the minutes of reads, and what each command leaves behind. */
function ratiosOf(rows: readonly Row[]): Ratio[] {
  const heap = (row: Row | undefined) => Number(row?.heapMiB)
  const grown = rows.flatMap((row, i) => (i >= 2 && row.load === 'reads' ? [heap(row) - heap(rows[i - 1])] : []))
  const [mean, error] = meanOf(grown)
  const [early, late] = [rows[1], rows.at(-1)]
  const commands = Number(late?.committed) - Number(early?.committed)
  return [
    {
      name: 'heap growth of a minute of reads / its error',
      value: Math.abs(mean) / error,
      target: T_95,
      wanted: 'at most',
    },
    { name: 'heap growth of a minute of reads, MiB', value: mean, target: null, wanted: 'at most' },
    {
      name: 'heap bytes per command',
      value: ((heap(late) - heap(early)) * 2 ** 20) / commands,
      target: null,
      wanted: 'at most',
    },
  ]
}

async function runMinute(trio: Trio, load: 'commands' | 'reads', seconds: number): Promise<number> {
  const endMs = Date.now() + seconds * 1_000
  const reconnects = (async () => {
    for (let turn = 0; Date.now() < endMs; turn++) {
      await trio.members[turn % 3]!.call('reconnect', null)
      await sleep(RECONNECT_MS)
    }
  })()
  const loaded = await Promise.all(
    trio.members.map((member: MemberProcess) =>
      member.call('soak', { load, inFlight: IN_FLIGHT, pauseMs: PAUSE_MS, seconds }),
    ),
  )
  await reconnects
  return loaded.reduce((sum, count) => sum + count, 0)
}
