/** The simulated disk: what it keeps, what a crash may take, and how it fails. */
import { describe, expect, it } from 'vitest'
import type { RaftStore } from '../../src/actors/storage/storage.ts'
import type { GroupId } from '../../src/identity/digest.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import type { Persist } from '../../src/machines/raft/effects.ts'
import type { Entry, LogIndex, Snapshot, Term } from '../../src/machines/raft/messages.ts'
import { Chance } from '../../src/testing/chance.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

const GROUP = 'a'.repeat(64) as GroupId
const SELF = 'b'.repeat(64) as PeerId
const noop = (term: number): Entry => ({ kind: 'noop', term: term as Term, timeMs: 0 })
const HARD_STATE = {
  term: 3 as Term,
  votedFor: SELF,
  formation: { status: 'none' as const, id: null, voters: [], refused: [] },
}

const SNAPSHOT: Snapshot = {
  index: 1 as LogIndex,
  term: 1 as Term,
  configuration: { index: 1 as LogIndex, configuration: { voters: [SELF], learners: [] } },
  founders: [SELF],
  chunks: 2,
  bytes: 6,
  checksum: 'c'.repeat(64),
}

function rig(seed = 1) {
  const clock = new SimulatedClock(0)
  const disk = new SimulatedDisk(new Chance(seed), { min: 5, max: 5 })
  const answers: (number | string)[] = []
  let number = 0
  const open = () => disk.storage(clock).open(GROUP, SELF)
  const write = (store: RaftStore, from: number, terms: number[], hard = false) => {
    const write: Persist = {
      number: ++number,
      hardState: hard ? HARD_STATE : null,
      from: from as LogIndex,
      entries: terms.map(noop),
      snapshot: null,
    }
    store.write(write, (error) => answers.push(error ? `${write.number} failed` : write.number))
  }
  const held = () => disk.platter(GROUP).entries.map(({ term }) => term)
  return { clock, disk, answers, open, write, held }
}

describe('a disk', () => {
  it('answers each write when it is synced, in order; of those that waited together sometimes only a beginning', async () => {
    const together = new Set<string>()
    for (let seed = 1; seed <= 20; seed++) {
      const { clock, answers, open, write } = rig(seed)
      const store = open()
      write(store, 1, [1], true)
      await clock.advance(4)
      write(store, 2, [1, 1])
      expect(answers).toEqual([])
      await clock.advance(1)
      together.add(answers.join())
      await clock.advance(5)
      expect(answers).toEqual([1, 2])
    }
    expect([...together].sort()).toEqual(['1', '1,2'])
  })

  it('gives back what was synced, cut where it was cut', async () => {
    const { clock, open, write } = rig()
    const store = open()
    expect(store.persisted).toBeNull()
    write(store, 1, [1, 1, 1], true)
    write(store, 2, [2])
    await clock.advance(10)
    expect(open().persisted).toMatchObject({ hardState: HARD_STATE, entries: [noop(1), noop(2)] })
  })

  it('keeps of what was not synced any beginning, and never answers it', async () => {
    const outcomes = new Set<string>()
    for (let seed = 1; seed <= 40; seed++) {
      const { clock, disk, answers, open, write, held } = rig(seed)
      const store = open()
      write(store, 1, [1], true)
      await clock.advance(10)
      write(store, 2, [2])
      write(store, 3, [3])
      disk.crash()
      await clock.advance(100)
      outcomes.add(held().join())
      expect(answers).toEqual([1])
    }
    expect([...outcomes].sort()).toEqual(['1', '1,2', '1,2,3'])
  })

  it('keeps a snapshot when it gets there, perhaps after what was written later; a crash keeps it or does not', async () => {
    const outcomes = new Set<string>()
    for (let seed = 1; seed <= 40; seed++) {
      const { clock, disk, answers, open, write, held } = rig(seed)
      const store = open()
      write(store, 1, [1], true)
      store.save(SNAPSHOT, [Uint8Array.of(7)], (error) => answers.push(error ? 'not saved' : 'saved'))
      await clock.advance(5)
      const { own } = disk.platter(GROUP)
      if (seed % 2 === 0) disk.crash()
      await clock.advance(100)
      expect(held()).toEqual([1])
      outcomes.add(`${own !== null} ${disk.platter(GROUP).own !== null} ${answers.join()}`)
    }
    expect([...outcomes].sort()).toEqual(['false false 1', 'false true 1', 'false true 1,saved', 'true true 1,saved'])
  })

  it('damages a chunk that comes from a leader, once', async () => {
    const { clock, disk, open } = rig()
    const store = open()
    disk.weather.damagesNext = true
    for (const chunk of [0, 1]) {
      const snapshot = { kind: 'chunk', snapshot: SNAPSHOT, chunk, data: Uint8Array.of(1, 2, 3) } as const
      store.write({ number: chunk + 1, hardState: null, from: 1 as LogIndex, entries: [], snapshot }, () => {})
    }
    await clock.advance(20)
    const [first, second] = disk.platter(GROUP).receiving!.chunks
    expect(second).toEqual(Uint8Array.of(1, 2, 3))
    expect(first).not.toEqual(second)
    expect(first).toHaveLength(3)
  })

  it('fails a sync once, and then writes nothing more for this process', async () => {
    const { clock, disk, answers, open, write, held } = rig()
    const store = open()
    disk.weather.failsNext = true
    write(store, 1, [1], true)
    await clock.advance(10)
    write(store, 2, [1])
    await clock.advance(10)
    expect(answers).toContain('1 failed')
    expect(answers).toContain('2 failed')
    expect(held()).toEqual([])
  })

  it('refuses writes while it is full, and takes them from the next process when it is not', async () => {
    const { clock, disk, answers, open, write, held } = rig()
    disk.weather.full = true
    write(open(), 1, [1], true)
    await clock.advance(10)
    disk.crash()
    const before = held().length
    disk.calm()
    write(open(), 1, [7], true)
    await clock.advance(10)
    expect(answers).toEqual(['1 failed', 2])
    expect([before <= 1, held()]).toEqual([true, [7]])
  })

  it.each([
    ['write', 0],
    ['sync', 0],
    ['synced', 1],
  ] as const)('can crash, at the next %s of a vote, whichever process makes it', async (moment, kept) => {
    const { clock, disk, answers, open, write, held } = rig()
    let crashed = 0
    disk.weather.crashAt = { moment, of: 'vote', crash: () => crashed++ }
    write(open(), 1, [1])
    await clock.advance(10)
    expect([crashed, answers]).toEqual([0, [1]])
    disk.crash()
    write(open(), 2, [1], true)
    await clock.advance(10)
    expect([crashed, answers, held().length]).toEqual([1, [1], 1 + kept])
  })
})
