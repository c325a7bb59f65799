/** The log as a value: against a plain array that copies everything. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { entryBytes, Log } from '../../src/machines/raft/log.ts'
import { type Entry, spanOf, spansOf } from '../../src/machines/raft/messages.ts'
import { entry, entryOf, index, term } from './rig.ts'

const all = (log: Log): readonly Entry[] => log.between(log.offset + 1, log.lastIndex)
const spanning = (atTerm: number, count: number): Entry =>
  entryOf(atTerm, ...Array.from({ length: count }, (_, i) => `${atTerm}.${i}`))
const logOf = (...terms: number[]): Log => Log.of(terms.map((one) => entry(one)))

describe('the log', () => {
  it('reads every version as it was, whatever branches grow from it', () => {
    const span = fc.integer({ min: 1, max: 3 })
    const step = fc.record({ from: fc.nat(), cut: fc.nat(), spans: fc.array(span, { maxLength: 4 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const versions: { log: Log; oracle: readonly Entry[] }[] = [{ log: Log.of(), oracle: [] }]
        steps.forEach(({ from, cut, spans }, at) => {
          const { log, oracle } = versions[from % versions.length]!
          const kept = oracle.slice(0, cut % (oracle.length + 1))
          const more = spans.map((count) => spanning(at + 1, count))
          const { log: next, from: first, written } = log.truncateAndAppend(index(spansOf(kept)), more)
          versions.push({ log: next, oracle: more.length === 0 ? oracle : [...kept, ...more] })
          expect([first, written]).toEqual(more.length === 0 ? [null, []] : [spansOf(kept) + 1, more])
        })
        for (const { log, oracle } of versions) {
          expect(all(log)).toEqual(oracle)
          expect(log.lastTerm).toBe(oracle.at(-1)?.term ?? 0)
          const byIndex = oracle.flatMap((one) => new Array<Entry>(spanOf(one)).fill(one))
          expect(log.lastIndex).toBe(byIndex.length)
          expect(byIndex.map((_, at) => log.entryAt(at + 1))).toEqual(byIndex)
          const ends = oracle.map((_, at) => spansOf(oracle.slice(0, at + 1)))
          expect(byIndex.flatMap((_, at) => (log.isEnd(at + 1) ? [at + 1] : []))).toEqual(ends)
          for (const end of ends) {
            expect(all(log.compactedTo(index(end)))).toEqual(oracle.slice(ends.indexOf(end) + 1))
            expect(log.slice(index(end + 1), 1e6, 1).entries).toEqual(oracle.slice(ends.indexOf(end) + 1).slice(0, 1))
          }
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

  it('keeps an entry of several commands whole: it agrees, begins and is cut only where one ends', () => {
    const log = Log.of([entry(1), spanning(1, 3), spanning(2, 2), entry(2)])
    expect([1, 2, 3, 4, 5, 6, 7].map((at) => log.matches(at, log.termAt(at)!))).toEqual([
      true,
      false,
      false,
      true,
      false,
      true,
      true,
    ])
    expect([3, 4, 5].map((at) => log.lastAtOrBelow(at, term(1)))).toEqual([1, 4, 4])
    expect(log.slice(index(2), 1e6, 2)).toMatchObject({ entries: [{ count: 3 }, { count: 2 }], span: 5 })
    expect(() => log.slice(index(3), 1e6, 1)).toThrow('no entry ends at 2')
    expect(log.tailStart(index(6), 1e6, 4)).toBe(4)
    expect(log.tailStart(index(6), 1e6, 5)).toBe(1)
  })

  it('is cut into batches by bytes and by count, but never into nothing', () => {
    const log = logOf(1, 1, 1, 1)
    const bytes = entryBytes(entry(1))
    expect(log.slice(index(2), 1e6, 2).entries).toHaveLength(2)
    expect(log.slice(index(1), bytes * 3, 99)).toMatchObject({ entries: [{}, {}, {}], span: 3, bytes: bytes * 3 })
    expect(log.slice(index(1), 1, 99).entries).toHaveLength(1)
    expect(log.slice(index(5), 1e6, 99)).toEqual({ entries: [], span: 0, bytes: 0 })
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
