/** `mesh`: processor time and bytes per second of a full mesh in one process that nobody asks anything of. */
import { setTimeout as sleep } from 'node:timers/promises'
import { forkChild } from './child.ts'
import type { MeshMethods } from './mesh-host.ts'
import type { BenchOptions } from './options.ts'
import type { Measured, Row } from './report.ts'
import { median, rounded } from './statistics.ts'

const NODES = [10, 25, 50] as const
/** Until what forming left behind has settled: announcements, first pings, garbage, code that is compiled for what lasts. */
const SETTLE_MS = 20_000

export async function mesh({ seconds, rounds, tell }: BenchOptions): Promise<Measured> {
  const all: Row[] = []
  const rows: Row[] = []
  for (const nodes of NODES) {
    const host = forkChild<MeshMethods>('mesh-host')
    try {
      await host.call('start', nodes)
      await sleep(SETTLE_MS)
      const cell: { cpuPercent: number; bytesPerSecond: number }[] = []
      for (let round = 0; round < rounds; round++) cell.push(await host.call('idle', seconds))
      for (const one of cell) all.push({ nodes, ...one })
      const cpuPercent = rounded(median(cell.map((one) => one.cpuPercent)))
      const bytesPerSecond = rounded(median(cell.map((one) => one.bytesPerSecond)))
      tell(`${nodes} nodes: ${cpuPercent} %, ${bytesPerSecond} bytes/s`)
      rows.push({ nodes, cpuPercent, bytesPerSecond })
    } finally {
      await host.end()
    }
  }
  const perEnd = (row: Row) => Number(row.cpuPercent) / (Number(row.nodes) * (Number(row.nodes) - 1))
  return {
    rows,
    ratios: [
      { name: 'idle mesh of 50, % of a core', value: Number(rows.at(-1)!.cpuPercent), target: 25, wanted: 'at most' },
      {
        name: 'CPU per bond end, 50 nodes / 10 nodes',
        value: perEnd(rows.at(-1)!) / perEnd(rows[0]!),
        target: 1.25,
        wanted: 'at most',
      },
    ],
    rounds: all,
  }
}
