/** Pictures of figures: horizontal bars in groups, and lines. Plain SVG text, made of nothing but numbers and strings. */

export interface Bar {
  readonly label: string
  readonly value: number
  /** What stands beside the bar. */
  readonly text: string
  readonly series: string
}

export interface BarGroup {
  readonly label: string
  readonly bars: readonly Bar[]
}

export interface Line {
  readonly label: string
  readonly points: readonly (readonly [number, number])[]
}

interface Axis {
  readonly title: string
  /** What lengths mean, and on which scale. */
  readonly subtitle: string
}

const WIDTH = 760
const LABEL_WIDTH = 190
const TEXT_WIDTH = 110
const BAR_HEIGHT = 18
const GROUP_GAP = 30
const TOP = 78
const PLOT_HEIGHT = 260
/** Told apart by people who see colours differently, too (Okabe and Ito). */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#d55e00', '#56b4e9'] as const
const FONT = 'font-family="system-ui, sans-serif"'

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function textAt(x: number, y: number, size: number, content: string, more = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" ${FONT} ${more}>${escaped(content)}</text>`
}

const round = (value: number): number => Math.round(value * 10) / 10

function page(height: number, { title, subtitle }: Axis, body: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`
  const background = `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`
  const titles = [
    textAt(16, 28, 17, title, 'font-weight="600" fill="#1a1a1a"'),
    textAt(16, 48, 12, subtitle, 'fill="#555"'),
  ]
  return [head, `<title>${escaped(title)}</title>`, background, ...titles, ...body, '</svg>', ''].join('\n')
}

/** One colour for each series, in the order in which they first come. */
function palette(series: readonly string[]): ReadonlyMap<string, string> {
  return new Map([...new Set(series)].map((name, i) => [name, COLOURS[i % COLOURS.length]!]))
}

/** Bars whose lengths are logarithms: what is compared here differs by orders of magnitude. */
export function bars(axis: Axis, groups: readonly BarGroup[]): string {
  const values = groups.flatMap((group) => group.bars.map(({ value }) => value)).filter((value) => value > 0)
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.log10(Math.max(...values))
  const colours = palette(groups.flatMap((group) => group.bars.map(({ series }) => series)))
  const span = WIDTH - LABEL_WIDTH - TEXT_WIDTH
  const lengthOf = (value: number) =>
    value > 0 ? Math.max(2, ((Math.log10(value) - low) / (high - low || 1)) * span) : 0
  const body: string[] = []
  let y = TOP
  for (const group of groups) {
    body.push(textAt(16, y, 13, group.label, 'font-weight="600" fill="#1a1a1a"'))
    y += 8
    for (const { label, value, text, series } of group.bars) {
      const length = lengthOf(value)
      const fill = colours.get(series)
      body.push(textAt(LABEL_WIDTH - 8, y + 13, 12, label, 'text-anchor="end" fill="#333"'))
      body.push(
        `<rect x="${LABEL_WIDTH}" y="${y}" width="${round(length)}" height="${BAR_HEIGHT - 4}" rx="2" fill="${fill}"/>`,
      )
      body.push(textAt(LABEL_WIDTH + length + 6, y + 12, 12, text, 'fill="#333"'))
      y += BAR_HEIGHT
    }
    y += GROUP_GAP
  }
  return page(y, axis, body)
}

export function lines(axis: Axis, xTitle: string, all: readonly Line[]): string {
  const points = all.flatMap((line) => line.points)
  const xMax = Math.max(...points.map(([x]) => x))
  const yMax = Math.max(...points.map(([, y]) => y)) * 1.1
  const [left, right, bottom] = [70, WIDTH - 150, TOP + PLOT_HEIGHT]
  const xOf = (x: number) => round(left + (x / xMax) * (right - left))
  const yOf = (y: number) => round(bottom - (y / yMax) * PLOT_HEIGHT)
  const colours = palette(all.map(({ label }) => label))
  const body = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => {
    const value = yMax * share
    const grid = `<line x1="${left}" x2="${right}" y1="${yOf(value)}" y2="${yOf(value)}" stroke="#ddd"/>`
    return [grid, textAt(left - 8, yOf(value) + 4, 11, value.toPrecision(3), 'text-anchor="end" fill="#555"')]
  })
  for (const x of new Set(points.map(([at]) => at))) {
    body.push(textAt(xOf(x), bottom + 18, 11, `${x}`, 'text-anchor="middle" fill="#555"'))
  }
  body.push(textAt((left + right) / 2, bottom + 36, 12, xTitle, 'text-anchor="middle" fill="#555"'))
  for (const { label, points: own } of all) {
    const colour = colours.get(label)
    const path = own.map(([x, y]) => `${xOf(x)},${yOf(y)}`).join(' ')
    body.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`)
    for (const [x, y] of own) body.push(`<circle cx="${xOf(x)}" cy="${yOf(y)}" r="3" fill="${colour}"/>`)
    const [x, y] = own.at(-1) ?? [0, 0]
    body.push(textAt(xOf(x) + 10, yOf(y) + 4, 12, label, `fill="${colour}"`))
  }
  return page(bottom + 50, axis, body)
}
