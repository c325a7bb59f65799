/**
 * `lmdb(path)`: a member's term, vote, formation, snapshot and log on disk, in LMDB. What was acknowledged survives the death of the process
 * and a power cut, as far as the medium keeps what it was told to flush.
 *
 * Lifecycle of a store: take the lease (lmdb-lease.ts) -> make the store, or check its header (lmdb-format.ts), its pages
 * (lmdb-pages.ts) and its journal (lmdb-journal.ts) and read it -> carry the journal over to LMDB -> write -> close: finish what is under
 * way, give back the lease. A close leaves no more than a kill does: who opens the store next carries over what is in the journal.
 *
 * A write is answered once it is in the journal. When a file of that is full, a checkpoint carries it over to LMDB, in one
 * transaction, while writes go on into the other file.
 *
 * Invariants:
 * - Until all checks are passed nothing of a store is written.
 * - Writes reach the journal in the order they were given, and LMDB in that order; each is in one record and in one transaction as a whole,
 *   its truncation with it.
 * - One record is under way at a time. What comes meanwhile, or in the same turn of the event loop, waits and goes into the next one
 *   together, so N waiting writes cost one sync (group commit).
 * - A snapshot is written chunk by chunk, each in a record of its own unless others wait, and counts once its last record is there.
 * - After the first failure, of a record or of a checkpoint, nothing more is written and each write is answered with that failure. What was
 *   answered before is in the journal or in LMDB, which goes back to its last transaction, so what is on disk stays whole.
 *
 * An idle store has no timer and no socket: it keeps no process alive.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { crc32 } from 'node:zlib'
import { systemClock } from '../../clock.ts'
import { TesseraError } from '../../errors.ts'
import type { GroupId } from '../../identity/digest.ts'
import type { PeerId } from '../../identity/keys.ts'
import type { Persist } from '../../machines/raft/effects.ts'
import type { LogIndex, Snapshot } from '../../machines/raft/messages.ts'
import { type Change, Changes } from './lmdb-changes.ts'
import { Drive, flushDriveSync, syncFolder, syncFolders, writeFileDurably } from './lmdb-drive.ts'
import { Edits } from './lmdb-edits.ts'
import { damage, type Environment, openEnvironment, refusal } from './lmdb-environment.ts'
import {
  CHECKPOINT_KEY,
  checkBelongs,
  checkHeader,
  chunkKey,
  decodeCheckpoint,
  encodeCheckpoint,
  type Found,
  HEADER_KEY,
  headerOf,
  readStore,
  sealed,
  unsealed,
} from './lmdb-format.ts'
import {
  flushJournalFiles,
  forgetJournalFiles,
  hasJournal,
  Journal,
  makeJournalFile,
  NO_JOURNAL,
  readJournal,
} from './lmdb-journal.ts'
import { type Edit, recordBytes } from './lmdb-journal-format.ts'
import { type Lease, takeLease } from './lmdb-lease.ts'
import { checkPages } from './lmdb-pages.ts'
import type { Done, Persisted, RaftStore, Storage } from './storage.ts'

/**
 * Durable storage in the folder `path`, which is made when the first store is opened; it holds one store for each group and member.
 *
 * `open` throws `StorageFailed`, and changes nothing, where another process holds the store, where it belongs to another group
 * or identity, has another format, or is damaged.
 *
 * @example
 * const node = await createNode({ network: 'orders', identity: await Identity.fromFile('node.key'), storage: lmdb('./data') })
 */
export function lmdb(path: string): Storage {
  if (typeof path !== 'string' || path === '') {
    throw new TesseraError('InvalidOption', { detail: 'lmdb: give the path of a folder.' })
  }
  const root = resolve(path)
  return { durable: true, open: (group, self) => openStore(root, group, self) }
}

function openStore(root: string, group: GroupId, self: PeerId): RaftStore {
  const folder = join(root, group, self)
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw refusal(`The folder ${folder} cannot be made.`, cause)
  }
  const lease = takeLease(join(folder, 'lease'))
  try {
    return openHeld(folder, lease, group, self)
  } catch (cause) {
    void lease.release()
    throw cause instanceof TesseraError ? cause : refusal(`The store in ${folder} cannot be opened.`, cause)
  }
}

function openHeld(folder: string, lease: Lease, group: GroupId, self: PeerId): RaftStore {
  const header = headerOf(group, self)
  const kept = readIfThere(join(folder, 'header'))
  const log = join(folder, 'log')
  if (kept === null) makeLog(folder, header)
  else checkHeader(kept, group, self)
  checkPages(join(log, 'data.mdb'))
  const environment = openEnvironment(log)
  try {
    checkBelongs(environment.getBinary(HEADER_KEY), header)
    const store = crc32(header)
    const recovered = readJournal(folder, store, decodeCheckpoint(environment.getBinary(CHECKPOINT_KEY)).last)
    if (recovered === null && kept !== null) throw damage('its journal is missing')
    const edits = new Edits()
    edits.add(recovered?.edits ?? [])
    const found = readStore(edits.over(environment.getRange({})))
    if (kept === null && found.persisted !== null) throw damage('it has a log but no header')

    // All checks are passed. What a process before saw, and was killed or cut off, may not be on the medium yet; what follows builds on it.
    const top = dirname(dirname(dirname(folder)))
    syncFolders(folder, top)
    flushJournalFiles(folder)
    const { last, isReady } = recovered ?? NO_JOURNAL
    if (!isReady) makeJournalFile(folder, last + 1)
    if (edits.size > 0) {
      environment.transactionSync(() => carryOut(environment, edits, last))
      flushDriveSync(join(log, 'data.mdb'))
    }
    forgetJournalFiles(folder, last + 1)
    if (kept === null) {
      writeFileDurably(join(folder, 'header'), header)
      syncFolders(folder, top)
    }
    return new LmdbStore(
      environment,
      lease,
      found,
      new Journal(folder, store, last + 1),
      new Drive(join(log, 'data.mdb')),
    )
  } catch (cause) {
    void environment.close()
    throw cause
  }
}

/** An empty log, renamed into place once all of it is on the medium; one that is there already was made so and then interrupted. */
function makeLog(folder: string, header: string): void {
  const log = join(folder, 'log')
  if (existsSync(join(log, 'data.mdb'))) return
  if (hasJournal(folder)) throw damage('it has a journal but no log')
  const beside = `${log}.new`
  rmSync(beside, { recursive: true, force: true })
  const environment = openEnvironment(beside)
  environment.putSync(HEADER_KEY, sealed(HEADER_KEY, Buffer.from(header)))
  // Nothing is under way in it, so it is closed when this returns.
  void environment.close()
  syncFolder(beside)
  renameSync(beside, log)
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'latin1')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw refusal(`${path} cannot be read.`, cause)
  }
}

/** Part of a transaction: afterwards LMDB has the journal up to record `last`. */
function carryOut(environment: Environment, edits: Edits, last: number): void {
  for (const { key, value } of edits) void (value === null ? environment.remove(key) : environment.put(key, value))
  void environment.put(CHECKPOINT_KEY, encodeCheckpoint({ last }))
}

interface Waiting {
  /** Null where the write itself is wrong. */
  readonly change: Change | null
  readonly error: unknown
  readonly done: Done
}

/** What waits goes into one record up to here; the largest of what was written alone goes alone. */
const TOGETHER_BYTES_MAX = 1024 * 1024
/** A checkpoint of so many records of LMDB is due: each is some microseconds' work, all in one turn. */
export const CHECKPOINT_EDITS_MAX = 2_048

class LmdbStore implements RaftStore {
  readonly persisted: Persisted | null
  readonly #environment: Environment
  readonly #lease: Lease
  readonly #drive: Drive
  readonly #journal: Journal
  readonly #changes: Changes
  /** What is in the file of the journal that is written, and what is in the one that is carried over. */
  #fresh = new Edits()
  #leaving = new Edits()
  /** Resolves once LMDB has what is leaving, or `#failure` says why not. */
  #checkpoint: Promise<void> = Promise.resolve()
  #waiting: Waiting[] = []
  /** Runs while there is anything to write. */
  #writing: Promise<void> | null = null
  #failure: TesseraError | null = null
  #closed: Promise<void> | null = null

  constructor(environment: Environment, lease: Lease, found: Found, journal: Journal, drive: Drive) {
    this.#environment = environment
    this.#lease = lease
    this.persisted = found.persisted
    this.#journal = journal
    this.#drive = drive
    this.#changes = new Changes(found)
  }

  write(write: Persist, done: Done): void {
    this.#wait(() => this.#changes.write(write), done)
  }

  save(snapshot: Snapshot, chunks: readonly Uint8Array[], done: Done): void {
    const next = (at: number): void => {
      const chunk = chunks[at]
      if (chunk === undefined) return this.#wait(() => this.#changes.own(snapshot), done)
      this.#wait(
        () => this.#changes.ownChunk(snapshot, at, chunk),
        (error) => (error ? done(error) : next(at + 1)),
      )
    }
    next(0)
  }

  chunk(index: LogIndex, at: number): Uint8Array | null {
    const snapshot = this.#closed ? null : this.#changes.snapshotAt(index)
    if (snapshot === null) return null
    const key = chunkKey(snapshot, at)
    const value = this.#valueAt(key)
    return value && unsealed(key, value)
  }

  #valueAt(key: Uint8Array): Uint8Array | null {
    const edit = this.#fresh.at(key) ?? this.#leaving.at(key)
    if (edit) return edit.value
    // What was committed a moment ago is seen only by a read transaction that began after it.
    this.#environment.resetReadTxn()
    return this.#environment.getBinary(key) ?? null
  }

  #wait(change: () => Change, done: Done): void {
    if (this.#closed) return done(refusal('The store is closed.'))
    if (this.#failure) return done(this.#failure)
    this.#waiting.push(prepared(change, done))
    // What is written in the same turn of the event loop comes into the same record.
    this.#writing ??= new Promise<void>((resolve) => systemClock.endOfTurn(resolve)).then(() => this.#writeWaiting())
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.#writing
    await this.#checkpoint
    this.#journal.close()
    this.#drive.close()
    await this.#environment.close()
    await this.#lease.release()
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#failure) {
      const together = this.#takeTogether()
      const failure = await this.#commit(together)
      this.#failure ??= failure
      for (const { done } of together) done(failure)
      if (this.#waiting[0]?.change === null) this.#failure ??= this.#waiting[0].error as TesseraError
    }
    const refused = this.#waiting
    this.#waiting = []
    this.#writing = null
    for (const { done } of refused) done(this.#failure)
  }

  /** What comes first and goes into one record: nothing where the first is wrong itself. */
  #takeTogether(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const { change } of this.#waiting) {
      bytes += change ? recordBytes(change.edits) : 0
      if (change === null || (count > 0 && bytes > TOGETHER_BYTES_MAX)) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #commit(together: readonly Waiting[]): Promise<TesseraError | null> {
    const edits = together.flatMap(({ change }) => change?.edits ?? [])
    if (edits.length === 0) return null
    try {
      await this.#keep(edits)
      return null
    } catch (cause) {
      return failureOf(cause)
    }
  }

  /** One record of the journal, one sync. What no file of the journal has room for goes straight to LMDB. */
  async #keep(edits: readonly Edit[]): Promise<void> {
    const bytes = recordBytes(edits)
    const isFull = this.#fresh.size >= CHECKPOINT_EDITS_MAX || !this.#journal.hasRoomFor(bytes)
    if (isFull && !this.#journal.isBlank) await this.#turnOver()
    this.#fresh.add(edits)
    if (this.#journal.hasRoomFor(bytes)) return this.#journal.append(edits, bytes)
    await this.#turnOver()
    await this.#carriedOver()
  }

  /** Begins a checkpoint, once the one before is done. */
  async #turnOver(): Promise<void> {
    await this.#carriedOver()
    const reuse = this.#journal.isBlank ? async () => {} : await this.#journal.turnOver()
    ;[this.#leaving, this.#fresh] = [this.#fresh, this.#leaving]
    this.#checkpoint = this.#carryOver(this.#journal.last)
      .then(reuse)
      .catch((cause: unknown) => {
        this.#failure ??= failureOf(cause)
      })
  }

  /** One transaction. */
  async #carryOver(last: number): Promise<void> {
    try {
      await this.#environment.batch(() => carryOut(this.#environment, this.#leaving, last))
    } catch (cause) {
      throw await reasonOf(cause)
    }
    await this.#drive.flush()
    this.#leaving.clear()
  }

  async #carriedOver(): Promise<void> {
    await this.#checkpoint
    if (this.#failure) throw this.#failure
  }
}

function failureOf(cause: unknown): TesseraError {
  return cause instanceof TesseraError ? cause : refusal('A write did not reach the disk.', cause)
}

/** Encoded now: a write that cannot be kept must not take part in a transaction with others. */
function prepared(change: () => Change, done: Done): Waiting {
  try {
    return { change: change(), error: null, done }
  } catch (cause) {
    return { change: null, error: refusal('A write cannot be kept.', cause), done }
  }
}

/** lmdb-js rejects with "Commit failed" and tells why in a promise of its own (write.js, `rejectCommit`). */
async function reasonOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { readonly commitError?: Promise<never> }
  if (!commitError) return error
  return commitError.catch((reason: unknown) => reason)
}
