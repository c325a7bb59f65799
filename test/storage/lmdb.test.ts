import { statSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { keep, keepOwn, nothingKept, termAt as termIn } from '../../src/actors/storage/kept.ts'
import { lmdb } from '../../src/actors/storage/lmdb.ts'
import { openEnvironment } from '../../src/actors/storage/lmdb-environment.ts'
import { encodeHardState, HARD_STATE_KEY, headerOf, OWN_KEY, sealed } from '../../src/actors/storage/lmdb-format.ts'
import { readJournal } from '../../src/actors/storage/lmdb-journal.ts'
import { checkPages } from '../../src/actors/storage/lmdb-pages.ts'
import type { Persisted } from '../../src/actors/storage/storage.ts'
import type { Persist } from '../../src/machines/raft/effects.ts'
import type { EntryId } from '../../src/machines/raft/messages.ts'
import { describeStorage } from './conformance.ts'
import {
  ALICE,
  after,
  BOB,
  command,
  digested,
  Folders,
  GROUP,
  hardState,
  inShort,
  inShortOf,
  persist,
  small,
  smallChunksOf,
  written,
} from './samples.ts'

const folders = new Folders()
afterEach(() => folders.remove())

describeStorage('lmdb', true, () => {
  const folder = folders.make()
  return { storage: lmdb(folder), again: () => lmdb(folder), remove: () => folders.remove() }
})

const folderOf = (root: string): string => join(root, GROUP, ALICE)
/** Records of its journal that a store has written since it was opened; each was synced once. */
const records = (root: string): number => readJournal(folderOf(root), crc32(headerOf(GROUP, ALICE)), 0)!.last

describe('lmdb', () => {
  it('commits what waits together in one record with one sync', async () => {
    const folder = folders.make()
    const store = lmdb(folder).open(GROUP, ALICE)
    const writes = Array.from({ length: 500 }, (_, i) => persist(i + 1, i + 1, [command(1, i)], hardState(i)))
    await Promise.all(writes.map((write) => written(store, write)))
    expect(records(folder)).toBe(1)

    // The first is under way while the others come: they wait, and go together.
    const answers: number[] = []
    const first = written(store, persist(501, 501, [command(1, 501)]))
    await new Promise(setImmediate)
    const rest = [502, 503, 504].map((i) => written(store, persist(i, i, [command(1, i)])).then(() => answers.push(i)))
    await Promise.all([first, ...rest])
    expect(answers).toEqual([502, 503, 504])
    expect(records(folder)).toBe(3)
    await store.close()
  })

  it('commits what one turn of the event loop brings in one record, though promises are heard meanwhile', async () => {
    const folder = folders.make()
    const store = lmdb(folder).open(GROUP, ALICE)
    const writes: Promise<unknown>[] = []
    for (let i = 1; i <= 20; i++) {
      writes.push(written(store, persist(i, i, [command(1, i)])))
      await Promise.resolve()
    }
    await Promise.all(writes)
    expect(records(folder)).toBe(1)
    await store.close()
  })

  it('opens a file that ends before its last page, as LMDB leaves it where that page came free unwritten', async () => {
    const folder = folders.make()
    const entry = command(1, 0, 10)
    const store = lmdb(folder).open(GROUP, ALICE)
    await written(store, persist(1, 1, [entry]))
    await store.close()
    await lmdb(folder).open(GROUP, ALICE).close()
    const log = join(folderOf(folder), 'log')
    const environment = openEnvironment(log)
    // Pages come free that the last transaction takes, where else it would take some at the end of the file.
    for (let i = 0; i < 8; i++)
      await environment.put(HARD_STATE_KEY, sealed(HARD_STATE_KEY, encodeHardState(hardState(i))))
    // Together: the large value is gone again before it was ever on the disk.
    await environment.batch(() => {
      void environment.put(OWN_KEY, Buffer.alloc(100_000))
      void environment.remove(OWN_KEY)
    })
    await environment.close()
    const data = join(log, 'data.mdb')
    expect(statSync(data).size).toBeLessThan(checkPages(data).bytes)
    const again = lmdb(folder).open(GROUP, ALICE)
    expect(again.persisted?.entries).toEqual([entry])
    await again.close()
  })

  it('touches the disk only when a store is opened', () => {
    const nowhere = join(folders.make(), 'not', 'there')
    expect(lmdb(nowhere).durable).toBe(true)
    expect(() => lmdb('')).toThrow(/path of a folder/)
  })

  it('holds what a plain array holds, whatever is written and however often it is reopened', async () => {
    const entry = fc.record({ bump: fc.nat(2), salt: fc.nat(1_000), bytes: fc.oneof(fc.nat(60), fc.nat(9_000)) })
    const one = fc.record({
      from: fc.double({ min: 0, max: 1, noNaN: true }),
      entries: fc.array(entry, { maxLength: 12 }),
      hard: fc.boolean(),
      alone: fc.boolean(),
      reopen: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 12 }), async (steps) => {
        const storage = lmdb(folders.make())
        let store = storage.open(GROUP, ALICE)
        let oracle: Persisted | null = null
        let number = 0
        const answers: Promise<unknown>[] = []
        for (const { from, entries, hard, alone, reopen } of steps) {
          const kept: Persisted['entries'] = oracle?.entries ?? []
          const index = 1 + Math.floor(from * (kept.length + 0.999))
          let term: number = kept[index - 2]?.term ?? 1
          const more = entries.map(({ bump, salt, bytes }) => {
            term += bump
            return command(term, salt, bytes)
          })
          const write = persist(++number, index, more, hard ? hardState(number, BOB) : null)
          answers.push(written(store, write))
          oracle = hard || kept.length + more.length > 0 || oracle ? after(oracle, write) : null
          if (alone || reopen) await answers.at(-1)
          if (!reopen) continue
          await store.close()
          store = storage.open(GROUP, ALICE)
          expect(digested(store.persisted)).toEqual(digested(meaning(oracle)))
        }
        expect((await Promise.all(answers)).every((answer) => answer === null)).toBe(true)
        await store.close()
        const last = storage.open(GROUP, ALICE)
        expect(digested(last.persisted)).toEqual(digested(meaning(oracle)))
        await last.close()
        folders.remove()
      }),
      { numRuns: 25 },
    )
  })
})

/** What may be asked of a store next. `at`: where, between what is committed and the end of the log. */
const step = fc.record({
  kind: fc.constantFrom('write', 'write', 'write', 'commit', 'take', 'chunk', 'chunk', 'install', 'compact'),
  at: fc.double({ min: 0, max: 0.999, noNaN: true }),
  count: fc.nat(6),
  bump: fc.nat(1),
  bytes: fc.constantFrom(10, 10, 100_000),
  after: fc.constantFrom('go on', 'go on', 'go on', 'wait', 'reopen'),
})

describe('lmdb with snapshots', () => {
  it('holds what `memory()` holds, whatever is taken, received, cut and reopened', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
        const storage = lmdb(folders.make())
        let store = storage.open(GROUP, ALICE)
        const kept = nothingKept()
        const answers: Promise<unknown>[] = []
        let number = 0
        let committed = 0
        const give = (write: Persist): void => {
          keep(kept, write)
          answers.push(written(store, write))
        }
        const last = () => kept.last
        // Who gets a snapshot has a term.
        give(persist(++number, 1, [], hardState(1)))
        const termAt = (index: number) => termIn(kept, index) ?? kept.base.term
        for (const { kind, at, count, bump, bytes, after: next } of steps) {
          const place = committed + Math.floor(at * (last() - committed + 1))
          const { receiving, own } = kept
          if (kind === 'write') {
            const term = Math.max(termAt(place), 1) + bump
            give(
              persist(
                ++number,
                place + 1,
                Array.from({ length: count }, (_, i) => command(term, number + i, bytes)),
              ),
            )
          } else if (kind === 'commit') committed = place
          else if (kind === 'take' && committed > (own?.snapshot.index ?? 0)) {
            const of = small(committed, termAt(committed))
            keepOwn(kept, of, smallChunksOf(of))
            answers.push(new Promise((resolve) => store.save(of, smallChunksOf(of), resolve)))
            // One at a time, and the log is cut behind it only once it is there.
            await answers.at(-1)
          } else if (kind === 'chunk') {
            const begun = receiving && receiving.snapshot.index > committed && count > 0
            const index = place + 1 + (count % 3)
            const of = begun ? receiving.snapshot : small(index, Math.max(termAt(last()), 1) + bump)
            const come = begun ? receiving.chunks.length : 0
            for (let chunk = Math.min(come, 2); chunk < Math.min(3, come + 1 + (count % 3)); chunk++) {
              const data = smallChunksOf(of)[chunk]!
              give({ ...persist(++number, last() + 1, []), snapshot: { kind: 'chunk', snapshot: of, chunk, data } })
            }
          } else if (kind === 'install' && receiving?.chunks.length === 3 && receiving.snapshot.index > committed) {
            const of = receiving.snapshot
            const agrees = of.index <= last() && termAt(of.index) === of.term
            committed = of.index
            const from = (agrees ? last() : of.index) + 1
            give({ ...persist(++number, from, []), snapshot: { kind: 'install', snapshot: of } })
          } else if (kind === 'compact' && own && own.snapshot.index > kept.base.index) {
            const index = kept.base.index + 1 + Math.floor(at * (own.snapshot.index - kept.base.index))
            const base = { index, term: termAt(index) } as EntryId
            give({ ...persist(++number, last() + 1, []), snapshot: { kind: 'compact', base } })
          }
          if (next === 'wait') await answers.at(-1)
          if (next !== 'reopen') continue
          await store.close()
          store = storage.open(GROUP, ALICE)
          expect(inShort(store)).toEqual(inShortOf(kept))
        }
        expect((await Promise.all(answers)).every((answer) => answer === null)).toBe(true)
        await store.close()
        store = storage.open(GROUP, ALICE)
        expect(inShort(store)).toEqual(inShortOf(kept))
        await store.close()
        folders.remove()
      }),
      { numRuns: 10 },
    )
  })
})

/** A store without a term and without entries is a fresh one. */
function meaning(oracle: Persisted | null): Persisted | null {
  return oracle && oracle.entries.length === 0 && oracle.hardState.term === 0 ? null : oracle
}
