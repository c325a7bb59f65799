/**
 * What a store keeps, as plain memory, and what each write makes of it: the contract of `storage.ts` in its shortest form. `memory()` is
 * this and nothing else; a simulated disk is this behind syncs that fail.
 *
 * Mutable; its one owner is the store.
 */
import type { HardState, Persist, Persisted, SnapshotWrite } from '../../machines/raft/effects.ts'
import {
  type Entry,
  type EntryId,
  type LogIndex,
  type Snapshot,
  spanOf,
  spansOf,
  type Term,
} from '../../machines/raft/messages.ts'
import { BEGINNING, FORGOTTEN } from './storage.ts'

/** A snapshot and the chunks of it that are there, from the first on. */
export interface KeptSnapshot {
  readonly snapshot: Snapshot
  readonly chunks: readonly Uint8Array[]
}

export interface Kept {
  hardState: HardState | null
  /** What the first of `entries` follows. */
  base: EntryId
  entries: Entry[]
  /** The index of the last of them. */
  last: number
  own: KeptSnapshot | null
  receiving: KeptSnapshot | null
}

export function nothingKept(): Kept {
  return { hardState: null, base: BEGINNING, entries: [], last: 0, own: null, receiving: null }
}

/** Raft §5.3 for `from` and `entries`; for `snapshot` see `SnapshotWrite`. */
export function keep(kept: Kept, { hardState, from, entries, snapshot }: Persist): void {
  if (hardState) kept.hardState = hardState
  if (snapshot) keepOfSnapshot(kept, snapshot)
  cut(kept, from)
  for (const entry of entries) {
    kept.entries.push(entry)
    kept.last += spanOf(entry)
  }
}

function cut(kept: Kept, from: LogIndex): void {
  while (kept.last >= from && kept.entries.length > 0) kept.last -= spanOf(kept.entries.pop()!)
}

function keepOfSnapshot(kept: Kept, write: SnapshotWrite): void {
  switch (write.kind) {
    case 'chunk': {
      const chunks = (kept.receiving?.chunks ?? []).slice(0, write.chunk)
      kept.receiving = { snapshot: write.snapshot, chunks: [...chunks, write.data] }
      return
    }
    case 'install':
      kept.own = kept.receiving
      kept.receiving = null
      return compact(kept, { index: write.snapshot.index, term: write.snapshot.term })
    case 'compact':
      return compact(kept, write.base)
  }
}

function compact(kept: Kept, base: EntryId): void {
  let gone = 0
  let index = kept.base.index as number
  while (index < base.index && gone < kept.entries.length) index += spanOf(kept.entries[gone++]!)
  kept.entries = kept.entries.slice(gone)
  kept.base = base
  kept.last = base.index + spansOf(kept.entries)
}

/** The term of the entry that `index` belongs to, where there is one. */
export function termAt({ base, entries }: Kept, index: number): Term | undefined {
  let end = base.index as number
  for (const entry of entries) {
    if (index <= end) break
    end += spanOf(entry)
    if (index <= end) return entry.term
  }
  return undefined
}

/** This member's own snapshot, unless a newer one was installed meanwhile. What comes of one that is no newer is of no use any more. */
export function keepOwn(kept: Kept, snapshot: Snapshot, chunks: readonly Uint8Array[]): void {
  if ((kept.own?.snapshot.index ?? 0) >= snapshot.index) return
  kept.own = { snapshot, chunks }
  if (kept.receiving && kept.receiving.snapshot.index <= snapshot.index) kept.receiving = null
}

export function chunkOf({ own, receiving }: Kept, index: LogIndex, at: number): Uint8Array | null {
  const holder = [own, receiving].find((one) => one?.snapshot.index === index)
  return holder?.chunks[at] ?? null
}

export function persistedOf({ hardState, base, entries, own, receiving }: Kept): Persisted | null {
  if (hardState === null && base.index + entries.length === 0) return null
  return {
    hardState: hardState ?? FORGOTTEN,
    base,
    entries: [...entries],
    snapshot: own?.snapshot ?? null,
    receiving: receiving && { snapshot: receiving.snapshot, next: receiving.chunks.length },
  }
}
