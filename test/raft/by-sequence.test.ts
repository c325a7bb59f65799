/** Values by sequence number: against a map. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BySequence } from '../../src/machines/raft/by-sequence.ts'

const sequence = fc.oneof(fc.nat({ max: 300 }), fc.maxSafeNat())
const step = fc.oneof(
  fc.record({ set: sequence, value: fc.option(fc.nat(), { nil: undefined }) }),
  fc.record({ delete: sequence }),
  fc.record({ deleteUpTo: sequence }),
)

describe('values by sequence number', () => {
  it('are what a map of them would hold', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const some = new BySequence<number | undefined>()
        const oracle = new Map<number, number | undefined>()
        for (const one of steps) {
          if ('set' in one) {
            some.set(one.set, one.value)
            oracle.set(one.set, one.value)
            expect(some.has(one.set)).toBe(true)
          } else if ('delete' in one) {
            expect(some.delete(one.delete)).toBe(oracle.delete(one.delete))
            expect(some.has(one.delete)).toBe(false)
          } else {
            some.deleteUpTo(one.deleteUpTo)
            for (const known of [...oracle.keys()]) if (known <= one.deleteUpTo) oracle.delete(known)
          }
          expect(some.size).toBe(oracle.size)
          for (const [known, value] of oracle) expect([some.has(known), some.get(known)]).toEqual([true, value])
        }
        const inOrder = (entries: Iterable<[number, number | undefined]>) => [...entries].sort(([a], [b]) => a - b)
        expect(inOrder(some.entries())).toEqual(inOrder(oracle))
      }),
    )
  })

  it('come back in order where they came in order, whatever went between', () => {
    const some = new BySequence<string>()
    for (let at = 1; at <= 1_000; at++) some.set(at, `${at}`)
    for (let at = 1; at <= 1_000; at++) if (at % 3 > 0 || at < 200) some.delete(at)
    expect(some.first).toBe(201)
    expect(some.entries().map(([at]) => at)).toEqual(Array.from({ length: 267 }, (_, i) => 201 + i * 3))
    expect(new BySequence().first).toBeUndefined()
  })
})
