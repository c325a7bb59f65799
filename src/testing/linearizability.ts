/**
 * Is a history of register operations linearizable? Wing and Gong's search (1993) with Lowe's memo of configurations already seen (2017),
 * one register at a time, because a history is linearizable exactly where its part on each object is (Herlihy and Wing 1990).
 *
 * An operation whose outcome is unknown may take effect at any moment after its start, or never. One that failed had no effect.
 *
 * Three rules keep the search small. None of them loses an order that exists:
 * 1. An operation that is allowed now and changes nothing goes first: it stays allowed at the front of any order.
 * 2. An unknown write is only worth placing directly before one that sees it: else leaving it out gives the same state.
 * 3. Of two configurations with the same state and the same known operations placed, the one that used fewer of the unknown ones can do
 *    all that the other can.
 */

export type HistoryOutcome = 'ok' | 'fail' | 'unknown'

/** One operation, as a line of a history file. Times come from one clock that never goes back. */
export interface HistoryOp {
  readonly client: string | number
  readonly op: 'set' | 'get' | 'cas'
  readonly key: string
  /** set: [value]; get: []; cas: [expected, value]. Any JSON; a register that was never set holds null. */
  readonly args: readonly unknown[]
  readonly start_ns: number
  /** Of no meaning where the outcome is unknown. */
  readonly end_ns: number | null
  /** `fail`: certainly without effect. A cas that found another value is `ok` with the result false. */
  readonly outcome: HistoryOutcome
  /** get: the value; cas: whether it swapped; set: ignored. */
  readonly result: unknown
}

/** Why the history of one register has no order. */
export interface LinearizabilityViolation {
  readonly key: string
  /** How many operations could be put in order, and how many there are. */
  readonly placed: number
  readonly of: number
  /** The value the register had then, and the operations of which none can come next. */
  readonly value: unknown
  readonly stuck: readonly HistoryOp[]
}

export interface LinearizabilityVerdict {
  readonly linearizable: boolean
  readonly violations: readonly LinearizabilityViolation[]
  /** Registers given up after `stepsMax`; then nothing is claimed, and `linearizable` is false. */
  readonly undecided: readonly string[]
}

export interface LinearizabilityOptions {
  /** Steps of the search per register. Default: 5,000,000. */
  readonly stepsMax?: number
}

const STEPS_MAX = 5_000_000

/** One operation per line of JSON; empty lines are skipped. */
export function parseHistory(lines: string): HistoryOp[] {
  return lines
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as HistoryOp)
}

export function formatHistory(history: readonly HistoryOp[]): string {
  return history.map((op) => `${JSON.stringify(op)}\n`).join('')
}

export function checkLinearizability(
  history: readonly HistoryOp[],
  { stepsMax = STEPS_MAX }: LinearizabilityOptions = {},
): LinearizabilityVerdict {
  const violations: LinearizabilityViolation[] = []
  const undecided: string[] = []
  for (const [key, ops] of byKey(history)) {
    const search = new Search(ops)
    const verdict = search.run(stepsMax)
    if (verdict === 'undecided') undecided.push(key)
    else if (verdict === 'none') violations.push(search.violation(key))
  }
  return { linearizable: violations.length === 0 && undecided.length === 0, violations, undecided }
}

function byKey(history: readonly HistoryOp[]): ReadonlyMap<string, HistoryOp[]> {
  const registers = new Map<string, HistoryOp[]>()
  for (const op of history) {
    const ops = registers.get(op.key)
    if (ops) ops.push(op)
    else registers.set(op.key, [op])
  }
  return registers
}

/** Values as small numbers, equal where their JSON is. */
class Values {
  readonly #numbers = new Map<string, number>()
  readonly #values: unknown[] = []

  numberOf(value: unknown): number {
    const text = JSON.stringify(value ?? null)
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    this.#numbers.set(text, this.#values.length)
    return this.#values.push(value ?? null) - 1
  }

  valueOf(number: number): unknown {
    return this.#values[number]
  }
}

interface Op {
  readonly source: HistoryOp
  readonly start: number
  readonly end: number
  /** The state it needs, the state it must not find, the state it leaves; -1: any, none, the same. */
  readonly needs: number
  readonly shuns: number
  readonly leaves: number
  /** Among the known, or among the unknown, by start. */
  place: number
  placed: boolean
}

/** What `op` was placed upon, and what may follow it. */
interface Frame {
  readonly op: Op | null
  readonly state: number
  readonly base: number
  readonly top: number
  moves: readonly Op[]
  next: number
}

const UNPLACED = Number.POSITIVE_INFINITY

class Search {
  readonly #values = new Values()
  readonly #known: readonly Op[]
  readonly #unknown: readonly Op[]
  /** By state and known operations placed: sets of unknown ones used, none of which holds another. */
  readonly #seen = new Map<string, (readonly number[])[]>()
  #state = 0
  #placedCount = 0
  /** All known operations before this place are placed. */
  #base = 0
  /** No known operation from this place on is placed. */
  #top = 0
  #deepest = -1
  #stuck: { readonly state: number; readonly placed: number; readonly ops: readonly HistoryOp[] } | null = null

  constructor(history: readonly HistoryOp[]) {
    this.#state = this.#values.numberOf(null)
    const ops = history.filter(({ outcome, op }) => outcome === 'ok' || (outcome === 'unknown' && op !== 'get'))
    const sorted = ops.map((op) => this.#opOf(op)).sort((a, b) => a.start - b.start || a.end - b.end)
    this.#known = sorted.filter(({ source }) => source.outcome === 'ok')
    this.#unknown = sorted.filter(({ source }) => source.outcome === 'unknown')
    for (const part of [this.#known, this.#unknown]) {
      part.forEach((op, place) => {
        op.place = place
      })
    }
  }

  #opOf(source: HistoryOp): Op {
    const { op, args, result, start_ns: start, end_ns } = source
    const end = source.outcome === 'ok' ? (end_ns ?? UNPLACED) : UNPLACED
    const number = (value: unknown) => this.#values.numberOf(value)
    const head = { source, start, end, place: 0, placed: false }
    if (op === 'set') return { ...head, needs: -1, shuns: -1, leaves: number(args[0]) }
    if (op === 'get') return { ...head, needs: number(result), shuns: -1, leaves: -1 }
    if (source.outcome === 'ok' && result === false) return { ...head, needs: -1, shuns: number(args[0]), leaves: -1 }
    return { ...head, needs: number(args[0]), shuns: -1, leaves: number(args[1]) }
  }

  run(stepsMax: number): 'found' | 'none' | 'undecided' {
    const stack: Frame[] = [this.#enter(this.#frame(null))]
    for (let steps = 0; steps < stepsMax; steps++) {
      if (this.#placedCount === this.#known.length) return 'found'
      const frame = stack.at(-1)
      if (!frame) return 'none'
      const op = frame.moves[frame.next++]
      if (!op) {
        stack.pop()
        this.#takeBack(frame)
        continue
      }
      const placed = this.#frame(op)
      this.#place(op)
      if (this.#isNew(op)) stack.push(this.#enter(placed))
      else this.#takeBack(placed)
    }
    return 'undecided'
  }

  violation(key: string): LinearizabilityViolation {
    const { state, placed, ops } = this.#stuck ?? { state: this.#state, placed: 0, ops: [] }
    return { key, placed, of: this.#known.length, value: this.#values.valueOf(state), stuck: ops }
  }

  #frame(op: Op | null): Frame {
    return { op, state: this.#state, base: this.#base, top: this.#top, moves: [], next: 0 }
  }

  #place(op: Op): void {
    op.placed = true
    if (op.leaves >= 0) this.#state = op.leaves
    if (op.source.outcome !== 'ok') return
    this.#placedCount++
    while (this.#known[this.#base]?.placed) this.#base++
    this.#top = Math.max(this.#top, op.place + 1)
  }

  #takeBack({ op, state, base, top }: Frame): void {
    if (!op) return
    op.placed = false
    if (op.source.outcome === 'ok') this.#placedCount--
    this.#state = state
    this.#base = base
    this.#top = top
  }

  #enter(frame: Frame): Frame {
    const { moves, open } = this.#moves(frame.op?.source.outcome === 'unknown')
    if (this.#placedCount > this.#deepest) {
      this.#deepest = this.#placedCount
      this.#stuck = { state: this.#state, placed: this.#placedCount, ops: open.map(({ source }) => source) }
    }
    frame.moves = moves
    return frame
  }

  /** What may come next: nothing that had to wait for another one which is not placed yet. */
  #moves(mustSee: boolean): { readonly moves: readonly Op[]; readonly open: readonly Op[] } {
    let earliestEnd = UNPLACED
    const waiting: Op[] = []
    for (let place = this.#base; place < this.#known.length; place++) {
      const op = this.#known[place]!
      if (op.start > earliestEnd) break
      if (op.placed) continue
      earliestEnd = Math.min(earliestEnd, op.end)
      waiting.push(op)
    }
    const open = waiting.filter((op) => op.start <= earliestEnd)
    const allowed = open.filter((op) => this.#allows(op))
    const harmless = allowed.find(({ leaves }) => leaves < 0)
    if (harmless) return { moves: [harmless], open }
    const moves = mustSee ? allowed.filter(({ needs }) => needs >= 0) : allowed
    moves.sort((a, b) => Number(a.needs < 0) - Number(b.needs < 0) || a.end - b.end)
    return { moves: [...moves, ...this.#unknownMoves(earliestEnd, mustSee)], open }
  }

  #unknownMoves(earliestEnd: number, mustSee: boolean): readonly Op[] {
    const moves: Op[] = []
    for (const op of this.#unknown) {
      if (op.start > earliestEnd) break
      if (op.placed || op.leaves === this.#state || !this.#allows(op)) continue
      if (!mustSee || op.needs >= 0) moves.push(op)
    }
    return moves
  }

  #allows({ needs, shuns }: Op): boolean {
    return (needs < 0 || needs === this.#state) && shuns !== this.#state
  }

  /** Lowe's memo; where the last step was unknown, what may follow is restricted, so those are remembered apart. */
  #isNew(op: Op): boolean {
    let key = `${this.#state},${this.#base},${op.source.outcome === 'unknown' ? 1 : 0}`
    for (let place = this.#base; place < this.#top; place++) if (this.#known[place]!.placed) key += `,${place}`
    const used: number[] = []
    for (let place = 0; place < this.#unknown.length; place++) if (this.#unknown[place]!.placed) used.push(place)
    const before = this.#seen.get(key)
    if (!before) {
      this.#seen.set(key, [used])
      return true
    }
    if (before.some((less) => isSubset(less, used))) return false
    this.#seen.set(key, [...before.filter((more) => !isSubset(used, more)), used])
    return true
  }
}

/** Both in ascending order. */
function isSubset(part: readonly number[], whole: readonly number[]): boolean {
  let at = 0
  for (const one of whole) if (part[at] === one) at++
  return at === part.length
}
