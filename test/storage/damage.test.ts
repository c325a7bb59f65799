/** What is not the store that was written is refused with a clear word, and left exactly as it is. */
import { appendFileSync, cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { open } from 'lmdb'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { lmdb } from '../../src/actors/storage/lmdb.ts'
import {
  chunkKey,
  encodePiece,
  FORMAT_VERSION,
  OWN_KEY,
  pieceKey,
  sealed,
} from '../../src/actors/storage/lmdb-format.ts'
import { TesseraError } from '../../src/errors.ts'
import type { GroupId } from '../../src/identity/digest.ts'
import type { LogIndex } from '../../src/machines/raft/messages.ts'
import {
  ALICE,
  BOB,
  command,
  compact,
  contentsOf,
  digested,
  entriesOfAllKinds,
  Folders,
  GROUP,
  hardState,
  held,
  journalsIn,
  OTHER_GROUP,
  persist,
  saved,
  snapshot,
  whole,
  written,
} from './samples.ts'

const folders = new Folders()
const templates = new Folders()
const OWN = snapshot(6)
/** A store with a log of some depth, a history of truncations, so that it has free pages too, and a snapshot. */
let template: string

beforeAll(async () => {
  template = templates.make()
  const store = lmdb(template).open(GROUP, ALICE)
  const entries = [...entriesOfAllKinds().slice(0, -1), ...Array.from({ length: 600 }, (_, i) => command(2, i, 20 + i))]
  await written(store, persist(1, 1, entries, hardState(2)))
  await written(store, persist(2, 300, [command(3, 1)], hardState(3)))
  await written(store, persist(3, 301, [command(3, 2)], hardState(4, BOB)))
  await saved(store, OWN)
  await written(store, compact(4, 301, 4))
  await store.close()
  await carriedOver(template)
})
afterAll(() => templates.remove())
afterEach(() => folders.remove())

/** Who opens a store carries over to LMDB what is in its journal. */
async function carriedOver(root: string): Promise<void> {
  await lmdb(root).open(GROUP, ALICE).close()
}

function copy(): { readonly root: string; readonly store: string; readonly data: string } {
  const root = folders.make()
  cpSync(template, root, { recursive: true })
  const store = join(root, GROUP, ALICE)
  return { root, store, data: join(store, 'log', 'data.mdb') }
}

/** What opening says, after checking that it left every byte in place. */
function refusalOf(root: string, group: GroupId = GROUP, self = ALICE): string {
  const before = contentsOf(root)
  let refusal: unknown
  try {
    void lmdb(root).open(group, self).close()
  } catch (error) {
    refusal = error
  }
  expect(refusal).toBeInstanceOf(TesseraError)
  expect((refusal as TesseraError).code).toBe('StorageFailed')
  expect(contentsOf(root)).toEqual(before)
  return (refusal as TesseraError).message
}

/** Changes the log by way of LMDB itself, so that only its meaning is wrong. */
async function meddle({ store }: { readonly store: string }, change: (log: ReturnType<typeof open>) => void) {
  const log = open({
    path: join(store, 'log'),
    noSubdir: false,
    keyEncoding: 'binary',
    encoding: 'binary',
    overlappingSync: false,
  })
  change(log)
  await log.close()
}

describe('a store that belongs elsewhere', () => {
  it('names the member it belongs to', () => {
    const { root, store } = copy()
    cpSync(store, join(root, GROUP, BOB), { recursive: true })
    expect(refusalOf(root, GROUP, BOB)).toMatch(`belongs to member ${ALICE}, not to ${BOB}`)
  })

  it('names the group it belongs to', () => {
    const { root, store } = copy()
    cpSync(store, join(root, OTHER_GROUP, ALICE), { recursive: true })
    expect(refusalOf(root, OTHER_GROUP)).toMatch(`belongs to group ${GROUP}, not to ${OTHER_GROUP}`)
  })

  it('is found out by its log where only that was carried over', async () => {
    const { root, data } = copy()
    await lmdb(root).open(GROUP, BOB).close()
    cpSync(data, join(root, GROUP, BOB, 'log', 'data.mdb'))
    expect(refusalOf(root, GROUP, BOB)).toMatch('does not belong to its header')
  })
})

describe('a store of another format', () => {
  it.each([
    [FORMAT_VERSION + 1, 'use the version of tessera that wrote it'],
    [0, 'no longer read'],
  ])('%i is named, with what to do', (version, todo) => {
    const { root, store } = copy()
    writeFileSync(join(store, 'header'), `tessera.store:${version} whatever came later\n`)
    expect(refusalOf(root)).toMatch(
      new RegExp(`has format ${version}, this version reads format ${FORMAT_VERSION}: .*${todo}`),
    )
  })
})

describe('a damaged store', () => {
  const cases: readonly (readonly [string, RegExp, (of: ReturnType<typeof copy>) => void])[] = [
    ['garbled header', /header is not one/, ({ store }) => writeFileSync(join(store, 'header'), 'nonsense')],
    ['lost header', /a log but no header/, ({ store }) => rmSync(join(store, 'header'))],
    ['lost log', /log is missing/, ({ data }) => rmSync(data)],
    ['lost journal', /journal is missing/, ({ root }) => rmSync(journalsIn(root)[0]!)],
    ['empty journal', /journal has lost its end/, ({ root }) => truncateSync(journalsIn(root)[0]!, 0)],
    [
      'a journal without the log before it',
      /a journal but no log/,
      ({ store, data }) => {
        rmSync(join(store, 'header'))
        rmSync(data)
      },
    ],
    ['empty log', /lost its end/, ({ data }) => truncateSync(data, 0)],
    ['half a meta page', /lost its end/, ({ data }) => truncateSync(data, 100)],
    ['nothing but meta pages', /lost its end/, ({ data }) => truncateSync(data, 8_192)],
    ['a log cut in half', /lost its end/, ({ data }) => truncateSync(data, readFileSync(data).length >> 1)],
    ['a log of noise', /not an LMDB file/, ({ data }) => writeFileSync(data, Buffer.alloc(65_536, 0xa7))],
    ['a log of text', /lost its end|not an LMDB file/, ({ data }) => writeFileSync(data, 'once upon a time')],
    [
      'noise behind the meta pages',
      /garbled/,
      ({ data }) => {
        const { length } = readFileSync(data)
        truncateSync(data, 8_192)
        appendFileSync(data, Buffer.alloc(length - 8_192, 0xa7))
      },
    ],
  ]
  it.each(cases)('%s', (_, message, harm) => {
    const damaged = copy()
    harm(damaged)
    expect(refusalOf(damaged.root)).toMatch(message)
  })

  const meddled: readonly (readonly [string, RegExp, (log: ReturnType<typeof open>) => void])[] = [
    ['a gap in the log', /piece 3 of the log follows a gap/, (log) => log.removeSync(pieceKey(2))],
    ['no first entry', /entry 5 is missing/, (log) => log.removeSync(pieceKey(1))],
    [
      'a piece of the log that does not decode',
      /piece 2 of the log does not decode/,
      (log) => log.putSync(pieceKey(2), sealed(pieceKey(2), Uint8Array.of(0x82, 9, 9))),
    ],
    [
      'an entry of an older term than the one before it',
      /entry 301 is of an older term/,
      (log) => {
        const piece = encodePiece(pieceKey(4), { from: 301 as LogIndex, entries: [command(1, 1)] })
        log.putSync(pieceKey(4), piece)
      },
    ],
    [
      'an entry that follows nothing',
      /entry 302 is missing/,
      (log) => {
        const piece = encodePiece(pieceKey(5), { from: 305 as LogIndex, entries: [command(3, 1)] })
        log.putSync(pieceKey(5), piece)
      },
    ],
    [
      'a piece under the number of another',
      /does not match its checksum/,
      (log) => log.putSync(pieceKey(4), log.get(pieceKey(3))),
    ],
    [
      'a snapshot without one of its chunks',
      /chunk 1 of the snapshot at 6 is missing/,
      (log) => log.removeSync(chunkKey(OWN, 1)),
    ],
    ['a log that begins later than any snapshot', /nothing stands for the beginning/, (log) => log.removeSync(OWN_KEY)],
    ['a record too short', /value is too short/, (log) => log.putSync(pieceKey(4), Uint8Array.of(1))],
    [
      'a record of an unknown kind',
      /unknown kind/,
      (log) => log.putSync(Uint8Array.of(0x77), sealed(Uint8Array.of(0x77), Uint8Array.of(1))),
    ],
  ]
  it.each(meddled)('%s', async (_, message, change) => {
    const damaged = copy()
    await meddle(damaged, change)
    expect(refusalOf(damaged.root)).toMatch(message)
  })

  it('whatever bytes of its log change: it is refused, or nothing that was kept has changed', async () => {
    const { root, data } = copy()
    const intact = readFileSync(data)
    const store = lmdb(root).open(GROUP, ALICE)
    const kept = digested(store.persisted)
    await store.close()
    const change = fc.record({ at: fc.nat(intact.length - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 24 }) })
    let refused = 0
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const garbled = Buffer.from(intact)
        for (const { at, bytes } of changes) garbled.set(bytes.subarray(0, garbled.length - at), at)
        writeFileSync(data, garbled)
        try {
          const opened = lmdb(root).open(GROUP, ALICE)
          const found = digested(opened.persisted)
          await opened.close()
          expect(found).toEqual(kept)
        } catch (error) {
          if (!(error instanceof TesseraError)) throw error
          expect(error.code).toBe('StorageFailed')
          refused++
        }
      }),
      { numRuns: 150 },
    )
    expect(refused).toBeGreaterThan(20)
  })
})

describe('a store whose snapshot was interrupted', () => {
  it('is opened as it was before, and rid of what was left behind with the next snapshot', async () => {
    const damaged = copy()
    const half = snapshot(200)
    await meddle(damaged, (log) => log.putSync(chunkKey(half, 0), sealed(chunkKey(half, 0), Uint8Array.of(1))))
    const store = lmdb(damaged.root).open(GROUP, ALICE)
    expect(store.persisted?.snapshot).toEqual(OWN)
    await saved(store, snapshot(201))
    await store.close()
    await carriedOver(damaged.root)
    await meddle(damaged, (log) => {
      expect(log.get(chunkKey(half, 0))).toBeUndefined()
      expect(log.get(chunkKey(snapshot(201), 0))).toBeDefined()
    })
  })

  it('keeps the very same snapshot whole, when that is the next', async () => {
    const { root } = copy()
    const again = snapshot(200)
    const interrupted = lmdb(root).open(GROUP, ALICE)
    const answer = saved(interrupted, again)
    await interrupted.close()
    expect(await answer).toMatchObject({ code: 'StorageFailed' })
    const store = lmdb(root).open(GROUP, ALICE)
    expect(store.persisted?.snapshot).toEqual(OWN)
    expect(await saved(store, again)).toBeNull()
    expect(held(store, again)).toEqual(whole(again))
    await store.close()
    const last = lmdb(root).open(GROUP, ALICE)
    expect(last.persisted?.snapshot).toEqual(again)
    await last.close()
  })
})

describe('a store whose making was interrupted', () => {
  it('is made anew where no log was in place yet', async () => {
    const { root, store } = copy()
    rmSync(join(store, 'header'))
    for (const journal of journalsIn(root)) rmSync(journal)
    cpSync(join(store, 'log'), join(store, 'log.new'), { recursive: true })
    rmSync(join(store, 'log'), { recursive: true })
    const opened = lmdb(root).open(GROUP, ALICE)
    expect(opened.persisted).toBeNull()
    await opened.close()
  })

  it('is finished where only the header was missing', async () => {
    const root = folders.make()
    await lmdb(root).open(GROUP, ALICE).close()
    rmSync(join(root, GROUP, ALICE, 'header'))
    const opened = lmdb(root).open(GROUP, ALICE)
    expect(await written(opened, persist(1, 1, [command(1, 1)]))).toBeNull()
    await opened.close()
    const again = lmdb(root).open(GROUP, ALICE)
    expect(again.persisted?.entries).toEqual([command(1, 1)])
    await again.close()
  })
})
