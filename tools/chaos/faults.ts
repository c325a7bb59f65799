/**
 * What happens to a chaos run, and when: a plan made from a seed alone. The same seed gives the same plan; what comes of it is up to
 * the machine it runs on.
 *
 * Faults are dealt like cards: each comes once before any comes again, and a kill and a cut come first, so that even a short
 * run has both. They may overlap.
 */
import { Chance } from '../../src/testing/chance.ts'
import type { Condition } from './network.ts'

export type Fault =
  | { readonly kind: 'kill'; readonly members: readonly number[] }
  | { readonly kind: 'killLeader' }
  /** SIGSTOP, then SIGCONT. */
  | { readonly kind: 'stop'; readonly member: number }
  | { readonly kind: 'cut' | 'silence' | 'partition' | 'slow'; readonly conditions: readonly Condition[] }

export interface PlannedFault {
  readonly atMs: number
  /** Then the members are started again, or the paths are mended. */
  readonly forMs: number
  readonly fault: Fault
}

const KINDS = ['kill', 'killLeader', 'killAll', 'stop', 'cut', 'silence', 'oneWay', 'partition', 'slow'] as const
type Kind = (typeof KINDS)[number]

/** From the beginning to the first fault, and from each to the next. */
const PAUSE_MS = { min: 400, max: 2_500 }
const LASTS_MS = { min: 200, max: 4_000 }
const DELAY_MS = { min: 20, max: 300 }
const BYTES_PER_SECOND = { min: 20_000, max: 500_000 }

/** Faults of a run of `durationMs` with members 0 to `members - 1`; none lasts longer than the run. */
export function planFaults(seed: number, durationMs: number, members: number): PlannedFault[] {
  const chance = new Chance(seed, 1)
  const plan: PlannedFault[] = []
  let deck: Kind[] = ['kill', 'cut']
  for (let atMs = chance.within(PAUSE_MS); atMs < durationMs; atMs += chance.within(PAUSE_MS)) {
    if (deck.length === 0) deck = chance.shuffled(KINDS)
    const fault = faultOf(deck.shift() as Kind, chance, members)
    plan.push({ atMs, forMs: Math.min(chance.within(LASTS_MS), durationMs - atMs), fault })
  }
  return plan
}

function faultOf(kind: Kind, chance: Chance, members: number): Fault {
  const numbers = chance.shuffled(Array.from({ length: members }, (_, number) => number))
  const [one = 0, other = 0] = numbers
  switch (kind) {
    case 'kill':
      return { kind, members: [one] }
    case 'killAll':
      return { kind: 'kill', members: numbers }
    case 'killLeader':
      return { kind }
    case 'stop':
      return { kind, member: one }
    case 'cut':
      return { kind, conditions: between([one], [other], { cut: true }) }
    case 'silence':
      return { kind, conditions: between([one], [other], { silent: true }) }
    case 'oneWay':
      return { kind: 'silence', conditions: [{ from: one, to: other, silent: true }] }
    case 'partition': {
      const side = 1 + chance.below(Math.max(1, members - 1))
      const how = chance.flip(0.5) ? { cut: true } : { silent: true }
      return { kind, conditions: between(numbers.slice(0, side), numbers.slice(side), how) }
    }
    case 'slow': {
      const how = { delayMs: chance.within(DELAY_MS), bytesPerSecond: chance.within(BYTES_PER_SECOND) }
      return { kind, conditions: between([one], numbers.slice(1), how) }
    }
  }
}

/** Both ways between each of `some` and each of `others`. */
function between(some: readonly number[], others: readonly number[], how: Omit<Condition, 'from' | 'to'>): Condition[] {
  return some.flatMap((from) =>
    others.flatMap((to) => [
      { from, to, ...how },
      { from: to, to: from, ...how },
    ]),
  )
}

/** For the trace: members are counted from 1. */
export function faultText(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
      return `kill ${fault.members.map((member) => member + 1).join(' ')}`
    case 'killLeader':
      return 'kill leader'
    case 'stop':
      return `stop ${fault.member + 1}`
    default: {
      const [{ from: _from, to: _to, ...how } = { from: 0, to: 0 }] = fault.conditions
      const ways = fault.conditions.map(({ from, to }) => `${from + 1}>${to + 1}`).join(' ')
      return `${fault.kind} ${ways} ${JSON.stringify(how)}`
    }
  }
}
