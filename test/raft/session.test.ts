/** Client sessions (Thesis §6.3): a command that comes twice is applied once. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Run, SessionTable } from '../../src/machines/raft/session.ts'

/** Applies a command as a replica does; returns what was decided: its result where it was applied before. */
function run(table: SessionTable<string>, id: number, sequence: number, acknowledged = 0, result = `${sequence}`) {
  const session = table.use(id)
  if (session === null) return 'expired'
  session.acknowledge(Math.min(acknowledged, sequence - 1))
  const decision = session.decide(sequence)
  if (decision === 'apply') session.begin(sequence, sequence + 100).results.push(result)
  return typeof decision === 'string' ? decision : told(decision, sequence)
}

function told({ sequence, index, results }: Run<string>, asked: number) {
  expect([sequence, index, results.length]).toEqual([asked, asked + 100, 1])
  return { result: results[0] }
}

describe('idleness, by the times in the log', () => {
  const at = (table: SessionTable<string>, timeMs: number, session: number, sequence: number) => {
    table.advance(timeMs)
    return run(table, session, sequence)
  }

  it('forgets a session that was used too long ago, and only that', () => {
    const table = new SessionTable<string>(10, 1_000)
    table.advance(100)
    table.open(1, 'idle')
    table.open(2, 'busy')
    expect(at(table, 1_000, 2, 1)).toBe('apply')
    table.advance(1_099)
    expect(table.size).toBe(2)
    expect(at(table, 1_100, 1, 1)).toBe('expired')
    expect(table.size).toBe(1)
    expect(at(table, 1_999, 2, 2)).toBe('apply')
    expect(at(table, 2_999, 2, 3)).toBe('expired')
  })

  it('is not brought about by a clock that is set back', () => {
    const table = new SessionTable<string>(10, 1_000)
    table.advance(5_000)
    table.open(1, 'n')
    expect(at(table, 10, 1, 1)).toBe('apply')
    expect(at(table, 5_999, 1, 2)).toBe('apply')
  })

  it('watches also a session that is opened after all others are forgotten', () => {
    const table = new SessionTable<string>(10, 1_000)
    table.open(1, 'first')
    table.advance(1_000)
    expect(table.size).toBe(0)
    table.open(2, 'second')
    table.advance(2_000)
    expect(table.size).toBe(0)
  })
})

describe('a session', () => {
  it('applies a command once, and gives its first result again', () => {
    const table = new SessionTable<string>()
    table.open(5, 'n')
    expect(run(table, 5, 1, 0, 'first')).toBe('apply')
    expect(run(table, 5, 1, 0, 'second')).toEqual({ result: 'first' })
  })

  it('keeps also the result undefined', () => {
    const table = new SessionTable<undefined>()
    table.open(5, 'n')
    table.use(5)?.begin(1, 7).results.push(undefined)
    expect(table.use(5)?.decide(1)).toEqual({ sequence: 1, index: 7, results: [undefined] })
  })

  it('tells of each command of a run by itself, and where it was applied', () => {
    const table = new SessionTable<string>()
    table.open(5, 'n')
    table.use(5)?.begin(4, 70).results.push('a', 'b', 'c')
    table.use(5)?.begin(1, 80).results.push('d', 'e')
    const decided = [1, 2, 3, 4, 5, 6, 7].map((sequence) => table.use(5)?.decide(sequence))
    const one = (sequence: number, index: number, result: string) => ({ sequence, index, results: [result] })
    const first = [one(1, 80, 'd'), one(2, 81, 'e'), 'apply']
    expect(decided).toEqual([...first, one(4, 70, 'a'), one(5, 71, 'b'), one(6, 72, 'c'), 'apply'])
  })

  it('keeps a run until all of it is acknowledged, and none of what is', () => {
    const table = new SessionTable<string>()
    table.open(5, 'n')
    const session = table.use(5)!
    session.begin(1, 70).results.push('a', 'b', 'c')
    session.acknowledge(2)
    expect([1, 2, 3].map((sequence) => session.decide(sequence))).toMatchObject(['stale', 'stale', { results: ['c'] }])
    expect(session.kept(5).runs).toHaveLength(1)
    session.acknowledge(3)
    expect(session.kept(5).runs).toEqual([])
  })

  it('takes commands in any order', () => {
    const table = new SessionTable<string>()
    table.open(5, 'n')
    expect([3, 1, 2].map((sequence) => run(table, 5, sequence))).toEqual(['apply', 'apply', 'apply'])
    expect(run(table, 5, 2)).toEqual({ result: '2' })
  })

  it('forgets what was acknowledged, and never applies it again', () => {
    const table = new SessionTable<string>()
    table.open(5, 'n')
    for (const sequence of [1, 2, 3]) run(table, 5, sequence)
    expect(run(table, 5, 4, 2)).toBe('apply')
    expect([1, 2, 3].map((sequence) => run(table, 5, sequence))).toEqual(['stale', 'stale', { result: '3' }])
  })

  it('never takes its own command for acknowledged, and does not spin when a client jumps ahead', () => {
    const table = new SessionTable<string>()
    table.open(5, 'n')
    run(table, 5, 1)
    const far = Number.MAX_SAFE_INTEGER
    expect(run(table, 5, far, far)).toBe('apply')
    expect(run(table, 5, 1)).toBe('stale')
  })

  it('that was never opened, or was forgotten, is expired', () => {
    const table = new SessionTable<string>(2)
    expect(run(table, 1, 1)).toBe('expired')
    for (const id of [1, 2]) table.open(id, 'n')
    run(table, 1, 1)
    table.open(3, 'n')
    expect(table.size).toBe(2)
    expect(run(table, 2, 1)).toBe('expired')
    expect(run(table, 1, 1)).toEqual({ result: '1' })
  })

  it('is decided alike by every member that sees the same log', () => {
    const step = fc.record({
      open: fc.boolean(),
      session: fc.integer({ min: 1, max: 8 }),
      sequence: fc.integer({ min: 1, max: 5 }),
      acknowledged: fc.nat({ max: 5 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const [one, two] = [new SessionTable<string>(3), new SessionTable<string>(3)]
        const applied = new Set<string>()
        steps.forEach(({ open, session, sequence, acknowledged }, at) => {
          if (open) for (const table of [one, two]) table.open(100 + at, 'n')
          const id = open ? 100 + at : 100 + (session % (at + 1))
          const decision = run(one, id, sequence, acknowledged)
          expect(run(two, id, sequence, acknowledged)).toEqual(decision)
          if (decision !== 'apply') return
          expect(applied.has(`${id} ${sequence}`)).toBe(false)
          applied.add(`${id} ${sequence}`)
        })
        expect(one.size).toBeLessThanOrEqual(3)
      }),
    )
  })
})
