/**
 * SEMANTICS §3, 'When both dial at once', over every interleaving: who learns of whom when, when the end that does not come first is
 * tired of waiting, when each dial comes through, and in which order each end hears what the other sent.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Pair } from './pair.ts'

interface Explored {
  readonly states: number
  readonly ends: number
}

function replay(schedule: readonly string[], cuts: number): Pair {
  const pair = new Pair(cuts)
  for (const choice of schedule) pair.take(choice)
  return pair
}

/** Depth first; a state seen before is not entered again. `onState` and `onEnd` throw where something is wrong. */
function explore(cuts: number, onState: (pair: Pair) => void, onEnd: (pair: Pair) => void): Explored {
  const seen = new Set<string>()
  let ends = 0
  const visit = (start: Pair, path: readonly string[]): void => {
    let pair: Pair | null = start
    if (seen.has(start.key())) return start.stop()
    seen.add(start.key())
    const choices = start.choices()
    try {
      onState(start)
      if (choices.length === 0) onEnd(start)
    } catch (cause) {
      throw new Error(`after ${path.join(', ')}`, { cause })
    }
    if (choices.length === 0) {
      ends++
      return start.stop()
    }
    for (const choice of choices) {
      const next: Pair = pair ?? replay(path, cuts)
      pair = null
      next.take(choice)
      visit(next, [...path, choice])
    }
  }
  visit(new Pair(cuts), [])
  return { states: seen.size, ends }
}

/** At no moment does an end hold two bonds, or lose one that stood. */
function expectNoneLost({ formed, terminated }: Pair): void {
  for (const side of formed) expect(side.length).toBeLessThanOrEqual(1)
  expect(terminated).toEqual([[], []])
}

function expectOneBond(pair: Pair): void {
  const [small, large] = pair.standing()
  expect(small).not.toBeNull()
  expect(large).toBe(small)
  expect(pair.bondsAlive()).toEqual([1, 1])
}

describe('both dial at once', () => {
  it('every interleaving leaves exactly one bond, the same at both ends, and never loses one that stood', () => {
    const { states, ends } = explore(0, expectNoneLost, (pair) => {
      expectOneBond(pair)
      // A redial that is still due finds the pair bonded, and dials nobody.
      pair.settle(1_000)
      expectOneBond(pair)
      expectNoneLost(pair)
    })
    expect(states).toBeGreaterThan(100)
    expect(ends).toBeGreaterThan(1)
  })

  it('the link dialled by the smaller id survives wherever both dialled before either was heard', () => {
    const pair = new Pair()
    for (const choice of ['name 0', 'tire 0', 'name 1', 'open 0', 'open 1']) pair.take(choice)
    for (let [choice] = pair.choices(); choice; [choice] = pair.choices()) pair.take(choice)
    expect(pair.standing()).toEqual(['link-0', 'link-0'])
    const other = new Pair()
    for (const choice of ['name 1', 'name 0', 'tire 0', 'open 0', 'open 1']) other.take(choice)
    for (let [choice] = other.choices(); choice; [choice] = other.choices()) other.take(choice)
    expect(other.standing()).toEqual(['link-1', 'link-1'])
  })
})

describe('fault 5: both dial at once, and a link is lost', () => {
  it('at any moment of any interleaving: a redial is due or a bond stands, never neither', () => {
    const { states } = explore(
      1,
      () => {},
      (pair) => {
        const standing = pair.standing()
        for (const side of [0, 1]) {
          const cared = standing[side] !== null || pair.redialsDue()[side] || pair.bondsAlive()[side]! > 0
          expect(cared).toBe(true)
        }
        pair.settle(8_000)
        expectOneBond(pair)
      },
    )
    expect(states).toBeGreaterThan(500)
  })

  it('several times, in random order: one bond in the end', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 5, maxLength: 80 }), (picks) => {
        const pair = new Pair(4)
        for (const pick of picks) {
          const choices = pair.choices()
          if (choices.length > 0) pair.take(choices[pick % choices.length]!)
          if (pick % 7 === 0) pair.clock.increment(pick % 2_500)
        }
        pair.settle(20_000)
        expectOneBond(pair)
        pair.stop()
      }),
      { numRuns: 60 },
    )
  })
})
