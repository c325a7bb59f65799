/**
 * What each write changes in the records of a store (lmdb-format.ts). It is worked out when the write is given, in the order of the
 * writes, and carried out later, many together; so this knows what the store will hold once all that waits is written.
 *
 * Mutable; its one owner is the store.
 */
import type { Persist, SnapshotWrite } from '../../machines/raft/effects.ts'
import { entryBytes } from '../../machines/raft/log.ts'
import type { Entry, EntryId, LogIndex, Snapshot } from '../../machines/raft/messages.ts'
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

export class Change {
  readonly puts: { readonly key: Uint8Array; readonly value: Uint8Array }[] = []
  readonly removals: Uint8Array[] = []

  put(key: Uint8Array, value: Uint8Array): void {
    this.puts.push({ key, value: sealed(key, value) })
  }

  remove(key: Uint8Array): void {
    this.removals.push(key)
  }

  removeChunks(of: Snapshot | null): void {
    for (let at = 0; at < (of?.chunks ?? 0); at++) this.remove(chunkKey(of!, at))
  }
}

/** A piece of the log is cut where it has so many bytes: LMDB keeps each in one run of pages. */
const PIECE_BYTES_MAX = 256 * 1024

export class Changes {
  #base: LogIndex
  #last: number
  #own: Snapshot | null
  #receiving: Snapshot | null
  #leftovers: readonly Uint8Array[]
  /** The number of the first piece of the log, and the last index of each from there on. */
  #firstPiece: number
  #pieceEnds: number[]

  constructor({ persisted, leftovers, firstPiece, pieceEnds }: Found) {
    this.#base = persisted?.base.index ?? (0 as LogIndex)
    this.#last = this.#base + (persisted?.entries.length ?? 0)
    this.#own = persisted?.snapshot ?? null
    this.#receiving = persisted?.receiving?.snapshot ?? null
    this.#leftovers = leftovers
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
    do {
      const end = pieceEnd(entries, start)
      const piece = {
        from: (from + start) as LogIndex,
        entries: start === 0 && end === entries.length ? entries : entries.slice(start, end),
      }
      change.put(pieceKey(this.#firstPiece + this.#pieceEnds.length), encodePiece(piece))
      this.#pieceEnds.push(from + end - 1)
      start = end
    } while (start < entries.length)
    this.#last = from - 1 + entries.length
  }

  #writeSnapshot(write: SnapshotWrite, change: Change): void {
    switch (write.kind) {
      case 'chunk': {
        const { snapshot, chunk, data } = write
        if (chunk === 0) this.#drop(this.#receiving, snapshot, change)
        this.#receiving = snapshot
        change.put(chunkKey(snapshot, chunk), data)
        return change.put(RECEIVING_KEY, encodeReceiving({ snapshot, next: chunk + 1 }))
      }
      case 'install':
        this.#receiving = null
        change.remove(RECEIVING_KEY)
        this.#become(write.snapshot, change)
        return this.#compact(write.snapshot, change)
      case 'compact':
        return this.#compact(write.base, change)
    }
  }

  /** One chunk of a snapshot that this member takes. */
  ownChunk(snapshot: Snapshot, at: number, data: Uint8Array): Change {
    const change = new Change()
    change.put(chunkKey(snapshot, at), data)
    return change
  }

  /** All its chunks are there. Too late, where a newer one was installed meanwhile. */
  own(snapshot: Snapshot): Change {
    const change = new Change()
    if ((this.#own?.index ?? 0) < snapshot.index) this.#become(snapshot, change)
    else this.#drop(snapshot, this.#own, change)
    return change
  }

  #become(snapshot: Snapshot, change: Change): void {
    this.#drop(this.#own, snapshot, change)
    for (const key of this.#leftovers) change.remove(key)
    this.#leftovers = []
    this.#own = snapshot
    change.put(OWN_KEY, encodeSnapshot(snapshot))
  }

  /** The chunks of one, unless they are those of another too. */
  #drop(one: Snapshot | null, kept: Snapshot | null, change: Change): void {
    if (one?.checksum !== kept?.checksum || one?.index !== kept?.index) change.removeChunks(one)
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
