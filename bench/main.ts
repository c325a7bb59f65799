/**
 * `npm run bench -- <name>`: runs one benchmark and prints its report, as tables or, with `--json`, as one JSON object.
 */
import { readOptions } from '../tools/usage.ts'
import { bond } from './bond.ts'
import { commit } from './commit.ts'
import { failover } from './failover.ts'
import { handshake } from './handshake.ts'
import { mesh } from './mesh.ts'
import { machine } from './micro.ts'
import { type BenchOptions, parseOptions, USAGE } from './options.ts'
import { type Measured, printReport, reportOf } from './report.ts'
import { soak } from './soak.ts'

const BENCHMARKS: Readonly<Record<string, (options: BenchOptions) => Promise<Measured>>> = {
  commit,
  bond,
  handshake,
  failover,
  mesh,
  soak,
  machine,
}

// Servers that are compared with are ended at exit, and a signal alone is none.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const tell = (line: string) => void process.stderr.write(`${line}\n`)

const { options, benchmark } = readOptions(USAGE, () => {
  const options = parseOptions(process.argv.slice(2), tell)
  const benchmark = BENCHMARKS[options.name]
  if (!benchmark) throw new RangeError(`There is no benchmark ${options.name}.`)
  return { options, benchmark }
})
const report = reportOf(options.name, await benchmark(options))
if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
else printReport(report)
