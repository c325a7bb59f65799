/**
 * What a benchmark says: rows, the ratios that count, the rounds they come from, and where it ran. Absolute figures belong to a machine and
 * its mood; a ratio of two things measured by turns in one run belongs to the code.
 */
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'

export type Row = Readonly<Record<string, string | number | null>>

export interface Ratio {
  readonly name: string
  readonly value: number
  /** Null: worth knowing, but nothing to reach. */
  readonly target: number | null
  readonly wanted: 'at least' | 'at most'
}

export interface Measured {
  readonly rows: readonly Row[]
  readonly ratios: readonly Ratio[]
  /** Every single measurement behind the rows. */
  readonly rounds: readonly Row[]
  /** Of what was compared with, where it is not a dependency. */
  readonly versions?: Readonly<Record<string, string>>
}

export interface Report extends Measured {
  readonly bench: string
  readonly machine: Readonly<Record<string, string | number>>
  readonly versions: Readonly<Record<string, string>>
}

const DEPENDENCIES = ['ws', 'xstate', 'cbor-x', 'lmdb', 'typebox'] as const

export function reportOf(bench: string, measured: Measured): Report {
  const { rows, ratios, rounds, versions } = measured
  return { bench, machine: machine(), versions: { ...ownVersions(), ...versions }, rows, ratios, rounds }
}

export function isReached({ value, target, wanted }: Ratio): boolean {
  return target === null || (wanted === 'at least' ? value >= target : value <= target)
}

function machine(): Report['machine'] {
  const [first] = cpus()
  return {
    cpu: first?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    load: Number(loadavg()[0]!.toFixed(2)),
  }
}

function ownVersions(): Record<string, string> {
  const found = DEPENDENCIES.map((name) => [name, versionIn(`../../node_modules/${name}/package.json`)])
  return { node: process.versions.node, tessera: versionIn('../../package.json'), ...Object.fromEntries(found) }
}

function versionIn(path: string): string {
  return (JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as { version: string }).version
}

/** As a table for a person. */
export function printReport({ bench, machine: on, versions, rows, ratios }: Report): void {
  console.log(`${bench}: ${Object.values(on).join(', ')}; Node ${versions.node}`)
  console.table(rows)
  if (ratios.length === 0) return
  console.table(
    ratios.map((ratio) => ({
      ratio: ratio.name,
      is: Number(ratio.value.toPrecision(3)),
      wanted: ratio.target === null ? '' : `${ratio.wanted} ${ratio.target}`,
      reached: ratio.target === null ? '' : isReached(ratio) ? 'yes' : 'no',
    })),
  )
}
