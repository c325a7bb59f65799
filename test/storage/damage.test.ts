/** What is not the store that was written is refused with a clear word, and left exactly as it is. */
import { appendFileSync, cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { open } from 'lmdb'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { lmdb } from '../../src/actors/storage/lmdb.ts'
import { entryKey, FORMAT_VERSION, sealed } from '../../src/actors/storage/lmdb-format.ts'
import { TesseraError } from '../../src/errors.ts'
import type { GroupId } from '../../src/identity/digest.ts'
import { encodeEntry } from '../../src/transport/codec.ts'
import {
  ALICE,
  BOB,
  command,
  contentsOf,
  digested,
  entriesOfAllKinds,
  Folders,
  GROUP,
  hardState,
  OTHER_GROUP,
  persist,
  written,
} from './samples.ts'

const folders = new Folders()
const templates = new Folders()
/** A store with a log of some depth and a history of truncations, so that it has free pages too. */
let template: string

beforeAll(async () => {
  template = templates.make()
  const store = lmdb(template).open(GROUP, ALICE)
  const entries = [...entriesOfAllKinds().slice(0, -1), ...Array.from({ length: 600 }, (_, i) => command(2, i, 20 + i))]
  await written(store, persist(1, 1, entries, hardState(2)))
  await written(store, persist(2, 300, [command(3, 1)], hardState(3)))
  await written(store, persist(3, 301, [command(3, 2)], hardState(4, BOB)))
  await store.close()
})
afterAll(() => templates.remove())
afterEach(() => folders.remove())

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
    expect(refusalOf(root)).toMatch(new RegExp(`has format ${version}, this version reads format 1: .*${todo}`))
  })
})

describe('a damaged store', () => {
  const cases: readonly (readonly [string, RegExp, (of: ReturnType<typeof copy>) => void])[] = [
    ['garbled header', /header is not one/, ({ store }) => writeFileSync(join(store, 'header'), 'nonsense')],
    ['lost header', /a log but no header/, ({ store }) => rmSync(join(store, 'header'))],
    ['lost log', /log is missing/, ({ data }) => rmSync(data)],
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
  const meddled: readonly (readonly [string, RegExp, (log: ReturnType<typeof open>) => void])[] = [
    ['a gap in the log', /entry 7 is missing/, (log) => log.removeSync(entryKey(7))],
    ['no first entry', /entry 1 is missing/, (log) => log.removeSync(entryKey(1))],
    [
      'an entry that does not decode',
      /entry 5 does not decode/,
      (log) => log.putSync(entryKey(5), sealed(entryKey(5), Uint8Array.of(0x82, 9, 9))),
    ],
    [
      'an entry of an older term than the one before it',
      /entry 301 is of an older term/,
      (log) => log.putSync(entryKey(301), sealed(entryKey(301), encodeEntry(command(1, 1)))),
    ],
    [
      'an entry under the index of another',
      /does not match its checksum/,
      (log) => log.putSync(entryKey(9), log.get(entryKey(8))),
    ],
    ['a record too short', /value is too short/, (log) => log.putSync(entryKey(4), Uint8Array.of(1))],
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

  it('whatever bytes change: it is refused, or nothing that was kept has changed', async () => {
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

describe('a store whose making was interrupted', () => {
  it('is made anew where no log was in place yet', async () => {
    const { root, store } = copy()
    rmSync(join(store, 'header'))
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
