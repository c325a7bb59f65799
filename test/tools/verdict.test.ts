/** What is called lost, duplicated and out of order, on histories and books where the answer is known. */
import { describe, expect, it } from 'vitest'
import type { HistoryOp } from '../../src/testing/linearizability.ts'
import { auditedRegisters } from '../../tools/chaos/audited-registers.ts'
import { History } from '../../tools/chaos/history.ts'
import { CallFailed } from '../../tools/chaos/member-process.ts'
import { judge } from '../../tools/chaos/verdict.ts'

type Told = Partial<HistoryOp> & Pick<HistoryOp, 'op' | 'start_ns'>

const op = (told: Told): HistoryOp => ({
  client: '1.1',
  key: 'a',
  args: [],
  end_ns: told.start_ns + 5,
  outcome: 'ok',
  result: null,
  ...told,
})
const set = (id: number, start_ns: number, more: Partial<HistoryOp> = {}) =>
  op({ op: 'set', args: [id], start_ns, result: true, ...more })
const get = (result: number | null, start_ns: number, more: Partial<HistoryOp> = {}) =>
  op({ op: 'get', start_ns, result, ...more })
const unknown = { outcome: 'unknown', end_ns: null } as const
const once = (...ids: number[]) => ids.map((id) => [id, 1] as const)

describe('judge', () => {
  it('finds nothing in a history that is right', () => {
    const history = [set(1, 0), get(1, 10), set(2, 20, unknown), get(2, 30)]
    expect(judge(history, [once(1, 2), once(1, 2)])).toEqual({
      ops: 4,
      ok: 3,
      unknown: 1,
      linearizable: true,
      lost: 0,
      duplicated: 0,
      smallest: null,
      undecided: [],
    })
  })

  it('calls an acknowledged write lost where one member of several does not have it', () => {
    expect(judge([set(1, 0), set(2, 10)], [once(1, 2), once(2)]).lost).toBe(1)
  })

  it('does not call lost what nobody acknowledged', () => {
    const history = [set(1, 0, unknown), set(2, 10, { outcome: 'fail' })]
    expect(judge(history, [once()]).lost).toBe(0)
  })

  it('asks for a compare-and-set by its own number, not by what it expected', () => {
    const cas = op({ op: 'cas', args: [1, 2], start_ns: 10, result: true })
    expect(judge([set(1, 0), cas], [once(1)]).lost).toBe(1)
    expect(judge([set(1, 0), cas], [once(1, 2)]).lost).toBe(0)
  })

  it('counts a command that several members applied twice as one', () => {
    const twice = [[1, 2] as const, [2, 1] as const]
    expect(judge([set(1, 0), set(2, 10)], [twice, twice]).duplicated).toBe(1)
  })

  it('shows of the keys without an order the one with the shortest story, up to where no order is left', () => {
    const long = [set(1, 0), set(2, 10), get(2, 20), get(1, 30), get(2, 40), set(3, 50)]
    const short = [set(4, 0), get(null, 10), set(5, 20), get(5, 30)].map((one) => ({ ...one, key: 'b' }))
    const { linearizable, smallest } = judge([...long, ...short], [once(1, 2, 3, 4, 5)])
    expect(linearizable).toBe(false)
    expect(smallest?.history).toEqual(short.slice(0, 2))
    expect(smallest?.violation.stuck).toEqual([short[1]])
  })

  it('keeps what was under way at the last moment of the story, as unknown', () => {
    const history = [set(1, 0), set(2, 10, { end_ns: 100 }), get(null, 20)]
    expect(judge(history, [once(1, 2)]).smallest?.history).toEqual([
      history[0],
      { ...history[1], outcome: 'unknown', end_ns: null },
      history[2],
    ])
  })
})

describe('History', () => {
  const failing = (code: string) => () => Promise.reject(new CallFailed(code, ''))
  const write = { type: 'set', key: 'a', id: 1 } as const

  it('takes the time before a call and after its answer', async () => {
    const history = new History()
    const first = await history.record('1.1', write, async () => true)
    const second = await history.record('1.1', { type: 'get', key: 'a' }, async () => 1)
    expect(first).toMatchObject({ client: '1.1', op: 'set', key: 'a', args: [1], outcome: 'ok', result: true })
    expect(first.end_ns).toBeGreaterThanOrEqual(first.start_ns)
    expect(second.start_ns).toBeGreaterThanOrEqual(first.end_ns ?? Number.POSITIVE_INFINITY)
    expect(history.ok).toBe(2)
  })

  it.each(['NodeDied', 'DeadlineExceeded', 'SessionExpired', 'NotJoined', 'Unexpected'])(
    'does not claim to know what became of a write that ended with %s',
    async (code) => {
      const noted = await new History().record('1.1', write, failing(code))
      expect(noted).toMatchObject({ outcome: 'unknown', end_ns: null, result: code })
    },
  )

  it('knows that a command handed back, or a read without an answer, had no effect', async () => {
    const history = new History()
    expect(await history.record('1.1', write, failing('Busy'))).toMatchObject({ outcome: 'fail' })
    const read = await history.record('1.1', { type: 'get', key: 'a' }, failing('NodeDied'))
    expect(read).toMatchObject({ outcome: 'fail' })
    expect(history.ok).toBe(0)
  })

  it('does not take a mistake of its own for an outcome', async () => {
    const mistaken = new History().record('1.1', write, () => Promise.reject(new RangeError('mistake')))
    await expect(mistaken).rejects.toThrow('mistake')
  })
})

describe('auditedRegisters', () => {
  const context = { index: 1, term: 1, timeMs: 0 }

  it('books each application, also of a compare-and-set that changed nothing', () => {
    const machine = auditedRegisters()
    expect(machine.apply({ type: 'set', key: 'a', id: 1 }, context)).toBe(true)
    expect(machine.apply({ type: 'cas', key: 'a', expected: 1, id: 2 }, context)).toBe(true)
    expect(machine.apply({ type: 'cas', key: 'a', expected: 1, id: 2 }, context)).toBe(false)
    expect(machine.query({ type: 'get', key: 'a' })).toBe(2)
    expect(machine.query({ type: 'audit' })).toEqual([
      [1, 1],
      [2, 2],
    ])
  })

  it('comes back whole from a snapshot of many chunks', () => {
    const machine = auditedRegisters()
    for (let id = 1; id <= 60_000; id++) machine.apply({ type: 'set', key: `k${id % 7}`, id }, context)
    const chunks = [...machine.snapshot()]
    expect(chunks.length).toBeGreaterThan(1)
    const other = auditedRegisters()
    other.restore(chunks)
    expect(other.query({ type: 'audit' })).toEqual(machine.query({ type: 'audit' }))
    expect(other.query({ type: 'get', key: 'k3' })).toBe(machine.query({ type: 'get', key: 'k3' }))
  })
})
