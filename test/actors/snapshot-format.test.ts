/** What a snapshot holds: the state machine's own chunks and the session table come back as they were. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Failure } from '../../src/actors/failure.ts'
import { checksumOf, decodeState, encodeState, type ReplicaState } from '../../src/actors/snapshot-format.ts'
import { RAFT } from '../../src/limits.ts'
import type { Run } from '../../src/machines/raft/session.ts'

const machine = (...sizes: number[]) => sizes.map((bytes, salt) => Buffer.alloc(bytes, salt + 1))
const state = (changes: Partial<ReplicaState> = {}): ReplicaState => {
  return { sessions: { nowMs: 5, sessions: [] }, machine: [], ...changes }
}
const session = (id: number, ...runs: Run<unknown>[]) => {
  return { id, nonce: `nonce ${id}`, acknowledged: 3, usedMs: 17, runs }
}
const decoded = (chunks: readonly Uint8Array[]) => {
  const { sessions, machine: parts } = decodeState(chunks)
  return { sessions, machine: [...parts].map((part) => Buffer.from(part)) }
}

describe('a snapshot', () => {
  it('gives the state machine its chunks back as it gave them, empty ones too', () => {
    const given = machine(10, 0, 300_000, 1)
    expect(decoded(encodeState(state({ machine: given }))).machine).toEqual(given)
  })

  it('travels in pieces of one size, whatever it holds', () => {
    const chunks = encodeState(state({ machine: machine(RAFT.snapshotChunkBytes, RAFT.snapshotChunkBytes, 5) }))
    expect(chunks.map(({ length }) => length).slice(0, 2)).toEqual([RAFT.snapshotChunkBytes, RAFT.snapshotChunkBytes])
    expect(chunks).toHaveLength(3)
    expect(encodeState(state())).toHaveLength(1)
  })

  it('keeps sessions in order of use, each with its results and where they came about', () => {
    const failed = new Failure('CommandFailed', 'out of range')
    const run = { sequence: 4, index: 104, results: [{ a: [1, 'b', undefined, 2n] }, failed, null] }
    const sessions = [session(9, run, { sequence: 9, index: 90, results: [failed] }), session(2), session(5)]
    const kept = decoded(encodeState(state({ sessions: { nowMs: 99, sessions } }))).sessions
    expect(kept).toStrictEqual({ nowMs: 99, sessions })
  })

  it('keeps as many results as a busy client leaves, in one piece', () => {
    const results = Array.from({ length: RAFT.entryCommandsMax }, (_, i) => i % 7)
    const sessions = [session(1, { sequence: 1, index: 5, results }), session(2)]
    expect(decoded(encodeState(state({ sessions: { nowMs: 0, sessions } }))).sessions.sessions).toEqual(sessions)
  })

  it('takes a result that is no application value for a failure to tell it, and keeps the others', () => {
    const large = 'x'.repeat(RAFT.commandBytesMax / 2)
    const results = [() => 1, `${large}${large} too much`, 7, large, large, undefined]
    const [kept] = decoded(
      encodeState(state({ sessions: { nowMs: 0, sessions: [session(1, { sequence: 1, index: 101, results })] } })),
    ).sessions.sessions
    const told = kept!.runs.flatMap(({ sequence, index, results }) =>
      results.map((result, i) => [sequence + i, index + i, result]),
    )
    expect(told).toMatchObject([
      [1, 101, { code: 'CommandFailed' }],
      [2, 102, { code: 'CommandFailed' }],
      [3, 103, 7],
      [4, 104, large],
      [5, 105, large],
      [6, 106, undefined],
    ])
  })

  it('of another format, or cut short, is refused and nothing else', () => {
    const whole = Buffer.concat(
      encodeState(state({ sessions: { nowMs: 1, sessions: [session(1)] }, machine: machine(9) })),
    )
    expect(() => decoded([Buffer.concat([Uint8Array.of(2), whole.subarray(1)])])).toThrow(/format 2/)
    for (let length = 0; length < whole.length; length++) {
      const cut = [whole.subarray(0, length)]
      try {
        // Without its last part it is a snapshot of less; the checksum is there for that.
        expect(decoded(cut).machine).toEqual([])
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^(ProtocolAssertion|InvalidMessage)$/) })
      }
    }
  })

  it('has a checksum that any change of any byte changes', () => {
    const chunks = encodeState(state({ machine: machine(40) }))
    const before = checksumOf(chunks)
    fc.assert(
      fc.property(fc.nat(chunks[0]!.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = Buffer.from(chunks[0]!)
        changed[at]! ^= change
        expect(checksumOf([changed])).not.toBe(before)
      }),
    )
    expect(before).toMatch(/^[0-9a-f]{64}$/)
  })
})
