/**
 * What a store keeps, as plain memory, and what each write makes of it: the contract of `storage.ts` in its shortest form. `memory()` is
 * this and nothing else; a simulated disk is this behind syncs that fail.
 *
 * Mutable; its one owner is the store.
 */
import type { HardState, Persist, Persisted, SnapshotWrite } from '../../machines/raft/effects.ts'
import type { Entry, EntryId, LogIndex, Snapshot } from '../../machines/raft/messages.ts'
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
  own: KeptSnapshot | null
  receiving: KeptSnapshot | null
}

export function nothingKept(): Kept {
  return { hardState: null, base: BEGINNING, entries: [], own: null, receiving: null }
}

/** Raft §5.3 for `from` and `entries`; for `snapshot` see `SnapshotWrite`. */
export function keep(kept: Kept, { hardState, from, entries, snapshot }: Persist): void {
  if (hardState) kept.hardState = hardState
  if (snapshot) keepOfSnapshot(kept, snapshot)
  kept.entries.length = Math.max(0, Math.min(kept.entries.length, from - 1 - kept.base.index))
  for (const entry of entries) kept.entries.push(entry)
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
  kept.entries = kept.entries.slice(base.index - kept.base.index)
  kept.base = base
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
