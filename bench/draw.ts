/**
 * Draws the last run: for each `<name>.json` in a folder one `<name>.svg` beside it, and the tables of `docs/performance.md` between its marks.
 *
 *   npm run bench -- commit --json --peers > docs/performance/commit.json
 *   node build/bench/draw.js docs/performance docs/performance.md
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isReached, type Report, type Row } from './report.ts'
import { grouped, rounded } from './statistics.ts'
import { type Bar, type BarGroup, bars, lines } from './svg.ts'

const figure = (value: unknown): string => Number(value).toLocaleString('en', { maximumSignificantDigits: 4 })

function groupsOf(rows: readonly Row[], groupOf: (row: Row) => string, barOf: (row: Row) => Bar): BarGroup[] {
  return grouped(rows, groupOf).map((group) => ({ label: groupOf(group[0]!), bars: group.map(barOf) }))
}

function bar(series: unknown, label: string, value: unknown, unit: string): Bar {
  return { series: `${series}`, label, value: Number(value), text: `${figure(value)} ${unit}` }
}

const DRAWINGS: Readonly<Record<string, (rows: readonly Row[]) => string>> = {
  commit: (rows) =>
    bars(
      { title: 'Commands committed per second, three processes', subtitle: 'Values of 64 bytes; medians; logarithmic' },
      groupsOf(
        rows,
        (row) => `${row.storage}, ${row.inFlight} in flight`,
        (row) => bar(row.subject, `${row.subject}, from ${row.from}`, row.perSecond, '/s'),
      ),
    ),
  bond: (rows) =>
    bars(
      {
        title: 'Messages over a bond and over bare ws',
        subtitle: 'Per second, one way and back and forth; bytes held per end; logarithmic',
      },
      groupsOf(
        rows,
        (row) => (row.what === 'memory' ? 'memory per end' : `${row.what}, ${row.bytes} bytes`),
        (row) =>
          bar(row.subject, `${row.subject}`, row.perSecond ?? row.bytesPerEnd, row.what === 'memory' ? 'B' : '/s'),
      ),
    ),
  handshake: (rows) =>
    bars(
      {
        title: 'Forming bonds',
        subtitle: 'Bonds per second: between two processes, and in meshes that start at once in one; logarithmic',
      },
      groupsOf(
        rows,
        (row) => `${row.what}`,
        (row) => bar(row.what, `${row.nodes} nodes, ${figure(row.seconds)} s`, row.perSecond, 'bonds/s'),
      ),
    ),
  failover: (rows) =>
    bars(
      { title: 'From the signal to the next committed command', subtitle: 'Milliseconds, 20 runs each; logarithmic' },
      rows.map((row) => ({
        label: `${row.signal}, ${row.settings}`,
        bars: [bar('p50', 'p50', row.p50Ms, 'ms'), bar('p95', 'p95', row.p95Ms, 'ms')],
      })),
    ),
  mesh: (rows) =>
    lines({ title: 'An idle full mesh in one process', subtitle: 'Percent of one core, and KiB per second' }, 'nodes', [
      { label: '% of a core', points: rows.map((row) => [Number(row.nodes), Number(row.cpuPercent)] as const) },
      { label: 'KiB/s', points: rows.map((row) => [Number(row.nodes), Number(row.bytesPerSecond) / 1_024] as const) },
    ]),
  soak: (rows) =>
    lines(
      {
        title: 'Memory held after each minute',
        subtitle: 'MiB, mean of three processes that answer commands and reads, and lose a bond each ten seconds',
      },
      'minute',
      [{ label: 'heap', points: rows.map((row) => [Number(row.minute), Number(row.heapMiB)] as const) }],
    ),
  machine: (rows) =>
    bars({ title: 'The parts by themselves', subtitle: 'Nanoseconds a call; logarithmic' }, [
      {
        label: '',
        bars: rows
          .filter((row) => row.nanoseconds !== null)
          .map((row) => bar('part', shortened(`${row.what}`), row.nanoseconds, 'ns')),
      },
    ]),
}

const shortened = (text: string): string => (text.length > 32 ? `${text.slice(0, 31)}…` : text)

function table(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {})
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const cell = (value: Row[string] | undefined) => (typeof value === 'number' ? figure(value) : `${value ?? ''}`)
  const body = rows.map((row) => line(columns.map((column) => cell(row[column]))))
  return [line(columns), line(columns.map(() => '---')), ...body].join('\n')
}

function section({ bench, machine, versions, rows, ratios }: Report): string {
  const where = [...Object.entries(machine), ...Object.entries(versions)].map(([name, value]) => `${name} ${value}`)
  const judged = ratios.map((ratio) => ({
    ratio: ratio.name,
    is: rounded(ratio.value, 3),
    wanted: ratio.target === null ? '' : `${ratio.wanted} ${ratio.target}`,
    reached: ratio.target === null ? '' : isReached(ratio) ? 'yes' : 'no',
  }))
  const parts = [
    `![${bench}](performance/${bench}.svg)`,
    table(rows),
    judged.length > 0 ? table(judged) : '',
    `${where.join(', ')}.`,
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

const [folder, page] = process.argv.slice(2)
if (!folder || !page) throw new TypeError('Give the folder of the reports and the page to fill.')
let text = readFileSync(page, 'utf8')
for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Report
  const { bench, rows } = report
  const draw = DRAWINGS[bench]
  if (!draw) throw new TypeError(`There is no drawing of ${bench}.`)
  writeFileSync(join(folder, `${bench}.svg`), draw(rows))
  const marks = [`<!-- ${bench} -->`, `<!-- /${bench} -->`] as const
  const [start, end] = [text.indexOf(marks[0]), text.indexOf(marks[1])]
  if (start < 0 || end < start) throw new TypeError(`${page} has no place for ${bench}.`)
  text = `${text.slice(0, start)}${marks[0]}\n\n${section(report)}\n\n${text.slice(end)}`
}
writeFileSync(page, text)
