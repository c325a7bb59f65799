/**
 * The files of a store's write-ahead journal (lmdb-journal-format.ts), `journal.<n>` with the number of its first record.
 *
 * LMDB flushes twice for a transaction, first its pages and then the page that names them, into a file that grows. A record of the
 * journal is flushed once, into a file whose blocks are all there, so it is on the medium in less than half of the time; and LMDB hears
 * of many writes together.
 *
 * Invariants:
 * - There is always the file that begins behind what LMDB has; files that begin before that hold nothing new.
 * - A file gets its name once it is all zeros on the medium, and a record is written into it once the name is there too.
 * - One record is under way at a time, so what follows a record was written after that one was acknowledged.
 *
 * Lifecycle of a file: made, or blanked and renamed -> appended to -> full -> carried over to LMDB by a checkpoint -> blanked.
 */
import { closeSync, constants, openSync, readdirSync, readFileSync, rename, rmSync, write } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { flush, flushFileSync, syncFolder, syncFolderSoon, writeFileDurably } from './lmdb-drive.ts'
import { damage } from './lmdb-environment.ts'
import { type Edit, encodeRecord, JOURNAL_BYTES, readJournalFile } from './lmdb-journal-format.ts'

/** A write is on the medium when it returns (open(2), `O_DSYNC`); elsewhere a flush must follow (lmdb-drive.ts). */
const WRITES_THROUGH = process.platform === 'linux'
const FLAGS = constants.O_RDWR | (WRITES_THROUGH ? constants.O_DSYNC : 0)
const NAME = /^journal\.(\d+)$/
const NEW = 'journal.new'
/** Never written to, so that it takes no memory. */
const ZEROS = Buffer.alloc(JOURNAL_BYTES)

const nameOf = (first: number): string => `journal.${first}`

/** What the journal has that LMDB has not. */
export interface Recovered {
  readonly edits: readonly Edit[]
  /** The number of the last record, in the journal or carried over. */
  readonly last: number
  /** Whether the file that begins after it is there, and all zeros. */
  readonly isReady: boolean
}

export const NO_JOURNAL: Recovered = { edits: [], last: 0, isReady: false }

/**
 * Reads the journal in `folder`, of which LMDB has all up to record `checkpointed`, of the store whose header line has the checksum `store`;
 * null where there is none. Throws `StorageFailed` where it is not as it was written.
 */
export function readJournal(folder: string, store: number, checkpointed: number): Recovered | null {
  const firsts = firstsIn(folder)
  if (firsts.length === 0) return null
  const newer = firsts.filter((first) => first > checkpointed).sort((a, b) => a - b)
  if (newer[0] !== checkpointed + 1) throw damage('its journal is missing')
  const edits: Edit[] = []
  let last = checkpointed
  let torn = false
  for (const first of newer) {
    const file = readFileSync(join(folder, nameOf(first)))
    if (file.length !== JOURNAL_BYTES) throw damage('its journal has lost its end')
    const read = readJournalFile(file, store, first)
    if (first !== last + 1 || (torn && read.last >= first)) throw damage(`record ${last + 1} of its journal is missing`)
    for (const edit of read.edits) edits.push(edit)
    last = read.last
    torn = read.torn
  }
  return { edits, last, isReady: newer.at(-1) === last + 1 && !torn }
}

export const hasJournal = (folder: string): boolean => firstsIn(folder).length > 0

/** The first record of each file. */
function firstsIn(folder: string): number[] {
  return readdirSync(folder).flatMap((name) => (NAME.exec(name) ?? []).slice(1).map(Number))
}

interface File {
  readonly path: string
  readonly descriptor: number
}

const writeAt = promisify(write)
const renameTo = promisify(rename)

/** Mutable; its one owner is the store, which waits for each call before the next. */
export class Journal {
  readonly #folder: string
  readonly #store: number
  /** The number of the next record. */
  #next: number
  #file: File
  #used = 0
  /** What a record is encoded into: one is under way at a time. */
  #memory = Buffer.alloc(0)
  /** Blank, under a name that counts for nothing. */
  #spare: File | null = null
  /** The descriptors of all files. */
  readonly #open = new Set<number>()

  /** `next`: the number of the next record, with which the file begins. `store`: as in `readJournal`. */
  constructor(folder: string, store: number, next: number) {
    this.#folder = folder
    this.#store = store
    this.#next = next
    this.#file = this.#opened(nameOf(next), FLAGS)
  }

  /** The number of the last record. */
  get last(): number {
    return this.#next - 1
  }

  get isBlank(): boolean {
    return this.#used === 0
  }

  /** For a record of so many bytes. */
  hasRoomFor(bytes: number): boolean {
    return this.#used + bytes <= JOURNAL_BYTES
  }

  /** `bytes`: how many the record takes. Resolves once it is on the medium. */
  async append(edits: readonly Edit[], bytes: number): Promise<void> {
    const record = encodeRecord(this.#store, this.#next, edits, this.#memoryFor(bytes))
    await writeThrough(this.#file.descriptor, record, this.#used)
    this.#used += record.length
    this.#next++
  }

  #memoryFor(bytes: number): Buffer {
    if (this.#memory.length < bytes) this.#memory = Buffer.allocUnsafeSlow(bytes)
    return this.#memory.subarray(0, bytes)
  }

  /** What comes next goes into another file. Returns what brings the full one back into use, once a checkpoint has carried it over. */
  async turnOver(): Promise<() => Promise<void>> {
    const spare = this.#spare ?? (await this.#newSpare())
    this.#spare = null
    const path = join(this.#folder, nameOf(this.#next))
    await renameTo(spare.path, path)
    await syncFolderSoon(this.#folder)
    const full = this.#file
    const used = this.#used
    this.#file = { path, descriptor: spare.descriptor }
    this.#used = 0
    return async () => {
      await writeThrough(full.descriptor, ZEROS.subarray(0, used), 0)
      this.#spare = full
    }
  }

  async #newSpare(): Promise<File> {
    const spare = this.#opened(NEW, FLAGS | constants.O_CREAT | constants.O_TRUNC)
    await writeThrough(spare.descriptor, ZEROS, 0)
    return spare
  }

  #opened(name: string, flags: number): File {
    const path = join(this.#folder, name)
    const descriptor = openSync(path, flags, 0o600)
    this.#open.add(descriptor)
    return { path, descriptor }
  }

  close(): void {
    for (const descriptor of this.#open) closeSync(descriptor)
    this.#open.clear()
  }
}

/** The blank file that record `first` will be written into. */
export function makeJournalFile(folder: string, first: number): void {
  writeFileDurably(join(folder, nameOf(first)), ZEROS)
  syncFolder(folder)
}

/** What was read is on the medium too: who wrote it may have been killed before it was. */
export function flushJournalFiles(folder: string): void {
  for (const first of firstsIn(folder)) flushFileSync(join(folder, nameOf(first)), 'r+')
}

/** All but the file that begins with record `first`, once LMDB has what is in them. */
export function forgetJournalFiles(folder: string, first: number): void {
  for (const name of readdirSync(folder)) {
    if (name.startsWith('journal.') && name !== nameOf(first)) rmSync(join(folder, name))
  }
}

async function writeThrough(file: number, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await writeAt(file, bytes, done, bytes.length - done, position + done)).bytesWritten
  }
  if (!WRITES_THROUGH) await flush(file)
}
