/** The linearizability checker on histories known to be good and bad, against a brute force, and on long ones. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkLinearizability,
  formatHistory,
  type HistoryOp,
  type HistoryOutcome,
  parseHistory,
} from '../../src/testing/linearizability.ts'

type Row = readonly [
  start: number,
  end: number,
  op: HistoryOp['op'],
  args: unknown[],
  result?: unknown,
  outcome?: HistoryOutcome,
]

/** `x` unless the row's arguments name another register. */
function history(...rows: Row[]): HistoryOp[] {
  return rows.map(([start_ns, end_ns, op, args, result = null, outcome = 'ok'], client) => ({
    client,
    op,
    key: 'x',
    args,
    start_ns,
    end_ns,
    outcome,
    result,
  }))
}

const isLinearizable = (...rows: Row[]) => checkLinearizability(history(...rows)).linearizable

describe('histories that are linearizable', () => {
  it.each<[string, Row[]]>([
    ['nothing at all', []],
    ['a register that was never set holds null', [[0, 1, 'get', [], null]]],
    [
      'one after the other',
      [
        [0, 1, 'set', [1]],
        [2, 3, 'get', [], 1],
        [4, 5, 'set', [2]],
        [6, 7, 'get', [], 2],
      ],
    ],
    [
      'a read beside a write may see either value',
      [
        [0, 10, 'set', [1]],
        [1, 2, 'get', [], null],
        [3, 4, 'get', [], 1],
      ],
    ],
    [
      'two writes at once, in the order the reads show',
      [
        [0, 10, 'set', [1]],
        [0, 10, 'set', [2]],
        [11, 12, 'get', [], 1],
      ],
    ],
    [
      'a lost write that nobody saw',
      [
        [0, 1, 'set', [1]],
        [2, 3, 'set', [2], null, 'unknown'],
        [4, 5, 'get', [], 1],
      ],
    ],
    [
      'a lost write that was seen much later',
      [
        [0, 1, 'set', [2], null, 'unknown'],
        [2, 3, 'get', [], null],
        [90, 91, 'get', [], 2],
      ],
    ],
    [
      'a write that failed had no effect',
      [
        [0, 1, 'set', [1], null, 'fail'],
        [2, 3, 'get', [], null],
      ],
    ],
    [
      'a read that failed says nothing',
      [
        [0, 1, 'set', [1]],
        [2, 3, 'get', [], 7, 'fail'],
        [2, 3, 'get', [], 8, 'unknown'],
      ],
    ],
    [
      'cas swaps once',
      [
        [0, 1, 'set', [1]],
        [2, 9, 'cas', [1, 2], true],
        [2, 9, 'cas', [1, 3], false],
        [10, 11, 'get', [], 2],
      ],
    ],
    [
      'a lost cas that swapped',
      [
        [0, 1, 'cas', [null, 1], null, 'unknown'],
        [2, 3, 'cas', [1, 2], true],
      ],
    ],
    [
      'a lost write, a lost cas upon it, and a read of that',
      [
        [0, 1, 'set', [1], null, 'unknown'],
        [0, 1, 'cas', [1, 2], null, 'unknown'],
        [5, 6, 'get', [], 2],
      ],
    ],
    [
      'a cas that missed because of a lost write',
      [
        [0, 1, 'set', [5], null, 'unknown'],
        [2, 3, 'cas', [null, 1], false],
      ],
    ],
    [
      'values are compared by what they hold',
      [
        [0, 1, 'set', [{ a: [1] }]],
        [2, 3, 'get', [], { a: [1] }],
      ],
    ],
  ])('%s', (_, rows) => {
    expect(isLinearizable(...rows)).toBe(true)
  })
})

describe('histories that are not linearizable', () => {
  it.each<[string, Row[]]>([
    [
      'a stale read',
      [
        [0, 1, 'set', [1]],
        [2, 3, 'set', [2]],
        [4, 5, 'get', [], 1],
      ],
    ],
    [
      'a lost write',
      [
        [0, 1, 'set', [1]],
        [2, 3, 'get', [], null],
      ],
    ],
    [
      'a value nobody wrote',
      [
        [0, 1, 'set', [1]],
        [2, 3, 'get', [], 9],
      ],
    ],
    [
      'a value of a write that failed',
      [
        [0, 1, 'set', [1], null, 'fail'],
        [2, 3, 'get', [], 1],
      ],
    ],
    [
      'reads that go back',
      [
        [0, 10, 'set', [1]],
        [1, 2, 'get', [], 1],
        [3, 4, 'get', [], null],
      ],
    ],
    [
      'split brain: each side reads its own',
      [
        [0, 1, 'set', [1]],
        [0, 1, 'set', [2]],
        [2, 3, 'get', [], 1],
        [4, 5, 'get', [], 2],
      ],
    ],
    [
      'two cas from one value',
      [
        [0, 1, 'set', [1]],
        [2, 9, 'cas', [1, 2], true],
        [2, 9, 'cas', [1, 3], true],
      ],
    ],
    [
      'a cas that was applied twice',
      [
        [0, 1, 'set', [1]],
        [2, 3, 'cas', [1, 2], true],
        [4, 5, 'set', [1]],
        [6, 7, 'get', [], 2],
      ],
    ],
    [
      'a cas that missed where it had to swap',
      [
        [0, 1, 'set', [1]],
        [2, 3, 'cas', [1, 2], false],
      ],
    ],
    [
      'a lost write seen before it began',
      [
        [0, 1, 'get', [], 7],
        [2, 3, 'set', [7], null, 'unknown'],
      ],
    ],
    [
      'a lost write that took effect twice',
      [
        [0, 1, 'set', [1], null, 'unknown'],
        [2, 3, 'get', [], 1],
        [4, 5, 'set', [2]],
        [6, 7, 'get', [], 1],
      ],
    ],
  ])('%s', (_, rows) => {
    expect(isLinearizable(...rows)).toBe(false)
  })
})

describe('the verdict', () => {
  it('looks at each register by itself and names the one that is wrong', () => {
    const good = history([0, 1, 'set', [1]], [2, 3, 'get', [], 1])
    const bad = history([0, 1, 'set', [1]], [2, 3, 'get', [], 4]).map((op) => ({ ...op, key: 'y' }))
    const { violations } = checkLinearizability([...good, ...bad])
    expect(violations).toEqual([{ key: 'y', placed: 1, of: 2, value: 1, stuck: [bad[1]] }])
  })

  it('claims nothing where the search was given up', () => {
    expect(checkLinearizability(history([0, 1, 'set', [1]], [2, 3, 'get', [], 4]), { stepsMax: 1 })).toEqual({
      linearizable: false,
      violations: [],
      undecided: ['x'],
    })
  })

  it('is the same for a history written to a file and read back', () => {
    const ops = history([0, 1, 'set', [1]], [2, 3, 'cas', [1, 2], true], [4, 5, 'get', [], 2, 'unknown'])
    expect(parseHistory(formatHistory(ops))).toEqual(ops)
  })
})

/** Every order of every choice of unknown operations: hopeless for more than a handful, and plainly right. */
function bruteForce(ops: readonly HistoryOp[]): boolean {
  const relevant = ops.filter(({ outcome, op }) => outcome === 'ok' || (outcome === 'unknown' && op !== 'get'))
  const precedes = (a: HistoryOp, b: HistoryOp) => a.outcome === 'ok' && (a.end_ns as number) < b.start_ns
  const from = (left: readonly HistoryOp[], value: unknown): boolean => {
    if (left.every(({ outcome }) => outcome === 'unknown')) return true
    return left.some((op) => {
      if (left.some((other) => other !== op && precedes(other, op))) return false
      const next = step(op, value)
      return (
        next !== undefined &&
        from(
          left.filter((other) => other !== op),
          next.value,
        )
      )
    })
  }
  return from(relevant, null)
}

function step({ op, args, outcome, result }: HistoryOp, value: unknown): { value: unknown } | undefined {
  if (op === 'set') return { value: args[0] }
  if (op === 'get') return result === value ? { value } : undefined
  const swaps = args[0] === value
  if (outcome === 'ok' && result !== swaps) return undefined
  return { value: swaps ? args[1] : value }
}

const value = fc.constantFrom<unknown>(null, 1, 2, 3)
const shape = fc.oneof(
  fc.record({ op: fc.constant('set' as const), args: fc.tuple(value), result: fc.constant(null) }),
  fc.record({ op: fc.constant('get' as const), args: fc.constant([]), result: value }),
  fc.record({ op: fc.constant('cas' as const), args: fc.tuple(value, value), result: fc.boolean() }),
)
const outcome = fc.constantFrom<HistoryOutcome>('ok', 'ok', 'ok', 'unknown', 'fail')
const anyOp = fc
  .tuple(shape, outcome, fc.nat(12), fc.nat(6))
  .map(([{ op, args, result }, outcome, start_ns, took]) => ({
    op,
    args,
    result,
    outcome,
    start_ns,
    end_ns: start_ns + took,
  }))

it('agrees with a brute force on every small history', () => {
  let good = 0
  fc.assert(
    fc.property(fc.array(anyOp, { maxLength: 6 }), (shapes) => {
      const ops = shapes.map((one, client) => ({ ...one, client, key: 'x' }))
      const expected = bruteForce(ops)
      if (expected) good++
      expect(checkLinearizability(ops).linearizable).toBe(expected)
    }),
    { numRuns: 5_000, seed: 1 },
  )
  expect(good).toBeGreaterThan(500)
})

/** Eight clients on one register, each operation taking effect somewhere within its time; some answers are lost. */
function longHistory(length: number): HistoryOp[] {
  const ops: HistoryOp[] = []
  let held: unknown = null
  let random = 7
  const below = (limit: number) => {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0
    return (random >>> 8) % limit
  }
  for (let at = 0; at < length; at++) {
    const times = { client: at % 8, key: 'x', start_ns: at * 10 - below(40), end_ns: at * 10 + below(40) }
    const outcome = below(20) === 0 ? 'unknown' : 'ok'
    const kind = below(3)
    if (kind === 0) {
      ops.push({ ...times, op: 'get', args: [], outcome, result: held })
    } else if (kind === 1) {
      ops.push({ ...times, op: 'set', args: [at], outcome, result: null })
      held = at
    } else {
      const swaps = below(2) === 0
      ops.push({ ...times, op: 'cas', args: [swaps ? held : -1, at], outcome, result: swaps })
      if (swaps) held = at
    }
  }
  return ops
}

describe('a long history of one register', () => {
  it('is found good', () => {
    expect(checkLinearizability(longHistory(5_000)).linearizable).toBe(true)
  })

  it('is found bad by one stale read in the middle', () => {
    const ops = longHistory(5_000)
    const at = ops.findIndex(({ op, outcome }, place) => place > 2_500 && op === 'get' && outcome === 'ok')
    ops[at] = { ...ops[at]!, result: 100 }
    expect(checkLinearizability(ops)).toMatchObject({ linearizable: false, undecided: [] })
  })
})
