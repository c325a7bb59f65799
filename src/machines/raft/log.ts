/**
 * The log as a value (Raft §5.3): every version reads as if it could never change, and appending to the newest version
 * costs O(1) amortised.
 *
 * A version is a header over an array that versions share. Appending to the version that reaches the array's end pushes
 * in place, because no other version can see past its own length; appending to an older version copies first. So the
 * hot path never copies the log, and a checker that walks several futures of one state sees each of them apart.
 *
 * Invariants: terms never fall from one entry to the next; entry `offset + 1 + i` stands at place i of the array;
 * `baseTerm` is the term of entry `offset`, the last one compacted away (0 and term 0 while nothing is).
 */
import { assert } from '../../errors.ts'
import type { Entry, EntryId, LogIndex, Term } from './messages.ts'

/** What an entry weighs beside its command: head, tags and framing, roughly. */
const ENTRY_OVERHEAD_BYTES = 48
const MEMBER_BYTES = 34

/** An estimate of an entry's bytes on the wire and in memory, good enough for caps. */
export function entryBytes(entry: Entry): number {
  if (entry.kind === 'command') return ENTRY_OVERHEAD_BYTES + entry.command.length
  if (entry.kind !== 'configuration') return ENTRY_OVERHEAD_BYTES
  const { voters, learners } = entry.configuration
  return ENTRY_OVERHEAD_BYTES + MEMBER_BYTES * (voters.length + learners.length)
}

export function bytesOf(entries: readonly Entry[]): number {
  let bytes = 0
  for (const entry of entries) bytes += entryBytes(entry)
  return bytes
}

export interface Batch {
  readonly entries: readonly Entry[]
  readonly bytes: number
}

/** What a follower's log became. `from`: the first index that was written, null where all was there already. */
export interface Appended {
  readonly log: Log
  readonly from: LogIndex | null
  readonly written: readonly Entry[]
}

const EMPTY: Batch = { entries: [], bytes: 0 }
const BEGINNING: EntryId = { index: 0 as LogIndex, term: 0 as Term }

export class Log {
  /** Shared with other versions; only the first `length` belong to this one. */
  readonly #shared: Entry[]
  readonly length: number
  readonly offset: number
  readonly baseTerm: Term

  private constructor(shared: Entry[], length: number, offset: number, baseTerm: Term) {
    this.#shared = shared
    this.length = length
    this.offset = offset
    this.baseTerm = baseTerm
  }

  /** `base`: what the first of `entries` follows; the beginning of everything unless said. */
  static of(entries: readonly Entry[] = [], { index, term }: EntryId = BEGINNING): Log {
    return new Log([...entries], entries.length, index, term)
  }

  /** The entry before the first that is held. */
  get base(): EntryId {
    return { index: this.offset as LogIndex, term: this.baseTerm }
  }

  get lastIndex(): LogIndex {
    return (this.offset + this.length) as LogIndex
  }

  get lastTerm(): Term {
    return this.length === 0 ? this.baseTerm : this.#shared[this.length - 1]!.term
  }

  /** The term of the entry at `index`; undefined where this log does not reach, or no longer. */
  termAt(index: number): Term | undefined {
    if (index === this.offset) return this.baseTerm
    return this.entryAt(index)?.term
  }

  entryAt(index: number): Entry | undefined {
    const place = index - this.offset - 1
    return place >= 0 && place < this.length ? this.#shared[place] : undefined
  }

  /** Raft §5.3: does this log hold an entry at `prevIndex` with that term? */
  matches(prevIndex: number, prevTerm: Term): boolean {
    return this.termAt(prevIndex) === prevTerm
  }

  /** Raft §5.4.1: is a log that ends so at least as up to date as this one? */
  isNoNewerThan(lastIndex: LogIndex, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex)
  }

  append(entries: readonly Entry[]): Log {
    const first = entries[0]
    if (first === undefined) return this
    assert(first.term >= this.lastTerm, `an entry of term ${first.term} after one of term ${this.lastTerm}`)
    const shared = this.#shared.length === this.length ? this.#shared : this.#shared.slice(0, this.length)
    for (const entry of entries) shared.push(entry)
    return new Log(shared, this.length + entries.length, this.offset, this.baseTerm)
  }

  /**
   * Raft §5.3: continue after `prevIndex`, which must match. Only an entry that conflicts cuts the log: a late, shorter
   * AppendEntries must not take back what a newer one brought.
   */
  truncateAndAppend(prevIndex: LogIndex, entries: readonly Entry[]): Appended {
    let known = 0
    while (known < entries.length && this.entryAt(prevIndex + 1 + known)?.term === entries[known]!.term) known++
    if (known === entries.length) return { log: this, from: null, written: EMPTY.entries }
    const from = (prevIndex + 1 + known) as LogIndex
    const written = known === 0 ? entries : entries.slice(known)
    return { log: this.#upTo(from - 1).append(written), from, written }
  }

  #upTo(index: number): Log {
    if (index >= this.lastIndex) return this
    return new Log(this.#shared, index - this.offset, this.offset, this.baseTerm)
  }

  /** Raft §7: the log without what a snapshot up to `index` stands for. Copies the rest, which is little. */
  compactedTo(index: LogIndex): Log {
    const term = this.termAt(index)
    assert(term !== undefined, `entry ${index} is not there to be compacted`)
    return Log.of(this.between(index + 1, this.lastIndex), { index, term })
  }

  /** The index after which entries up to `to` are at most so many, with at most so many bytes: none before the log begins. */
  tailStart(to: LogIndex, bytesMax: number, entriesMax: number): LogIndex {
    let index = to as number
    let bytes = 0
    while (index > this.offset && to - index < entriesMax) {
      bytes += entryBytes(this.entryAt(index)!)
      if (bytes > bytesMax) break
      index--
    }
    return index as LogIndex
  }

  /** Entries from `from` on: as many as the caps allow, but one at least where there is one. */
  slice(from: LogIndex, bytesMax: number, entriesMax: number): Batch {
    let place = from - this.offset - 1
    if (place < 0 || place >= this.length) return EMPTY
    const entries: Entry[] = []
    let bytes = 0
    for (; place < this.length && entries.length < entriesMax; place++) {
      const entry = this.#shared[place]!
      const more = entryBytes(entry)
      if (entries.length > 0 && bytes + more > bytesMax) break
      entries.push(entry)
      bytes += more
    }
    return { entries, bytes }
  }

  /** Entries `from` to `to`, both included. */
  between(from: number, to: number): readonly Entry[] {
    return this.#shared.slice(from - this.offset - 1, Math.min(to - this.offset, this.length))
  }

  /**
   * The largest index up to `index` whose term is at most `term`. Follower and leader both use it after a mismatch, so a
   * probe skips a whole term of conflicts instead of one entry (Raft §5.3, end). Terms never fall, so halving finds it.
   */
  lastAtOrBelow(index: number, term: Term): LogIndex {
    let low = this.offset
    let high = Math.max(low, Math.min(index, this.lastIndex))
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (this.termAt(middle)! <= term) low = middle
      else high = middle - 1
    }
    return low as LogIndex
  }

  /** What an inspector shows: a summary, whatever the log's size. */
  toJSON(): { first: number; last: number; lastTerm: number } {
    return { first: this.offset + 1, last: this.lastIndex, lastTerm: this.lastTerm }
  }
}
