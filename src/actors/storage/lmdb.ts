/**
 * `lmdb(path)`: a member's term, vote, formation, snapshot and log on disk, in LMDB. What was acknowledged survives the death of the process
 * and a power cut, as far as the medium keeps what it was told to flush.
 *
 * Lifecycle of a store: take the lease (lmdb-lease.ts) -> make the store, or check its header (lmdb-format.ts) and its pages
 * (lmdb-pages.ts) and read it -> write -> close: finish what is under way, give back the lease.
 *
 * Invariants:
 * - Until all checks are passed nothing of a store is written.
 * - Writes reach LMDB in the order they were given; each is in one transaction as a whole, its truncation with it.
 * - One transaction is under way at a time. What comes meanwhile waits and goes into the next one together, so N waiting writes
 *   cost one sync (group commit).
 * - A snapshot is written chunk by chunk, each in a transaction of its own unless others wait, and counts once its last record is there.
 * - After the first failure nothing more is written and each write is answered with that failure. LMDB goes back to its last
 *   transaction, so what is on disk stays whole.
 *
 * An idle store has no timer and no socket: it keeps no process alive.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { TesseraError } from '../../errors.ts'
import type { GroupId } from '../../identity/digest.ts'
import type { PeerId } from '../../identity/keys.ts'
import type { Persist } from '../../machines/raft/effects.ts'
import type { LogIndex, Snapshot } from '../../machines/raft/messages.ts'
import { type Change, Changes } from './lmdb-changes.ts'
import { Drive, syncFolders, writeFileDurably } from './lmdb-drive.ts'
import { damage, type Environment, openEnvironment, refusal } from './lmdb-environment.ts'
import { checkHeader, chunkKey, type Found, HEADER_KEY, headerOf, readStore, sealed, unsealed } from './lmdb-format.ts'
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
    const found = readStore(environment.getRange({}), header)
    if (kept === null) {
      if (found.persisted !== null) throw damage('it has a log but no header')
      writeFileDurably(join(folder, 'header'), header)
      syncFolders(folder, dirname(dirname(dirname(folder))))
    }
    return new LmdbStore(environment, lease, found, new Drive(join(log, 'data.mdb')))
  } catch (cause) {
    void environment.close()
    throw cause
  }
}

/** An empty log, renamed into place once it is whole; one that is there already was made so and then interrupted. */
function makeLog(folder: string, header: string): void {
  const log = join(folder, 'log')
  if (existsSync(join(log, 'data.mdb'))) return
  const beside = `${log}.new`
  rmSync(beside, { recursive: true, force: true })
  const environment = openEnvironment(beside)
  environment.putSync(HEADER_KEY, sealed(HEADER_KEY, Buffer.from(header)))
  // Nothing is under way in it, so it is closed when this returns.
  void environment.close()
  renameSync(beside, log)
  syncFolders(log, folder)
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'latin1')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw refusal(`${path} cannot be read.`, cause)
  }
}

interface Waiting {
  /** Null where the write itself is wrong. */
  readonly change: Change | null
  readonly error: unknown
  readonly done: Done
}

class LmdbStore implements RaftStore {
  readonly persisted: Persisted | null
  readonly #environment: Environment
  readonly #lease: Lease
  readonly #drive: Drive
  readonly #changes: Changes
  #waiting: Waiting[] = []
  /** Runs while there is anything to write. */
  #writing: Promise<void> | null = null
  #failure: TesseraError | null = null
  #closed: Promise<void> | null = null

  constructor(environment: Environment, lease: Lease, found: Found, drive: Drive) {
    this.#environment = environment
    this.#lease = lease
    this.persisted = found.persisted
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
    // What was committed a moment ago is seen only by a read transaction that began after it.
    this.#environment.resetReadTxn()
    const value = this.#environment.getBinary(key)
    return value === undefined ? null : unsealed(key, value)
  }

  #wait(change: () => Change, done: Done): void {
    if (this.#closed) return done(refusal('The store is closed.'))
    if (this.#failure) return done(this.#failure)
    this.#waiting.push(prepared(change, done))
    this.#writing ??= this.#writeWaiting()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await this.#writing
    this.#drive.close()
    await this.#environment.close()
    await this.#lease.release()
  }

  async #writeWaiting(): Promise<void> {
    // What is written in the same turn of the event loop comes into the same transaction.
    await Promise.resolve()
    while (this.#waiting.length > 0 && !this.#failure) {
      const wrong = this.#waiting.findIndex(({ change }) => change === null)
      const together = this.#waiting.splice(0, wrong === -1 ? this.#waiting.length : wrong)
      this.#failure = await this.#commit(together)
      for (const { done } of together) done(this.#failure)
      if (!this.#failure && wrong !== -1) this.#failure = this.#waiting[0]!.error as TesseraError
    }
    const refused = this.#waiting
    this.#waiting = []
    this.#writing = null
    for (const { done } of refused) done(this.#failure)
  }

  #carryOut({ puts, removals }: Change): void {
    for (const { key, value } of puts) void this.#environment.put(key, value)
    for (const key of removals) void this.#environment.remove(key)
  }

  /** One transaction, one sync. */
  async #commit(together: readonly Waiting[]): Promise<TesseraError | null> {
    if (together.length === 0) return null
    try {
      await this.#environment.batch(() => {
        for (const { change } of together) if (change) this.#carryOut(change)
      })
      await this.#drive.flush()
      return null
    } catch (cause) {
      return refusal('A write did not reach the disk.', await reasonOf(cause))
    }
  }
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
