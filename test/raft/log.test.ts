/** The log as a value: against a plain array that copies everything. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { entryBytes, Log } from '../../src/machines/raft/log.ts'
import type { Entry } from '../../src/machines/raft/messages.ts'
import { entry, index, term } from './rig.ts'

const all = (log: Log): readonly Entry[] => log.between(1, log.lastIndex)
const logOf = (...terms: number[]): Log => Log.of(terms.map((one) => entry(one)))

describe('the log', () => {
  it('reads every version as it was, whatever branches grow from it', () => {
    const step = fc.record({ from: fc.nat(), cut: fc.nat(), count: fc.integer({ min: 0, max: 4 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const versions: { log: Log; oracle: readonly Entry[] }[] = [{ log: Log.of(), oracle: [] }]
        steps.forEach(({ from, cut, count }, at) => {
          const { log, oracle } = versions[from % versions.length]!
          const prev = cut % (log.length + 1)
          const more = Array.from({ length: count }, () => entry(at + 1, `${at}`))
          const { log: next } = log.truncateAndAppend(index(prev), more)
          versions.push({ log: next, oracle: count === 0 ? oracle : [...oracle.slice(0, prev), ...more] })
        })
        for (const { log, oracle } of versions) {
          expect(all(log)).toEqual(oracle)
          expect(log.lastTerm).toBe(oracle.at(-1)?.term ?? 0)
        }
      }),
    )
  })

  it('does not copy when the newest version grows', () => {
    let log = Log.of()
    const one = [entry(1)]
    const started = performance.now()
    for (let count = 0; count < 200_000; count++) log = log.append(one)
    expect(log.lastIndex).toBe(200_000)
    // Copying 200,000 times would move 20 billion entries.
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  it('knows the terms it holds, and none beyond', () => {
    const log = logOf(1, 1, 3)
    expect([0, 1, 2, 3, 4].map((at) => log.termAt(at))).toEqual([0, 1, 1, 3, undefined])
    expect(log.matches(3, term(3))).toBe(true)
    expect(log.matches(3, term(2))).toBe(false)
    expect(log.matches(4, term(3))).toBe(false)
    expect(log.entryAt(0)).toBeUndefined()
  })

  it('refuses an entry of an older term than its last', () => {
    expect(() => logOf(2).append([entry(1)])).toThrow('an entry of term 1 after one of term 2')
  })

  it('finds the last entry up to an index whose term is no newer, like a walk would', () => {
    const terms = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 30 }).map((list) => list.sort((a, b) => a - b))
    fc.assert(
      fc.property(terms, fc.nat({ max: 35 }), fc.nat({ max: 7 }), (list, at, most) => {
        let expected = Math.min(at, list.length)
        while (expected > 0 && list[expected - 1]! > most) expected--
        expect(logOf(...list).lastAtOrBelow(at, term(most))).toBe(expected)
      }),
    )
  })

  it('is cut into batches by bytes and by count, but never into nothing', () => {
    const log = logOf(1, 1, 1, 1)
    const bytes = entryBytes(entry(1))
    expect(log.slice(index(2), 1e6, 2).entries).toHaveLength(2)
    expect(log.slice(index(1), bytes * 3, 99)).toMatchObject({ entries: [{}, {}, {}], bytes: bytes * 3 })
    expect(log.slice(index(1), 1, 99).entries).toHaveLength(1)
    expect(log.slice(index(5), 1e6, 99)).toEqual({ entries: [], bytes: 0 })
    expect(log.slice(index(0), 1e6, 99).entries).toHaveLength(0)
  })

  it('weighs commands by their bytes and configurations by their members', () => {
    const configuration = { voters: [], learners: [] }
    expect(entryBytes(entry(1, 'xxxx')) - entryBytes(entry(1, ''))).toBe(4)
    expect(entryBytes({ kind: 'configuration', term: term(1), timeMs: 0, configuration })).toBe(
      entryBytes({ kind: 'noop', term: term(1), timeMs: 0 }),
    )
  })

  it('shows an inspector a summary', () => {
    expect(JSON.parse(JSON.stringify(logOf(1, 2)))).toEqual({ first: 1, last: 2, lastTerm: 2 })
  })
})
