/**
 * `handshake`: bonds formed per second between two processes, the time from dial to steady, and the time in which nodes of one process
 * that all start at once become a full mesh.
 */
import { performance } from 'node:perf_hooks'
import { type BondAddress, BondEnds } from './bond-ends.ts'
import { forkChild } from './child.ts'
import type { EchoMethods } from './echo.ts'
import type { MeshMethods } from './mesh-host.ts'
import type { BenchOptions } from './options.ts'
import type { Measured, Row } from './report.ts'
import { median, rounded } from './statistics.ts'

/** Dials under way at any time. */
const UNDER_WAY = 16
const MESHES = [10, 25, 50] as const

export async function handshake({ seconds, rounds, tell }: BenchOptions): Promise<Measured> {
  const all: Row[] = []
  const note = (row: Row) => {
    tell(JSON.stringify(row))
    all.push(row)
  }
  const child = forkChild<EchoMethods>('echo')
  try {
    const to = await child.call('listenBonds', null)
    await bonds(to, seconds)
    for (let round = 0; round < rounds; round++) note(await bonds(to, seconds))
  } finally {
    await child.end()
  }
  for (const nodes of MESHES) for (let round = 0; round < rounds; round++) note(await mesh(nodes))
  const rows = [2, ...MESHES].map((nodes): Row => {
    const cell = all.filter((row) => row.nodes === nodes)
    const middle = (field: string) => rounded(median(cell.map((row) => Number(row[field]))))
    return { what: nodes === 2 ? 'bonds' : 'mesh', nodes, perSecond: middle('perSecond'), seconds: middle('seconds') }
  })
  return {
    rows,
    ratios: [
      { name: 'bonds per second', value: Number(rows[0]!.perSecond), target: 400, wanted: 'at least' },
      { name: 'full mesh of 50, seconds', value: Number(rows.at(-1)!.seconds), target: 10, wanted: 'at most' },
    ],
    rounds: all,
  }
}

/** `seconds` of the row: from dial to steady, one at a time. */
async function bonds(to: BondAddress, seconds: number): Promise<Row> {
  const ends = new BondEnds()
  const single: number[] = []
  const halfMs = seconds * 500
  for (const startMs = performance.now(); performance.now() - startMs < halfMs; ) {
    const dialMs = performance.now()
    await ends.dial(to)
    single.push((performance.now() - dialMs) / 1_000)
  }
  ends.closeAll()
  const startMs = performance.now()
  let formed = 0
  const dialler = async () => {
    while (performance.now() - startMs < halfMs) {
      await ends.dial(to)
      formed++
    }
  }
  await Promise.all(Array.from({ length: UNDER_WAY }, dialler))
  const perSecond = rounded(formed / ((performance.now() - startMs) / 1_000))
  ends.closeAll()
  return { what: 'bonds', nodes: 2, perSecond, seconds: rounded(median(single)) }
}

async function mesh(nodes: number): Promise<Row> {
  const host = forkChild<MeshMethods>('mesh-host')
  try {
    const seconds = await host.call('start', nodes)
    return { what: 'mesh', nodes, perSecond: rounded((nodes * (nodes - 1)) / 2 / seconds), seconds: rounded(seconds) }
  } finally {
    await host.end()
  }
}
