/**
 * What each write changes in the records of a store (lmdb-format.ts). It is worked out when the write is given, in the order of the
 * writes, and carried out later, many together; so this knows what the store will hold once all that waits is written.
 *
 * Mutable; its one owner is the store.
 */
import { hexOf } from '../../identity/hex.ts'
import type { Persist, SnapshotWrite } from '../../machines/raft/effects.ts'
import { entryBytes } from '../../machines/raft/log.ts'
import {
  type Entry,
  type EntryId,
  isSame,
  type LogIndex,
  type Snapshot,
  spansOf,
} from '../../machines/raft/messages.ts'
import {
  BASE_KEY,
  chunkKey,
  encodeBase,
  encodeHardState,
  encodePiece,
  encodeReceiving,
  encodeSnapshot,
  type Found,
  HARD_STATE_KEY,
  OWN_KEY,
  pieceKey,
  RECEIVING_KEY,
  sealed,
} from './lmdb-format.ts'
import type { Edit } from './lmdb-journal-format.ts'

/** In the order in which they are to be carried out. */
export class Change {
  readonly edits: Edit[] = []

  put(key: Uint8Array, value: Uint8Array): void {
    this.edits.push({ key, value: sealed(key, value) })
  }

  remove(key: Uint8Array): void {
    this.edits.push({ key, value: null })
  }

  removeChunks(of: Snapshot, count: number): void {
    for (let at = 0; at < count; at++) this.remove(chunkKey(of, at))
  }
}

/** A piece of the log is cut where it has so many bytes: LMDB keeps each in one run of pages. */
const PIECE_BYTES_MAX = 256 * 1024

export class Changes {
  #base: LogIndex
  #last: number
  #own: Snapshot | null
  /** The one that this member is writing: its chunks come before it does. */
  #saving: Snapshot | null = null
  #receiving: Snapshot | null
  /** How many chunks of it may be there; how many there will be is only what the sender says. */
  #received: number
  /** Keys of chunks that nobody will ask for any more, by their hex digits. */
  readonly #leftovers: Map<string, Uint8Array>
  /** The number of the first piece of the log, and the last index of each from there on. */
  #firstPiece: number
  #pieceEnds: number[]

  constructor({ persisted, leftovers, firstPiece, pieceEnds }: Found) {
    this.#base = persisted?.base.index ?? (0 as LogIndex)
    this.#last = this.#base + spansOf(persisted?.entries ?? [])
    this.#own = persisted?.snapshot ?? null
    this.#receiving = persisted?.receiving?.snapshot ?? null
    this.#received = persisted?.receiving?.next ?? 0
    this.#leftovers = new Map(leftovers.map((key) => [hexOf(key), key]))
    this.#firstPiece = firstPiece
    this.#pieceEnds = [...pieceEnds]
  }

  /** The snapshot at `index` that has chunks here, this member's own or the one on its way. */
  snapshotAt(index: LogIndex): Snapshot | null {
    return [this.#own, this.#receiving].find((one) => one?.index === index) ?? null
  }

  /** Throws where the write leaves a gap, and is then as if it had not been asked. */
  write({ hardState, from, entries, snapshot }: Persist): Change {
    const change = new Change()
    const end = snapshot?.kind === 'install' ? Math.max(this.#last, snapshot.snapshot.index) : this.#last
    if (from <= this.#base || from > end + 1) throw new Error(`an entry ${from} does not follow a log of ${end}`)
    if (hardState) change.put(HARD_STATE_KEY, encodeHardState(hardState))
    if (snapshot) this.#writeSnapshot(snapshot, change)
    if (entries.length > 0 || from <= this.#last) this.#writePieces(from, entries, change)
    return change
  }

  #writePieces(from: LogIndex, entries: readonly Entry[], change: Change): void {
    let start = 0
    this.#last = from - 1
    do {
      const end = pieceEnd(entries, start)
      const piece = {
        from: (this.#last + 1) as LogIndex,
        entries: start === 0 && end === entries.length ? entries : entries.slice(start, end),
      }
      const key = pieceKey(this.#firstPiece + this.#pieceEnds.length)
      change.edits.push({ key, value: encodePiece(key, piece) })
      this.#last += spansOf(piece.entries)
      this.#pieceEnds.push(this.#last)
      start = end
    } while (start < entries.length)
  }

  #writeSnapshot(write: SnapshotWrite, change: Change): void {
    switch (write.kind) {
      case 'chunk': {
        const { snapshot, chunk, data } = write
        this.#receive(snapshot, change)
        this.#received = Math.max(this.#received, chunk + 1)
        this.#putChunk(snapshot, chunk, data, change)
        return change.put(RECEIVING_KEY, encodeReceiving({ snapshot, next: chunk + 1 }))
      }
      case 'install':
        this.#become(write.snapshot, change)
        this.#receive(null, change)
        return this.#compact(write.snapshot, change)
      case 'compact':
        return this.#compact(write.base, change)
    }
  }

  /** One chunk of a snapshot that this member takes. */
  ownChunk(snapshot: Snapshot, at: number, data: Uint8Array): Change {
    const change = new Change()
    this.#saving = snapshot
    this.#putChunk(snapshot, at, data, change)
    return change
  }

  /** All its chunks are there. Too late, where a newer one was installed meanwhile. */
  own(snapshot: Snapshot): Change {
    const change = new Change()
    this.#saving = null
    if ((this.#own?.index ?? 0) >= snapshot.index) this.#drop(snapshot, snapshot.chunks, change)
    else {
      this.#become(snapshot, change)
      if (this.#receiving && this.#receiving.index <= snapshot.index) this.#receive(null, change)
    }
    return change
  }

  /** Another is on its way here from now on, or none. */
  #receive(snapshot: Snapshot | null, change: Change): void {
    const before = this.#receiving
    this.#receiving = snapshot
    if (before === null || isSame(before, snapshot)) return
    this.#drop(before, this.#received, change)
    this.#received = 0
    if (snapshot === null) change.remove(RECEIVING_KEY)
  }

  /** What an interrupted process left under this key is of use after all. */
  #putChunk(of: Snapshot, at: number, data: Uint8Array, change: Change): void {
    const key = chunkKey(of, at)
    this.#leftovers.delete(hexOf(key))
    change.put(key, data)
  }

  #become(snapshot: Snapshot, change: Change): void {
    const before = this.#own
    this.#own = snapshot
    if (before) this.#drop(before, before.chunks, change)
    for (const key of this.#leftovers.values()) change.remove(key)
    this.#leftovers.clear()
    change.put(OWN_KEY, encodeSnapshot(snapshot))
  }

  /** The chunks of one that is gone, unless they are those of another too: members take the same at the same place. */
  #drop(gone: Snapshot, count: number, change: Change): void {
    const held = [this.#own, this.#saving, this.#receiving]
    if (!held.some((one) => isSame(gone, one))) change.removeChunks(gone, count)
  }

  /** Pieces go in order: one that was cut later must not come back when the one that cut it is gone. */
  #compact({ index, term }: EntryId, change: Change): void {
    const kept = this.#pieceEnds.findIndex((end) => end > index)
    const gone = kept === -1 ? this.#pieceEnds.length : kept
    for (let at = 0; at < gone; at++) change.remove(pieceKey(this.#firstPiece + at))
    this.#firstPiece += gone
    this.#pieceEnds = this.#pieceEnds.slice(gone)
    this.#base = index
    this.#last = Math.max(this.#last, index)
    change.put(BASE_KEY, encodeBase({ index, term }))
  }
}

/** Where the piece that begins at `start` ends: one entry at least, where there is one. */
function pieceEnd(entries: readonly Entry[], start: number): number {
  let bytes = 0
  let end = start
  while (end < entries.length && bytes < PIECE_BYTES_MAX) bytes += entryBytes(entries[end++]!)
  return end
}
