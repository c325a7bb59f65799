/** The replica: committed entries in order, each command once, and a bad one harms nobody. */
import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/actors/failure.ts'
import { Replica } from '../../src/actors/replica.ts'
import { RAFT } from '../../src/limits.ts'
import type { Entry, LogIndex, Term } from '../../src/machines/raft/messages.ts'
import type { Run } from '../../src/machines/raft/session.ts'
import type { StateMachine } from '../../src/machines/state-machine.ts'
import { encodeValue } from '../../src/transport/codec.ts'
import { pack } from '../../src/transport/packed.ts'

const adder = (): StateMachine<{ add: number }, number, 'total', number> => {
  let total = 0
  return {
    id: 'adder',
    version: 1,
    apply: ({ add }) => {
      if (add < 0) throw new RangeError('only upwards')
      total += add
      return total
    },
    query: () => total,
    snapshot: () => [new TextEncoder().encode(`${total}`)],
    restore: ([bytes]) => {
      total = Number(new TextDecoder().decode(bytes))
    },
  }
}

const head = { term: 1 as Term, timeMs: 5 }
const session = (nonce: string): Entry => ({ ...head, kind: 'session', nonce })
const command = (sequence: number, value: unknown, acknowledged = 0, of = 1): Entry => ({
  ...head,
  kind: 'commands',
  session: of,
  sequence,
  acknowledged,
  count: 1,
  packed: pack([value instanceof Uint8Array ? value : encodeValue(value)]),
})

/** What came of a command, and where it took effect. */
type Outcome =
  | { readonly ok: true; readonly index: number; readonly result: unknown }
  | { readonly ok: false; readonly index: number; readonly code: string; readonly detail: string }

/** Takes runs apart. */
const into =
  (outcomes: [number, Outcome][]) =>
  (_: number, { sequence, index, results }: Run<unknown>) => {
    results.forEach((result, i) => {
      const place = { index: index + i }
      const outcome =
        result instanceof Failure
          ? { ok: false as const, ...place, ...result }
          : { ok: true as const, ...place, result }
      outcomes.push([sequence + i, outcome])
    })
  }

function run(entries: Entry[]) {
  const outcomes: [number, Outcome][] = []
  const replica = new Replica({ machine: adder(), onSession: () => {}, onApplied: into(outcomes) })
  replica.apply({ from: 1 as LogIndex, entries })
  return { replica, outcomes }
}

describe('replica', () => {
  it('applies commands in order and tells each its own result', () => {
    const { replica, outcomes } = run([session('a'), command(1, { add: 2 }), command(2, { add: 3 })])
    expect(outcomes).toMatchObject([
      [1, { ok: true, result: 2 }],
      [2, { ok: true, result: 5 }],
    ])
    expect(replica.applied).toBe(3)
    expect(replica.query('total')).toBe(5)
  })

  it('forgets a session by the times in the log, so every member does at the same entry', () => {
    const later: Entry = { kind: 'noop', term: 1 as Term, timeMs: 5 + RAFT.sessionIdleMs }
    const { outcomes } = run([session('a'), command(1, { add: 2 }), later, command(2, { add: 3 })])
    expect(outcomes[1]).toMatchObject([2, { ok: false, code: 'SessionExpired' }])
  })

  it('applies the commands of one entry one by one, each at an index of its own', () => {
    const packed = pack([{ add: 2 }, { add: -1 }, { add: 3 }].map(encodeValue))
    const together: Entry = { ...head, kind: 'commands', session: 1, sequence: 4, acknowledged: 0, count: 3, packed }
    const { replica, outcomes } = run([session('a'), together, command(7, { add: 1 })])
    expect(outcomes).toMatchObject([
      [4, { ok: true, index: 2, result: 2 }],
      [5, { ok: false, index: 3, code: 'CommandFailed' }],
      [6, { ok: true, index: 4, result: 5 }],
      [7, { ok: true, index: 5, result: 6 }],
    ])
    expect(replica.applied).toBe(5)
  })

  it('applies a command that stands twice in the log once, with the same result (Thesis §6.3)', () => {
    const { replica, outcomes } = run([session('a'), command(1, { add: 2 }), command(1, { add: 2 })])
    expect(outcomes[1]).toMatchObject([1, { ok: true, result: 2 }])
    expect(replica.query('total')).toBe(2)
  })

  it('tells of a command that stands twice where it took effect, also when a snapshot lies between', () => {
    const places: number[] = []
    const watched = () =>
      new Replica({ machine: adder(), onSession: () => {}, onApplied: (_, { index }) => places.push(index) })
    const [replica, other] = [watched(), watched()]
    replica.apply({ from: 1 as LogIndex, entries: [session('a'), command(1, { add: 2 })] })
    other.restore(2 as LogIndex, replica.snapshot())
    for (const each of [replica, other]) each.apply({ from: 3 as LogIndex, entries: [command(1, { add: 2 })] })
    expect(places).toEqual([2, 2, 2])
    expect([replica, other].map((each) => each.query('total'))).toEqual([2, 2])
  })

  it('applies what is new of an entry of which a part was applied before, and tells of each where it took effect', () => {
    const packed = pack([{ add: 9 }, { add: 1 }, { add: 9 }, { add: 1 }, { add: 1 }].map(encodeValue))
    const again: Entry = { ...head, kind: 'commands', session: 1, sequence: 3, acknowledged: 0, count: 5, packed }
    const { replica, outcomes } = run([session('a'), command(5, { add: 2 }), command(3, { add: 2 }), again])
    expect(outcomes.slice(2)).toMatchObject([
      [3, { ok: true, index: 3, result: 4 }],
      [4, { ok: true, index: 5, result: 5 }],
      [5, { ok: true, index: 2, result: 2 }],
      [6, { ok: true, index: 7, result: 6 }],
      [7, { ok: true, index: 8, result: 7 }],
    ])
    expect([replica.applied, replica.query('total')]).toEqual([8, 7])
  })

  it('fails every command of an entry whose session it does not know, and goes on behind it', () => {
    const packed = pack([{ add: 1 }, { add: 1 }].map(encodeValue))
    const unknown: Entry = { ...head, kind: 'commands', session: 99, sequence: 1, acknowledged: 0, count: 2, packed }
    const { replica, outcomes } = run([session('a'), unknown, command(1, { add: 2 })])
    expect(outcomes).toMatchObject([
      [1, { ok: false, index: 2, code: 'SessionExpired' }],
      [2, { ok: false, index: 3, code: 'SessionExpired' }],
      [1, { ok: true, index: 4, result: 2 }],
    ])
    expect(replica.applied).toBe(4)
  })

  it('drops a late copy of a command whose answer was acknowledged', () => {
    const { replica } = run([session('a'), command(1, { add: 2 }), command(2, { add: 3 }, 1), command(1, { add: 2 })])
    expect(replica.query('total')).toBe(5)
  })

  it('fails a command of a session it does not know, and applies nothing', () => {
    const { replica, outcomes } = run([session('a'), command(1, { add: 2 }, 0, 99)])
    expect(outcomes[0]?.[1]).toMatchObject({ ok: false, code: 'SessionExpired' })
    expect(replica.query('total')).toBe(0)
  })

  it('makes a throw the command’s own error, on the retry too, and goes on', () => {
    const { replica, outcomes } = run([
      session('a'),
      command(1, { add: -1 }),
      command(1, { add: -1 }),
      command(2, { add: 4 }),
    ])
    const refused = { ok: false, code: 'CommandFailed', detail: 'only upwards' }
    expect(outcomes).toMatchObject([
      [1, refused],
      [1, refused],
      [2, { ok: true, result: 4 }],
    ])
    expect(replica.applied).toBe(4)
  })

  it('makes bytes that do not decode the command’s own error, and goes on', () => {
    const { replica, outcomes } = run([session('a'), command(1, Uint8Array.of(0xff, 0x00)), command(2, { add: 4 })])
    expect(outcomes[0]?.[1]).toMatchObject({ ok: false, code: 'CommandFailed' })
    expect(replica.query('total')).toBe(4)
  })

  it('becomes by its snapshot what another was: state, place, and results that were not acknowledged yet', () => {
    const { replica } = run([session('a'), command(1, { add: 2 }), command(2, { add: -1 }), command(3, { add: 3 })])
    const opened: unknown[] = []
    const outcomes: [number, Outcome][] = []
    const other = new Replica({
      machine: adder(),
      onSession: (nonce, index) => opened.push([nonce, index]),
      onApplied: into(outcomes),
    })
    other.restore(4 as LogIndex, replica.snapshot())
    expect([other.applied, other.query('total'), opened]).toEqual([4, 5, [['a', 1]]])
    // The same commands once more, as a client sends them that missed the answers.
    other.apply({ from: 5 as LogIndex, entries: [1, 2, 3].map((sequence) => command(sequence, { add: 9 })) })
    expect(outcomes).toMatchObject([
      [1, { ok: true, result: 2 }],
      [2, { ok: false, code: 'CommandFailed', detail: 'only upwards' }],
      [3, { ok: true, result: 5 }],
    ])
    expect(other.query('total')).toBe(5)
  })

  it('forgets sessions after a snapshot as it would have without', () => {
    const { replica } = run([session('a'), command(1, { add: 2 })])
    const outcomes: [number, Outcome][] = []
    const other = new Replica({ machine: adder(), onSession: () => {}, onApplied: into(outcomes) })
    other.restore(2 as LogIndex, replica.snapshot())
    const later: Entry = { kind: 'noop', term: 1 as Term, timeMs: 5 + RAFT.sessionIdleMs }
    other.apply({ from: 3 as LogIndex, entries: [later, command(2, { add: 3 })] })
    expect(outcomes).toMatchObject([[2, { ok: false, code: 'SessionExpired' }]])
  })

  it('stops rather than go back to an older snapshot', () => {
    const { replica } = run([session('a'), command(1, { add: 2 })])
    expect(() => replica.restore(1 as LogIndex, replica.snapshot())).toThrow(/invariant/)
  })

  it('stops rather than apply an entry out of order', () => {
    const { replica } = run([session('a')])
    expect(() => replica.apply({ from: 3 as LogIndex, entries: [session('b')] })).toThrow(/invariant/)
  })
})
