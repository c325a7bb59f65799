/**
 * What every storage must do, and what it must do as well where it calls itself durable: outlive its process, and refuse what it
 * cannot keep. Each storage's test runs this on itself.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RaftStore, Storage } from '../../src/actors/storage/storage.ts'
import {
  ALICE,
  after,
  BOB,
  command,
  digested,
  entriesOfAllKinds,
  GROUP,
  hardState,
  log,
  OTHER_GROUP,
  persist,
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
