/**
 * What every storage must do, and what it must do as well where it calls itself durable: outlive its process, and refuse what it
 * cannot keep. Each storage's test runs this on itself.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RaftStore, Storage } from '../../src/actors/storage/storage.ts'
import type { EntryId, Term } from '../../src/machines/raft/messages.ts'
import {
  ALICE,
  after,
  BOB,
  chunkWrite,
  command,
  compact,
  digested,
  entriesOfAllKinds,
  GROUP,
  hardState,
  held,
  install,
  log,
  NONE,
  OTHER_GROUP,
  persist,
  saved,
  snapshot,
  whole,
  written,
} from './samples.ts'

export interface Harness {
  readonly storage: Storage
  /** The same storage, as another process would make it. */
  again(): Storage
  remove(): void
}

export function describeStorage(name: string, durable: boolean, make: () => Harness): void {
  describe(`storage contract: ${name}`, () => {
    let harness: Harness
    let open: RaftStore[]
    beforeEach(() => {
      harness = make()
      open = []
    })
    afterEach(async () => {
      await Promise.all(open.map((store) => store.close()))
      harness.remove()
    })
    const opened = (group = GROUP, self = ALICE): RaftStore => {
      const store = harness.storage.open(group, self)
      open.push(store)
      return store
    }

    it('says truly whether it is durable', async () => {
      const store = opened()
      await written(store, persist(1, 1, [command(1, 1)], hardState(3)))
      await store.close()
      expect(harness.storage.durable).toBe(durable)
      // Another storage in the same place, as a process that comes back would have it.
      const comeBack = harness.again().open(GROUP, ALICE)
      open.push(comeBack)
      expect(comeBack.persisted !== null).toBe(durable)
    })

    it('holds nothing when it is opened the first time', () => {
      expect(opened().persisted).toBeNull()
    })

    it('answers every write without an error, in the order given', async () => {
      const store = opened()
      const answers: [number, unknown][] = []
      const all = Array.from({ length: 20 }, (_, i) => i + 1).map(
        (number) =>
          new Promise<void>((resolve) =>
            store.write(persist(number, number, [command(1, number)]), (error) => {
              answers.push([number, error])
              resolve()
            }),
          ),
      )
      await Promise.all(all)
      expect(answers).toEqual(all.map((_, i) => [i + 1, null]))
    })

    it('answers what is under way before a close is done, and closes twice as once', async () => {
      const store = opened()
      const answers: unknown[] = []
      store.write(persist(1, 1, [command(1, 1)]), (error) => answers.push(error))
      store.write(persist(2, 2, [command(1, 2)]), (error) => answers.push(error))
      await Promise.all([store.close(), store.close()])
      expect(answers).toEqual([null, null])
    })

    it('opens a store for each group and each member at once', async () => {
      const stores = [opened(GROUP, ALICE), opened(GROUP, BOB), opened(OTHER_GROUP, ALICE)]
      for (const store of stores) expect(await written(store, persist(1, 1, [command(1, 1)]))).toBeNull()
    })

    describeKept(opened)
    describeSnapshots(opened)
    if (durable) describeRefusals(() => harness.storage, opened)
  })
}

type Open = (...of: Parameters<Storage['open']> | []) => RaftStore

async function closedAndOpened(store: RaftStore, opened: Open): Promise<RaftStore> {
  await store.close()
  return opened()
}

/** A group may be left and joined again: what one process wrote it finds again, durable or not. */
function describeKept(opened: Open): void {
  const reopened = (store: RaftStore) => closedAndOpened(store, opened)

  it('keeps term, vote and formation', async () => {
    const store = opened()
    await written(store, persist(1, 1, [], hardState(7, BOB)))
    await written(store, persist(2, 1, [], hardState(8, ALICE)))
    expect((await reopened(store)).persisted).toEqual(log([], hardState(8, ALICE)))
  })

  it('keeps entries of every kind and size, in order', async () => {
    const store = opened()
    const entries = entriesOfAllKinds()
    await written(store, persist(1, 1, entries, hardState(2)))
    expect(digested((await reopened(store)).persisted)).toEqual(digested(log(entries, hardState(2))))
  })

  it('cuts the log after `from - 1`, for good and together with what follows (Raft §5.3)', async () => {
    const store = opened()
    const long = Array.from({ length: 50 }, (_, i) => command(1, i))
    await written(store, persist(1, 1, long, hardState(1)))
    await written(store, persist(2, 11, [command(2, 99)]))
    const cut = await reopened(store)
    expect(cut.persisted?.entries).toEqual([...long.slice(0, 10), command(2, 99)])
    await written(cut, persist(3, 5, []))
    expect((await reopened(cut)).persisted?.entries).toEqual(long.slice(0, 4))
  })

  it('writes that waited together end as if each had been alone', async () => {
    const store = opened()
    const writes = [
      persist(1, 1, [command(1, 1), command(1, 2), command(1, 3)], hardState(1)),
      persist(2, 2, [command(2, 4)], hardState(2)),
      persist(3, 3, [command(2, 5), command(2, 6)]),
      persist(4, 3, [command(3, 7)], hardState(3)),
    ]
    await Promise.all(writes.map((write) => written(store, write)))
    expect((await reopened(store)).persisted).toEqual(writes.reduce<ReturnType<typeof after> | null>(after, null))
  })

  it('keeps the stores of groups and members apart', async () => {
    const mine = opened()
    await written(mine, persist(1, 1, [command(1, 1)], hardState(1)))
    expect(opened(GROUP, BOB).persisted).toBeNull()
    expect(opened(OTHER_GROUP, ALICE).persisted).toBeNull()
  })
}

const ten = () => Array.from({ length: 10 }, (_, i) => command(1, i))

/** Raft §7: a snapshot beside the log, whole or not at all. */
function describeSnapshots(opened: Open): void {
  const reopened = (store: RaftStore) => closedAndOpened(store, opened)
  const withLog = async (): Promise<RaftStore> => {
    const store = opened()
    await written(store, persist(1, 1, ten(), hardState(1)))
    return store
  }

  it('keeps a snapshot of its own, and hands out its chunks at once and after a restart', async () => {
    const store = await withLog()
    const of = snapshot(6)
    expect(held(store, of)).toEqual(NONE)
    expect(await saved(store, of)).toBeNull()
    expect(held(store, of)).toEqual(whole(of))
    const again = await reopened(store)
    expect(again.persisted).toEqual({ ...log(ten(), hardState(1)), snapshot: of })
    expect(held(again, of)).toEqual(whole(of))
    expect(again.chunk(of.index, of.chunks)).toBeNull()
  })

  it('keeps the newest only, whatever the order they come in', async () => {
    const store = await withLog()
    const [older, newer] = [snapshot(4), snapshot(8)]
    for (const of of [older, newer, snapshot(3)]) expect(await saved(store, of)).toBeNull()
    const kept = (one: RaftStore) => [held(one, older), held(one, newer), held(one, snapshot(3))]
    expect(kept(store)).toEqual([NONE, whole(newer), NONE])
    expect(kept(await reopened(store))).toEqual([NONE, whole(newer), NONE])
  })

  it('begins the log after what is compacted, with the same entries as before', async () => {
    const store = await withLog()
    await saved(store, snapshot(6))
    await written(store, compact(2, 10, 4))
    await written(store, persist(3, 11, [command(1, 10)]))
    const again = await reopened(store)
    const base = { index: 4, term: 1 }
    expect(again.persisted).toMatchObject({ base, entries: [...ten().slice(4), command(1, 10)] })
    await written(again, persist(4, 7, [command(2, 1)]))
    await written(again, compact(5, 7, 6))
    expect((await reopened(again)).persisted).toMatchObject({ base: { index: 6, term: 1 }, entries: [command(2, 1)] })
  })

  it('keeps what has come of another’s snapshot, beside its own', async () => {
    const store = await withLog()
    const [own, coming] = [snapshot(6), snapshot(40)]
    await saved(store, own)
    await written(store, chunkWrite(2, 10, coming, 0))
    await written(store, chunkWrite(3, 10, coming, 1))
    const again = await reopened(store)
    expect(again.persisted).toMatchObject({ snapshot: own, receiving: { snapshot: coming, next: 2 } })
    expect(held(again, own)).toEqual(whole(own))
    expect(held(again, coming)).toEqual([...whole(coming).slice(0, 2), null])
  })

  it('takes a chunk that comes again in its place', async () => {
    const store = await withLog()
    const coming = snapshot(40)
    for (const [at, chunk] of [0, 1, 2, 2].entries()) await written(store, chunkWrite(2 + at, 10, coming, chunk))
    const again = await reopened(store)
    expect(again.persisted?.receiving).toEqual({ snapshot: coming, next: 3 })
    expect(held(again, coming)).toEqual(whole(coming))
  })

  it('forgets what had come of one when the first chunk of another comes', async () => {
    const store = await withLog()
    // At the same place, but not the same.
    const [first, second] = [snapshot(40, 1), snapshot(40, 2)]
    for (const at of [0, 1, 2]) await written(store, chunkWrite(2 + at, 10, first, at))
    await written(store, chunkWrite(5, 10, second, 0))
    const again = await reopened(store)
    expect(again.persisted?.receiving).toEqual({ snapshot: second, next: 1 })
    expect(held(again, second)).toEqual([whole(second)[0], null, null])
  })

  it('installs what has come: the log begins after it, and it is this member’s own', async () => {
    const store = await withLog()
    const [own, coming] = [snapshot(6), snapshot(40)]
    await saved(store, own)
    for (const at of [0, 1, 2]) await written(store, chunkWrite(2 + at, 10, coming, at))
    await written(store, install(5, 40, coming))
    await written(store, persist(6, 41, [command(2, 1)]))
    expect([held(store, own), held(store, coming)]).toEqual([NONE, whole(coming)])
    const again = await reopened(store)
    expect([held(again, own), held(again, coming)]).toEqual([NONE, whole(coming)])
    const base = { index: 40, term: 1 }
    expect(again.persisted).toEqual({ ...log([command(2, 1)], hardState(1)), base, snapshot: coming })
  })

  it('installs it before entries that stay', async () => {
    const store = await withLog()
    const coming = snapshot(7)
    for (const at of [0, 1, 2]) await written(store, chunkWrite(2 + at, 10, coming, at))
    await written(store, install(5, 10, coming))
    expect((await reopened(store)).persisted).toMatchObject({ base: { index: 7, term: 1 }, entries: ten().slice(7) })
  })

  it('does not go back to its own, when that was saved while a newer one was installed', async () => {
    const store = await withLog()
    const [own, coming] = [snapshot(6), snapshot(40)]
    for (const at of [0, 1, 2]) await written(store, chunkWrite(2 + at, 10, coming, at))
    const [mine] = await Promise.all([saved(store, own), written(store, install(5, 40, coming))])
    expect(mine).toBeNull()
    expect([held(store, own), held(store, coming)]).toEqual([NONE, whole(coming)])
    const again = await reopened(store)
    expect([held(again, own), held(again, coming)]).toEqual([NONE, whole(coming)])
  })

  it('begins after a base of a newer term than entries that were cut before it', async () => {
    const store = await withLog()
    await written(store, persist(2, 4, [command(2, 1), command(2, 2)]))
    await saved(store, { ...snapshot(5), term: 2 as Term })
    const base = { index: 4, term: 2 } as EntryId
    await written(store, { ...persist(3, 6, []), snapshot: { kind: 'compact', base } })
    expect((await reopened(store)).persisted).toMatchObject({ base, entries: [command(2, 2)] })
  })

  it('installs one of a newer term before the end of a log that it replaces', async () => {
    const store = await withLog()
    const coming = { ...snapshot(7), term: 2 as Term }
    for (const at of [0, 1, 2]) await written(store, chunkWrite(2 + at, 10, coming, at))
    await written(store, install(5, 7, coming))
    const again = await reopened(store)
    expect(again.persisted).toMatchObject({ base: { index: 7, term: 2 }, entries: [], snapshot: coming })
    await written(again, persist(6, 8, [command(2, 1)]))
    expect((await reopened(again)).persisted?.entries).toEqual([command(2, 1)])
  })

  it('keeps its own where the very same one had begun to come, and another comes or is taken', async () => {
    const store = await withLog()
    const same = snapshot(6)
    for (const at of [0, 1]) await written(store, chunkWrite(2 + at, 10, same, at))
    expect(await saved(store, same)).toBeNull()
    await written(store, chunkWrite(4, 10, snapshot(40), 0))
    const again = await reopened(store)
    expect(held(again, same)).toEqual(whole(same))
    await saved(again, snapshot(9))
    expect(held(await reopened(again), snapshot(9))).toEqual(whole(snapshot(9)))
  })

  it('forgets what had come of one that is no newer than the one it takes itself', async () => {
    const store = await withLog()
    const [coming, own] = [snapshot(6), snapshot(9)]
    for (const at of [0, 1]) await written(store, chunkWrite(2 + at, 10, coming, at))
    await saved(store, own)
    expect([held(store, coming), held(store, own)]).toEqual([NONE, whole(own)])
    const again = await reopened(store)
    expect(again.persisted).toMatchObject({ snapshot: own, receiving: null })
    expect([held(again, coming), held(again, own)]).toEqual([NONE, whole(own)])
  })

  it('tells two snapshots of the same state apart by where they stand', async () => {
    const store = await withLog()
    const own = snapshot(6)
    const coming = { ...snapshot(40), checksum: own.checksum }
    await saved(store, own)
    await written(store, chunkWrite(2, 10, coming, 0))
    const again = await reopened(store)
    for (const at of [1, 2]) await written(again, chunkWrite(2 + at, 10, coming, at))
    await written(again, install(5, 40, coming))
    const last = await reopened(again)
    expect(held(last, coming)).toEqual(whole(coming))
  })

  it('forgets one that said it had more chunks than there can be as fast as any other', async () => {
    const store = await withLog()
    await written(store, chunkWrite(2, 10, { ...snapshot(40), chunks: Number.MAX_SAFE_INTEGER }, 0))
    await written(store, chunkWrite(3, 10, snapshot(41), 0))
    expect((await reopened(store)).persisted?.receiving).toEqual({ snapshot: snapshot(41), next: 1 })
  })
}

function describeRefusals(storage: () => Storage, opened: Open): void {
  const reopened = (store: RaftStore) => closedAndOpened(store, opened)

  it('refuses a write that leaves a gap, and from then on every write, with the same error', async () => {
    const store = opened()
    const answers = await Promise.all([
      written(store, persist(1, 1, [command(1, 1)])),
      written(store, persist(2, 3, [command(1, 3)])),
      written(store, persist(3, 2, [command(1, 2)])),
    ])
    answers.push(await written(store, persist(4, 2, [command(1, 2)])))
    expect(answers[0]).toBeNull()
    expect(answers[1]).toMatchObject({ code: 'StorageFailed' })
    expect(answers.slice(2)).toEqual([answers[1], answers[1]])
    expect((await reopened(store)).persisted?.entries).toEqual([command(1, 1)])
  })

  it('refuses writes once it is closed', async () => {
    const store = opened()
    await store.close()
    expect(await written(store, persist(1, 1, [command(1, 1)]))).toMatchObject({ code: 'StorageFailed' })
    expect(storage().open(GROUP, BOB).persisted).toBeNull()
  })
}
