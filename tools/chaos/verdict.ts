/**
 * What a chaos run has shown. Two looks that know nothing of each other: the history is put in order by the checker, and the books of the
 * members are compared with what was acknowledged.
 */
import {
  checkLinearizability,
  type HistoryOp,
  type LinearizabilityViolation,
} from '../../src/testing/linearizability.ts'
import type { Audit } from './audited-registers.ts'

export interface Verdict {
  readonly ops: number
  readonly ok: number
  readonly unknown: number
  readonly linearizable: boolean
  /** Writes that were acknowledged and that a member's book does not hold. */
  readonly lost: number
  /** Writes that a member applied more than once. */
  readonly duplicated: number
  /** The shortest story of a key that has no order. */
  readonly smallest: { readonly violation: LinearizabilityViolation; readonly history: readonly HistoryOp[] } | null
  /** Keys that the checker gave up: nothing is claimed of them. */
  readonly undecided: readonly string[]
}

export function judge(history: readonly HistoryOp[], audits: readonly Audit[]): Verdict {
  const { linearizable, violations, undecided } = checkLinearizability(history)
  const books = audits.map((audit) => new Map(audit))
  const acknowledged = history.filter(({ op, outcome }) => op !== 'get' && outcome === 'ok').map(idOf)
  const twice = new Set(audits.flatMap((audit) => audit.filter(([, times]) => times > 1).map(([id]) => id)))
  const stories = violations.map(({ key }) => shortestFailing(history.filter((op) => op.key === key)))
  stories.sort((a, b) => a.history.length - b.history.length)
  return {
    ops: history.length,
    ok: history.filter(({ outcome }) => outcome === 'ok').length,
    unknown: history.filter(({ outcome }) => outcome === 'unknown').length,
    linearizable,
    lost: acknowledged.filter((id) => books.some((book) => !book.has(id))).length,
    duplicated: twice.size,
    smallest: stories[0] ?? null,
    undecided,
  }
}

function idOf({ op, args }: HistoryOp): number {
  return args[op === 'cas' ? 1 : 0] as number
}

/**
 * Every beginning of a history that has an order has one too, so the first moment from which there is none can be halved for. What had
 * not ended then is unknown, what had not begun is left out.
 */
function shortestFailing(history: readonly HistoryOp[]): NonNullable<Verdict['smallest']> {
  const ends = history.flatMap(({ outcome, end_ns }) => (outcome === 'ok' && end_ns !== null ? [end_ns] : []))
  ends.sort((a, b) => a - b)
  let passing = -1
  let failing = ends.length - 1
  while (failing - passing > 1) {
    const middle = (passing + failing) >> 1
    if (checkLinearizability(upTo(history, ends[middle] as number)).violations.length === 0) passing = middle
    else failing = middle
  }
  const shortest = upTo(history, ends[failing] as number)
  const [violation] = checkLinearizability(shortest).violations
  if (!violation) throw new RangeError('The history has an order after all.')
  return { violation, history: shortest }
}

function upTo(history: readonly HistoryOp[], momentNs: number): HistoryOp[] {
  return history
    .filter(({ start_ns }) => start_ns <= momentNs)
    .map((op) => (op.end_ns !== null && op.end_ns > momentNs ? { ...op, end_ns: null, outcome: 'unknown' } : op))
}
