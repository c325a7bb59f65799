/** Writes, and a deliberately dumb store to compare with: a plain array that is cut and continued. */

import { hash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BEGINNING, FORGOTTEN, type Persisted, type RaftStore } from '../../src/actors/storage/storage.ts'
import { digest } from '../../src/identity/digest.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import type { HardState, Persist } from '../../src/machines/raft/effects.ts'
import type { Entry, FormationId, LogIndex, Snapshot, Term } from '../../src/machines/raft/messages.ts'
import { encodeEntry } from '../../src/transport/codec.ts'
import { pack } from '../../src/transport/packed.ts'

export const GROUP = digest('a group')
export const OTHER_GROUP = digest('another group')
export const ALICE = digest('alice') as string as PeerId
export const BOB = digest('bob') as string as PeerId

export function hardState(term: number, votedFor: PeerId | null = null): HardState {
  const id = 'f0'.repeat(16) as FormationId
  const refused = ['0f'.repeat(16) as FormationId]
  return { term: term as Term, votedFor, formation: { status: 'formed', id, voters: [ALICE, BOB], refused } }
}

/** Commands whose bytes depend on all of their place, term and salt. */
export function command(term: number, salt: number, bytes = 12, count = 1): Entry {
  const one = Uint8Array.from({ length: bytes }, (_, i) => (i * 31 + salt * 7 + term) & 0xff)
  return {
    kind: 'commands',
    term: term as Term,
    timeMs: salt,
    session: 1,
    sequence: salt,
    acknowledged: 0,
    count,
    packed: pack(new Array<Uint8Array>(count).fill(one)),
  }
}

/** One entry of each kind, and of each of several sizes, some of which take pages of their own. */
export function entriesOfAllKinds(): Entry[] {
  const head = { term: 1 as Term, timeMs: 5 }
  return [
    { ...head, kind: 'configuration', configuration: { voters: [ALICE, BOB], learners: [] } },
    { ...head, kind: 'noop' },
    { ...head, kind: 'session', nonce: 'a nonce' },
    ...[0, 1, 1_900, 2_100, 4_096, 70_000, 1024 * 1024].map((bytes, i) => command(2, i, bytes)),
  ]
}

/** What a snapshot of three chunks at `index` says of itself. */
export function snapshot(index: number, salt = 0): Snapshot {
  const configuration = { index: 1 as LogIndex, configuration: { voters: [ALICE, BOB], learners: [] } }
  const checksum = hash('sha256', `${index} ${salt}`)
  return {
    index: index as LogIndex,
    term: 1 as Term,
    configuration,
    founders: [ALICE],
    chunks: 3,
    bytes: 600_000,
    checksum,
  }
}

const chunks = new Map<string, Uint8Array[]>()

/** Its chunks; two of them take many pages of their own. */
export function chunksOf({ index, checksum }: Snapshot): Uint8Array[] {
  const made =
    chunks.get(checksum) ??
    [256 * 1024, 256 * 1024, 75_712].map((bytes, k) => Buffer.alloc(bytes, `${checksum} ${index} ${k}`, 'latin1'))
  chunks.set(checksum, made)
  return made
}

/** Chunk `at` of a snapshot on its way here, while the log ends at `last`. */
export function chunkWrite(number: number, last: number, of: Snapshot, at: number): Persist {
  const data = chunksOf(of)[at]!
  return { ...persist(number, last + 1, []), snapshot: { kind: 'chunk', snapshot: of, chunk: at, data } }
}

/** The snapshot that came is this member's; its log goes on with what follows `last`. */
export function install(number: number, last: number, of: Snapshot): Persist {
  return { ...persist(number, last + 1, []), snapshot: { kind: 'install', snapshot: of } }
}

/** The log begins after `index`. */
export function compact(number: number, last: number, index: number): Persist {
  const base = { index: index as LogIndex, term: 1 as Term }
  return { ...persist(number, last + 1, []), snapshot: { kind: 'compact', base } }
}

export function persist(
  number: number,
  from: number,
  entries: readonly Entry[],
  state: HardState | null = null,
): Persist {
  return { number, hardState: state, from: from as LogIndex, entries, snapshot: null }
}

/** What a store must hold after `write`. */
export function after(before: Persisted | null, { hardState: state, from, entries }: Persist): Persisted {
  return log([...(before?.entries ?? []).slice(0, from - 1), ...entries], state ?? before?.hardState)
}

/** What a store holds that nothing was compacted of. */
export function log(entries: readonly Entry[], state: HardState = FORGOTTEN): Persisted {
  return { hardState: state, base: BEGINNING, entries, snapshot: null, receiving: null }
}

/** The same in short, because a runner compares large byte arrays slowly: each entry by its hash. */
export function digested(persisted: Persisted | null) {
  if (persisted === null) return null
  return { hardState: persisted.hardState, entries: persisted.entries.map(digestOf) }
}

const digests = new WeakMap<Entry, string>()

function digestOf(entry: Entry): string {
  const known = digests.get(entry) ?? hash('sha256', encodeEntry(entry))
  digests.set(entry, known)
  return known
}

/** Resolves with what `done` was given. */
export function written(store: RaftStore, write: Persist): Promise<unknown> {
  return new Promise((resolve) => store.write(write, resolve))
}

/** Resolves with what `done` of `save` was given. */
export function saved(store: RaftStore, of: Snapshot): Promise<unknown> {
  return new Promise((resolve) => store.save(of, chunksOf(of), resolve))
}

/** Hashes of the chunks a store has of a snapshot; null for each that it has not. */
export function held(store: RaftStore, of: Snapshot): (string | null)[] {
  return Array.from({ length: of.chunks }, (_, at) => {
    const chunk = store.chunk(of.index, at)
    return chunk && hash('sha256', chunk)
  })
}
export const whole = (of: Snapshot): string[] => chunksOf(of).map((chunk) => hash('sha256', chunk))
export const NONE = [null, null, null]

/** The files of the journal of Alice's store under `root`, by the number of their first record. */
export function journalsIn(root: string): string[] {
  const folder = join(root, GROUP, ALICE)
  const names = readdirSync(folder).filter((name) => /^journal\.\d+$/.test(name))
  const first = (name: string) => Number(name.slice('journal.'.length))
  return names.sort((a, b) => first(a) - first(b)).map((name) => join(folder, name))
}

/** Folders that are gone after the test that asked for them. */
export class Folders {
  readonly #made: string[] = []

  make(): string {
    const folder = mkdtempSync(join(tmpdir(), 'tessera-storage-'))
    this.#made.push(folder)
    return folder
  }

  remove(): void {
    for (const folder of this.#made.splice(0)) rmSync(folder, { recursive: true, force: true })
  }
}

/** Every file under `folder` with the hash of its bytes; leases and lock files apart, which say who looks and not what is kept. */
export function contentsOf(folder: string): Record<string, string> {
  const contents: Record<string, string> = {}
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(file.parentPath, file.name)
    if (file.isFile() && !path.includes('/lease/') && file.name !== 'lock.mdb')
      contents[path] = hash('sha256', readFileSync(path))
  }
  return contents
}
