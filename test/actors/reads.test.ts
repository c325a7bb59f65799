/** Strong reads: a local answer only after a leader confirmed an index and this member applied it (Thesis §6.4). */
import { describe, expect, it } from 'vitest'
import { Reads } from '../../src/actors/reads.ts'
import { RAFT } from '../../src/limits.ts'
import { SimulatedClock, settle } from '../../src/testing/simulated-clock.ts'

function setUp() {
  const clock = new SimulatedClock()
  const asked: number[] = []
  const state = { applied: 0 }
  const reads = new Reads({ clock, applied: () => state.applied, ask: (id) => asked.push(id) })
  const outcomes: string[] = []
  const read = (name: string, options = {}) =>
    reads.ready(options).then(
      () => outcomes.push(name),
      (error) => outcomes.push(`${name}: ${error.code}`),
    )
  return { clock, asked, state, reads, outcomes, read }
}

describe('strong reads', () => {
  it('of one turn share one request', async () => {
    const { clock, asked, read } = setUp()
    void read('a')
    void read('b')
    await clock.advance(0)
    expect(asked).toEqual([1])
  })

  it('that come after a request was made do not share it', async () => {
    const { clock, asked, read } = setUp()
    void read('a')
    await clock.advance(0)
    void read('b')
    await clock.advance(0)
    expect(asked).toEqual([1, 2])
  })

  it('wait until the confirmed index is applied here', async () => {
    const { clock, state, reads, outcomes, read } = setUp()
    void read('a')
    await clock.advance(0)
    state.applied = 4
    reads.confirmed(1, 5)
    await settle()
    expect(outcomes).toEqual([])
    state.applied = 5
    reads.advanced()
    await settle()
    expect(outcomes).toEqual(['a'])
  })

  it('that were lost with their leader are asked again', async () => {
    const { clock, asked, reads, read } = setUp()
    void read('a')
    await clock.advance(0)
    reads.lost(1)
    await clock.advance(50)
    expect(asked).toEqual([1, 1])
  })

  it('that nobody answers are asked again, and given up at their deadline', async () => {
    const { clock, asked, outcomes, read } = setUp()
    void read('a', { timeoutMs: RAFT.resendMs + 200 })
    await clock.advance(RAFT.resendMs + 100)
    expect(asked).toEqual([1, 1])
    await clock.advance(150)
    expect(outcomes).toEqual(['a: DeadlineExceeded'])
    expect(clock.nextMs).toBeNull()
  })

  it('can be given up by a signal, alone', async () => {
    const { clock, reads, outcomes, read } = setUp()
    const controller = new AbortController()
    void read('a', { signal: controller.signal })
    void read('b')
    await clock.advance(0)
    controller.abort()
    reads.confirmed(1, 0)
    await settle()
    expect(outcomes).toEqual(['a: Aborted', 'b'])
  })

  it('are rejected when the group is left', async () => {
    const { clock, reads, outcomes, read } = setUp()
    void read('asked')
    await clock.advance(0)
    void read('gathering')
    reads.stop('NotJoined')
    void read('late')
    await settle()
    expect(outcomes.sort()).toEqual(['asked: NotJoined', 'gathering: NotJoined', 'late: NotJoined'])
  })
})
