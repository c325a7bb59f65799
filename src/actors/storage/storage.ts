/**
 * The contract of a storage: where a member keeps what Raft must never forget. One store per group and member.
 *
 * A write is answered only when it would survive what the storage promises to survive: for `memory()` nothing, for a durable storage
 * a power cut. Writes are answered in the order they were given.
 */
import type { GroupId } from '../../identity/digest.ts'
import type { PeerId } from '../../identity/keys.ts'
import type { HardState, Persist } from '../../machines/raft/effects.ts'
import type { Entry } from '../../machines/raft/messages.ts'

/** What a store held when it was opened. */
export interface Persisted {
  readonly hardState: HardState
  /** From index 1 on. */
  readonly entries: readonly Entry[]
}

export interface RaftStore {
  readonly persisted: Persisted | null
  /** Calls `done` once the write is safe, or with what went wrong; after an error nothing more is written. */
  write(write: Persist, done: (error: unknown) => void): void
  close(): Promise<void>
}

export interface Storage {
  /** False where a restart forgets: then only an ephemeral identity is safe with it. */
  readonly durable: boolean
  /** Throws `StorageFailed`; opening is synchronous, so that a group is either joined or not. */
  open(group: GroupId, self: PeerId): RaftStore
}
