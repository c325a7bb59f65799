/**
 * The contract of a storage: where a member keeps what Raft must never forget. One store per group and member.
 *
 * A write is answered only when it would survive what the storage promises to survive: for `memory()` nothing, for a durable storage
 * a power cut. Writes are answered in the order they were given.
 */
import type { GroupId } from '../../identity/digest.ts'
import type { PeerId } from '../../identity/keys.ts'
import type { HardState, Persist, Persisted } from '../../machines/raft/effects.ts'
import type { EntryId, LogIndex, Snapshot, Term } from '../../machines/raft/messages.ts'

export type { Persisted } from '../../machines/raft/effects.ts'

/** Before anything was decided. */
export const FORGOTTEN: HardState = {
  term: 0 as Term,
  votedFor: null,
  formation: { status: 'none', id: null, voters: [], refused: [] },
}

/** A log that nothing was compacted of begins here. */
export const BEGINNING: EntryId = { index: 0 as LogIndex, term: 0 as Term }

/** Null, or what went wrong. */
export type Done = (error: unknown) => void

export interface RaftStore {
  readonly persisted: Persisted | null
  /** Calls `done` once the write is safe, or with what went wrong; after an error nothing more is written. */
  write(write: Persist, done: Done): void
  /**
   * Keeps a snapshot that this member took instead of the one before, and calls `done` as for a write. Writes that come meanwhile do not
   * wait for all of it. A newer one that came from a leader meanwhile stays; what has come of one that is no newer goes.
   */
  save(snapshot: Snapshot, chunks: readonly Uint8Array[], done: Done): void
  /** A chunk of the snapshot at `index`, of this member's own or the one on its way here; null where it is not there, or no longer. */
  chunk(index: LogIndex, at: number): Uint8Array | null
  close(): Promise<void>
}

export interface Storage {
  /** False where a restart forgets: then only an ephemeral identity is safe with it. */
  readonly durable: boolean
  /** Throws `StorageFailed`; opening is synchronous, so that a group is either joined or not. */
  open(group: GroupId, self: PeerId): RaftStore
}
