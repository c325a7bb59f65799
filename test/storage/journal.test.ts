/**
 * The write-ahead journal: after a crash it ends after what was acknowledged, or after the one record that was under way; what was
 * acknowledged and has changed is refused.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { CHECKPOINT_EDITS_MAX, lmdb } from '../../src/actors/storage/lmdb.ts'
import {
  type Edit,
  encodeRecord,
  JOURNAL_BYTES,
  readJournalFile,
  SECTOR_BYTES,
} from '../../src/actors/storage/lmdb-journal-format.ts'
import {
  ALICE,
  after,
  chunksOf,
  chunkWrite,
  command,
  digested,
  Folders,
  GROUP,
  held,
  install,
  journalsIn,
  persist,
  saved,
  snapshot,
  whole,
  written,
} from './samples.ts'

const folders = new Folders()
afterEach(() => folders.remove())

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))
/** Zeros among them: a value may look like what was never written. */
const value = fc.oneof(
  bytes(60),
  bytes(2_000),
  fc.nat(3_000).map((length) => Buffer.alloc(length)),
)
const edit: fc.Arbitrary<Edit> = fc.record({ key: bytes(30), value: fc.option(value) })
const record = fc.array(edit, { minLength: 1, maxLength: 4 })
const FIRST = 7
/** The checksum of the header line of the store it belongs to. */
const STORE = 0x1234_5678

/** A file with room behind its records, and where each of them begins. */
function fileOf(records: readonly (readonly Edit[])[]): { readonly file: Buffer; readonly starts: readonly number[] } {
  const starts: number[] = []
  const parts: Buffer[] = []
  let at = 0
  for (const [place, edits] of records.entries()) {
    const part = encodeRecord(STORE, FIRST + place, edits)
    starts.push(at)
    parts.push(part)
    at += part.length
  }
  return { file: Buffer.concat([...parts, Buffer.alloc(8 * SECTOR_BYTES)]), starts }
}

const read = (file: Buffer) => readJournalFile(file, STORE, FIRST)
const refused = expect.objectContaining({ code: 'StorageFailed' })

describe('a file of the journal', () => {
  it('gives back all that was written into it, in order', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 6 }), (records) => {
        const { file } = fileOf(records)
        expect(read(file)).toEqual({ edits: records.flat(), last: FIRST + records.length - 1, torn: false })
      }),
    )
  })

  it('ends before a record of which a crash left some sectors out, whichever', () => {
    const records = fc.array(record, { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(records, fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }), (all, written) => {
        const { file, starts } = fileOf(all)
        const start = starts.at(-1)!
        const sectors = encodeRecord(STORE, FIRST, all.at(-1)!).length / SECTOR_BYTES
        const left = Array.from({ length: sectors }, (_, at) => at).filter((at) => !written[at % written.length])
        for (const at of left) file.fill(0, start + at * SECTOR_BYTES, start + (at + 1) * SECTOR_BYTES)
        const whole = left.length === 0 ? all : all.slice(0, -1)
        const torn = left.length > 0 && left.length < sectors
        expect(read(file)).toEqual({ edits: whole.flat(), last: FIRST + whole.length - 1, torn })
      }),
    )
  })

  it('is refused where a sector of a record is blank that another follows', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 2, maxLength: 4 }), fc.nat(), (all, place) => {
        const { file, starts } = fileOf(all)
        const end = starts.at(-1)!
        const at = (place % (end / SECTOR_BYTES)) * SECTOR_BYTES
        file.fill(0, at, at + SECTOR_BYTES)
        expect(() => read(file)).toThrow(refused)
      }),
    )
  })

  it('is refused whatever bytes of its records change, filling apart', () => {
    const change = fc.record({ at: fc.nat(), xor: fc.integer({ min: 1, max: 255 }) })
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 4 }), change, (all, { at, xor }) => {
        const { file, starts } = fileOf(all)
        const end = starts.at(-1)! + encodeRecord(STORE, FIRST, all.at(-1)!).length
        const place = at % end
        // A sector whose one byte that is not zero goes is as it was before it was written.
        fc.pre(place % SECTOR_BYTES !== 0 || file[place] !== xor)
        file[place] = file[place]! ^ xor
        let found: ReturnType<typeof read> | null = null
        try {
          found = read(file)
        } catch (error) {
          expect(error).toEqual(refused)
        }
        if (found) expect(found).toEqual({ edits: all.flat(), last: FIRST + all.length - 1, torn: false })
      }),
      { numRuns: 500 },
    )
  })

  it('is refused where there is anything in it that was never written', () => {
    const { file } = fileOf([[{ key: Buffer.of(1), value: Buffer.of(2) }]])
    file[file.length - 1] = 1
    expect(() => read(file)).toThrow(refused)
  })

  it('is refused where it begins with another number', () => {
    const { file } = fileOf([[{ key: Buffer.of(1), value: null }]])
    expect(() => readJournalFile(file, STORE, FIRST - 1)).toThrow(refused)
  })

  it('is refused where it belongs to another store', () => {
    const { file } = fileOf([[{ key: Buffer.of(1), value: null }]])
    expect(() => readJournalFile(file, STORE + 1, FIRST)).toThrow(refused)
  })

  it('takes what an application wrote for nothing else, whatever it looks like', () => {
    // Each sector but the first of the last record holds what begins a later record.
    const share = encodeRecord(STORE, FIRST + 1, [{ key: Buffer.of(1), value: null }]).subarray(1)
    const value = Buffer.concat([Buffer.alloc(SECTOR_BYTES - 1 - 24 - 5 - 1), ...new Array<Buffer>(6).fill(share)])
    const { file } = fileOf([[{ key: Buffer.of(1), value }]])
    expect(file.subarray(SECTOR_BYTES + 1, 2 * SECTOR_BYTES)).toEqual(share)
    expect(read(file).last).toBe(FIRST)
    file.fill(0, 3 * SECTOR_BYTES, 4 * SECTOR_BYTES)
    expect(read(file)).toEqual({ edits: [], last: FIRST - 1, torn: true })
  })
})

const opened = (root: string) => lmdb(root).open(GROUP, ALICE)

/** What a store holds, and that it takes another write behind that. */
async function contentOf(root: string) {
  const store = opened(root)
  const { persisted } = store
  const last = persisted?.entries.length ?? 0
  expect(await written(store, persist(99, last + 1, [command(9, 9)]))).toBeNull()
  await store.close()
  const again = opened(root)
  expect(again.persisted?.entries).toHaveLength(last + 1)
  await again.close()
  return digested(persisted)
}

/** Gives a store that holds `before` of them `count` more writes, each of some sectors. Returns what it was after each of all. */
async function journaled(count: number, root = folders.make(), before = 0) {
  const writes = Array.from({ length: before + count }, (_, i) => persist(i + 1, i + 1, [command(1, i, 3_000)]))
  const store = opened(root)
  for (const write of writes.slice(before)) expect(await written(store, write)).toBeNull()
  await store.close()
  const states = [
    null,
    ...writes.map((_, i) => writes.slice(0, i + 1).reduce<ReturnType<typeof after> | null>(after, null)),
  ]
  return { root, states: states.map(digested) }
}

/** A store whose journal has two files of three records each, and LMDB nothing of them. */
async function journaledTwice() {
  const { root } = await journaled(3)
  const carriedOver = folders.make()
  cpSync(root, carriedOver, { recursive: true })
  const { states } = await journaled(3, carriedOver, 3)
  const [first, second] = [...journalsIn(root), journalsIn(carriedOver)[0]!.replace(carriedOver, root)] as [
    string,
    string,
  ]
  cpSync(journalsIn(carriedOver)[0]!, second)
  return { root, first, second, states, carriedOver }
}

/** Sector `sector` of the record at `place` in the file is as it was before it was written. */
function tear(journal: string, place: number, sector: number): void {
  const file = readFileSync(journal)
  const at = place * RECORD_BYTES + sector * SECTOR_BYTES
  writeFileSync(journal, file.fill(0, at, at + SECTOR_BYTES))
}

/** Of each record that `journaled` writes. */
const RECORD_BYTES = 6 * SECTOR_BYTES

describe('a store after a power cut', () => {
  it.each([0, 1, 3, 5])(
    'holds what was acknowledged, where sector %i of the last record was not written',
    async (sector) => {
      const { root, states } = await journaled(3)
      const [journal] = journalsIn(root) as [string]
      tear(journal, 2, sector)
      expect(await contentOf(root)).toEqual(states[2])
    },
  )

  it('holds what was acknowledged, where its first record was not written whole', async () => {
    const { root } = await journaled(1)
    const [journal] = journalsIn(root) as [string]
    tear(journal, 0, 0)
    expect(await contentOf(root)).toBeNull()
  })

  it.each([
    [0, 0],
    [0, 4],
    [2, 1],
  ])('holds what was acknowledged, where record %i of the second file was torn', async (place, sector) => {
    const { root, second, states } = await journaledTwice()
    writeFileSync(second, readFileSync(second).fill(0, (place + 1) * RECORD_BYTES))
    tear(second, place, sector)
    expect(await contentOf(root)).toEqual(states[3 + place])
  })

  it('holds what was acknowledged, where a record was torn and the file after it is blank', async () => {
    const { root, states } = await journaled(3)
    const [journal] = journalsIn(root) as [string]
    tear(journal, 2, 1)
    writeFileSync(journal.replace(/1$/, '3'), Buffer.alloc(JOURNAL_BYTES))
    expect(await contentOf(root)).toEqual(states[2])
  })

  it('is refused where a record is torn that another file has too, or goes on from', async () => {
    const { root, first } = await journaledTwice()
    tear(first, 2, 1)
    expect(() => opened(root)).toThrow(/record 3 of its journal is missing/)
    const other = await journaled(2)
    await journaled(1, other.root, 2)
    cpSync(journalsIn(other.root)[0]!, first.replace(/1$/, '3'))
    expect(() => opened(root)).toThrow(/record 3 of its journal is missing/)
  })

  it('holds all, where it was cut while a file was blanked that LMDB has', async () => {
    const { root, first, states, carriedOver } = await journaledTwice()
    writeFileSync(first.replace(root, carriedOver), readFileSync(first).fill(0, 0, RECORD_BYTES))
    expect(await contentOf(carriedOver)).toEqual(states[6])
  })

  it('never writes over what was torn', async () => {
    const { root } = await journaled(1)
    const [journal] = journalsIn(root) as [string]
    tear(journal, 0, 1)
    await opened(root).close()
    expect(readFileSync(journal).equals(Buffer.alloc(JOURNAL_BYTES))).toBe(true)
  })

  it('opens as before, whenever it was cut while it was opened', async () => {
    const { root, states } = await journaled(3)
    const [journal] = journalsIn(root) as [string]
    const before = readFileSync(journal)
    // The next file is there; LMDB knows nothing of it.
    const next = journal.replace(/1$/, '4')
    writeFileSync(next, Buffer.alloc(JOURNAL_BYTES))
    writeFileSync(`${next}.new`, 'half of another')
    const cut = folders.make()
    cpSync(root, cut, { recursive: true })
    expect(await contentOf(cut)).toEqual(states[3])
    // LMDB has all; the file before is still there.
    await opened(root).close()
    expect(journalsIn(root)).toEqual([next])
    writeFileSync(journal, before)
    expect(await contentOf(root)).toEqual(states[3])
  })

  it('is refused where a file of the journal is gone that LMDB has not all of', async () => {
    const { root } = await journaled(3)
    const [journal] = journalsIn(root) as [string]
    cpSync(journal, journal.replace(/1$/, '9'))
    rmSync(journal)
    expect(() => opened(root)).toThrow(/journal is missing/)
  })

  it('is refused where a file follows that does not begin where the one before ends', async () => {
    const { root } = await journaled(3)
    const [journal] = journalsIn(root) as [string]
    writeFileSync(journal.replace(/1$/, '5'), Buffer.alloc(JOURNAL_BYTES))
    expect(() => opened(root)).toThrow(/record 4 of its journal is missing/)
  })

  it('is refused where the journal has lost its end', async () => {
    const { root } = await journaled(3)
    truncateSync(journalsIn(root)[0]!, 2 * RECORD_BYTES)
    expect(() => opened(root)).toThrow(/lost its end/)
  })

  it('is refused where a record that was acknowledged has changed', async () => {
    const { root } = await journaled(3)
    const [journal] = journalsIn(root) as [string]
    const file = readFileSync(journal)
    file[2 * RECORD_BYTES + 1_000]! ^= 0x10
    writeFileSync(journal, file)
    expect(() => opened(root)).toThrow(/record 3 of its journal is garbled/)
  })
})

describe('a journal that is full', () => {
  it.each([
    ['some large', 40, JOURNAL_BYTES / 8],
    ['many small', 320, JOURNAL_BYTES / 64],
  ])('is carried over to LMDB while %s writes go on, again and again', async (_, count, size) => {
    const root = folders.make()
    const store = opened(root)
    const writes = Array.from({ length: count }, (_, i) => persist(i + 1, i + 1, [command(1, i, size)]))
    for (const done of await Promise.all(writes.map((write) => written(store, write)))) expect(done).toBeNull()
    expect(journalsIn(root).length).toBeLessThanOrEqual(2)
    await store.close()
    const again = opened(root)
    expect(digested(again.persisted)).toEqual(digested(writes.reduce<ReturnType<typeof after> | null>(after, null)))
    await again.close()
  })

  it('is carried over before it is full, where its records are many and small', async () => {
    const root = folders.make()
    const store = opened(root)
    for (let i = 1; i <= CHECKPOINT_EDITS_MAX + 1; i++) {
      expect(await written(store, persist(i, i, [command(1, i)]))).toBeNull()
    }
    expect(journalsIn(root).at(-1)).toMatch(new RegExp(`journal.${CHECKPOINT_EDITS_MAX + 1}$`))
    await store.close()
    const again = opened(root)
    expect(again.persisted?.entries).toHaveLength(CHECKPOINT_EDITS_MAX + 1)
    await again.close()
  })

  it('lets a write that no file has room for straight through, in its place', async () => {
    const root = folders.make()
    const store = opened(root)
    const large = Array.from({ length: 8 }, (_, i) => command(2, i, JOURNAL_BYTES / 6))
    const larger = Array.from({ length: 8 }, (_, i) => command(4, i, JOURNAL_BYTES / 6))
    const writes = [
      persist(1, 1, [command(1, 1)]),
      persist(2, 2, large),
      persist(3, 5, [command(3, 1)]),
      persist(4, 6, larger),
      persist(5, 14, larger),
    ]
    for (const write of writes) expect(await written(store, write)).toBeNull()
    await store.close()
    const again = opened(root)
    expect(digested(again.persisted)).toEqual(digested(writes.reduce<ReturnType<typeof after> | null>(after, null)))
    await again.close()
  })

  it('hands out chunks of snapshots wherever they are, and none that is gone', async () => {
    const root = folders.make()
    const store = opened(root)
    await written(store, persist(1, 1, [command(1, 1)]))
    // Some megabytes each time: of those kept and those gone, some are in LMDB, some on the way there, some in the journal only.
    let last = 1
    for (let index = 2; index < 40; index += 2) {
      const own = snapshot(index)
      expect(await saved(store, own)).toBeNull()
      expect(held(store, own)).toEqual(whole(own))
      const came = snapshot(index + 1)
      for (const at of [0, 1, 2]) expect(await written(store, chunkWrite(2, last, came, at))).toBeNull()
      expect(held(store, came)).toEqual(whole(came))
      last = came.index
      expect(await written(store, install(3, last, came))).toBeNull()
      expect(held(store, came)).toEqual(whole(came))
      expect(held(store, own)).toEqual([null, null, null])
    }
    await store.close()
    const again = opened(root)
    expect(held(again, snapshot(39))).toEqual(whole(snapshot(39)))
    await again.close()
  })
})

describe('a chunk that was handed out', () => {
  it('stays what it was, whatever is written and carried over afterwards', async () => {
    const store = opened(folders.make())
    await written(store, persist(1, 1, [command(1, 1)]))
    const own = snapshot(1)
    expect(await saved(store, own)).toBeNull()
    const handedOut = store.chunk(own.index, 2)!
    for (let i = 2; i <= 200; i++) await written(store, persist(i, i, [command(1, i, JOURNAL_BYTES / 64)]))
    expect(Buffer.compare(handedOut, chunksOf(own)[2]!)).toBe(0)
    await store.close()
  })
})

describe.runIf(process.platform === 'linux')('the files of a store', () => {
  const openIn = (root: string) =>
    readdirSync('/proc/self/fd').flatMap((descriptor) => {
      const path = `/proc/self/fd/${descriptor}`
      return existsSync(path) && readlinkSync(path).startsWith(root) ? [readlinkSync(path)] : []
    })
  const large = (number: number) => persist(number, number, [command(1, number, JOURNAL_BYTES / 4)])

  it('are closed when it is', async () => {
    const root = folders.make()
    const store = opened(root)
    for (let i = 1; i < 9; i++) expect(await written(store, large(i))).toBeNull()
    expect(openIn(root)).not.toEqual([])
    await store.close()
    expect(openIn(root)).toEqual([])
  })

  it('are closed when it is after a failure', async () => {
    const root = folders.make()
    const store = opened(root)
    mkdirSync(join(root, GROUP, ALICE, 'journal.new'))
    for (let i = 1; i < 4; i++) expect(await written(store, large(i))).toBeNull()
    expect(await written(store, large(4))).toEqual(refused)
    await store.close()
    expect(openIn(root)).toEqual([])
  })

  it('are closed when it is refused', async () => {
    const { root } = await journaled(3)
    truncateSync(journalsIn(root)[0]!, RECORD_BYTES)
    expect(() => opened(root)).toThrow(refused)
    await vi.waitFor(() => expect(openIn(root)).toEqual([]))
  })
})
