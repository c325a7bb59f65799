/**
 * The log as a value (Raft §5.3): every version reads as if it could never change, and appending to the newest version
 * costs O(1) amortised.
 *
 * A version is a header over an array that versions share. Appending to the version that reaches the array's end pushes
 * in place, because no other version can see past its own length; appending to an older version copies first. So the
 * hot path never copies the log, and a checker that walks several futures of one state sees each of them apart.
 *
 * An entry of several commands takes an index for each of them, and is never cut in two: the log is versed in places, which hold an entry
 * each, and in indexes, of which it knows the last of each place.
 *
 * Invariants: terms never fall from one entry to the next; the entry at place i ends where `ends[i]` says and begins after the one before
 * it, the first after `offset`; `baseTerm` is the term of entry `offset`, the last one compacted away (0 and term 0 while nothing is).
 */
import { assert } from '../../errors.ts'
import { partitionPoint } from '../partition-point.ts'
import { type Entry, type EntryId, type LogIndex, spanOf, type Term } from './messages.ts'

/** What an entry weighs beside its command: head, tags and framing, roughly. */
const ENTRY_OVERHEAD_BYTES = 48
const MEMBER_BYTES = 34

/** An estimate of an entry's bytes on the wire and in memory, good enough for caps. */
export function entryBytes(entry: Entry): number {
  if (entry.kind === 'commands') return ENTRY_OVERHEAD_BYTES + entry.packed.length
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
  /** How many indexes they take. */
  readonly span: number
  readonly bytes: number
}

/** What a follower's log became. `from`: the first index that was written, null where all was there already. */
export interface Appended {
  readonly log: Log
  readonly from: LogIndex | null
  readonly written: readonly Entry[]
}

export const NO_ENTRIES: Batch = { entries: [], span: 0, bytes: 0 }
const BEGINNING: EntryId = { index: 0 as LogIndex, term: 0 as Term }

/** What versions of a log have in common; each sees no further than its own length. */
interface Shared {
  readonly entries: Entry[]
  /** Of the entry at the same place, the last index. */
  readonly ends: number[]
}

export class Log {
  readonly #shared: Shared
  /** How many entries are of this version. */
  readonly #length: number
  readonly offset: number
  readonly baseTerm: Term

  private constructor(shared: Shared, length: number, offset: number, baseTerm: Term) {
    this.#shared = shared
    this.#length = length
    this.offset = offset
    this.baseTerm = baseTerm
  }

  /** `base`: what the first of `entries` follows; the beginning of everything unless said. */
  static of(entries: readonly Entry[] = [], { index, term }: EntryId = BEGINNING): Log {
    const shared: Shared = { entries: [], ends: [] }
    extend(shared, entries, index)
    return new Log(shared, entries.length, index, term)
  }

  /** The entry before the first that is held. */
  get base(): EntryId {
    return { index: this.offset as LogIndex, term: this.baseTerm }
  }

  get lastIndex(): LogIndex {
    return this.#endOf(this.#length - 1) as LogIndex
  }

  get lastTerm(): Term {
    return this.#length === 0 ? this.baseTerm : this.#shared.entries[this.#length - 1]!.term
  }

  /** The term of the entry at `index`; undefined where this log does not reach, or no longer. */
  termAt(index: number): Term | undefined {
    if (index === this.offset) return this.baseTerm
    return this.entryAt(index)?.term
  }

  /** The entry that `index` belongs to. */
  entryAt(index: number): Entry | undefined {
    return index > this.offset && index <= this.lastIndex ? this.#shared.entries[this.#placeOf(index)] : undefined
  }

  /** Does an entry end at `index`, or did one before the log begins? */
  isEnd(index: number): boolean {
    return index <= this.offset || (index <= this.lastIndex && this.#endOf(this.#placeOf(index)) === index)
  }

  /** Raft §5.3: does this log hold an entry that ends at `prevIndex` with that term? */
  matches(prevIndex: number, prevTerm: Term): boolean {
    return this.termAt(prevIndex) === prevTerm && this.isEnd(prevIndex)
  }

  /** Raft §5.4.1: is a log that ends so at least as up to date as this one? */
  isNoNewerThan(lastIndex: LogIndex, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex)
  }

  append(entries: readonly Entry[]): Log {
    const first = entries[0]
    if (first === undefined) return this
    assert(first.term >= this.lastTerm, `an entry of term ${first.term} after one of term ${this.lastTerm}`)
    const shared = this.#ownEnd()
    extend(shared, entries, this.lastIndex)
    return new Log(shared, this.#length + entries.length, this.offset, this.baseTerm)
  }

  /** What may be extended: the array itself where this version reaches its end, else a copy. */
  #ownEnd(): Shared {
    const { entries, ends } = this.#shared
    if (entries.length === this.#length) return this.#shared
    return { entries: entries.slice(0, this.#length), ends: ends.slice(0, this.#length) }
  }

  /**
   * Raft §5.3: continue after `prevIndex`, which must match. Only an entry that conflicts cuts the log: a late, shorter
   * AppendEntries must not take back what a newer one brought.
   */
  truncateAndAppend(prevIndex: LogIndex, entries: readonly Entry[]): Appended {
    let known = 0
    let last = prevIndex as number
    while (known < entries.length && this.entryAt(last + 1)?.term === entries[known]!.term)
      last += spanOf(entries[known++]!)
    if (known === entries.length) return { log: this, from: null, written: NO_ENTRIES.entries }
    const written = known === 0 ? entries : entries.slice(known)
    return { log: this.#upTo(last).append(written), from: (last + 1) as LogIndex, written }
  }

  #upTo(index: number): Log {
    if (index >= this.lastIndex) return this
    return new Log(this.#shared, this.#placeAfter(index), this.offset, this.baseTerm)
  }

  /** Raft §7: the log without what a snapshot up to `index` stands for. Copies the rest, which is little. */
  compactedTo(index: LogIndex): Log {
    const term = this.termAt(index)
    assert(term !== undefined, `entry ${index} is not there to be compacted`)
    return Log.of(this.between(index + 1, this.lastIndex), { index, term })
  }

  /** The index after which entries up to `to` are at most so many, with at most so many bytes: none before the log begins. */
  tailStart(to: LogIndex, bytesMax: number, indexesMax: number): LogIndex {
    let start = to as number
    let bytes = 0
    for (let place = this.#placeAfter(to) - 1; place >= 0; place--) {
      const before = this.#endOf(place - 1)
      bytes += entryBytes(this.#shared.entries[place]!)
      if (bytes > bytesMax || to - before > indexesMax) break
      start = before
    }
    return start as LogIndex
  }

  /** Entries from `from` on, where one begins: as many as the caps allow, but one at least where there is one. */
  slice(from: LogIndex, bytesMax: number, entriesMax: number): Batch {
    if (from <= this.offset || from > this.lastIndex) return NO_ENTRIES
    const start = this.#placeAfter(from - 1)
    const entries: Entry[] = []
    let bytes = 0
    for (let place = start; place < this.#length && entries.length < entriesMax; place++) {
      const entry = this.#shared.entries[place]!
      const more = entryBytes(entry)
      if (entries.length > 0 && bytes + more > bytesMax) break
      entries.push(entry)
      bytes += more
    }
    return { entries, span: this.#endOf(start + entries.length - 1) - this.#endOf(start - 1), bytes }
  }

  /** Entries `from` to `to`, both included; one begins at `from`, and one ends at `to` or the log before it. */
  between(from: number, to: number): readonly Entry[] {
    if (from > to || from > this.lastIndex) return NO_ENTRIES.entries
    return this.#shared.entries.slice(this.#placeAfter(from - 1), this.#placeAfter(Math.min(to, this.lastIndex)))
  }

  /**
   * The largest index up to `index` where an entry ends whose term is at most `term`. Follower and leader both use it after a mismatch, so
   * a probe skips a whole term of conflicts instead of one entry (Raft §5.3, end). Terms never fall, so halving finds it.
   */
  lastAtOrBelow(index: number, term: Term): LogIndex {
    const ofTerm = partitionPoint(this.#length, (place) => this.#shared.entries[place]!.term <= term)
    const upTo = partitionPoint(this.#length, (place) => this.#endOf(place) <= index)
    return this.#endOf(Math.min(ofTerm, upTo) - 1) as LogIndex
  }

  /** What an inspector shows: a summary, whatever the log's size. */
  toJSON(): { first: number; last: number; lastTerm: number } {
    return { first: this.offset + 1, last: this.lastIndex, lastTerm: this.lastTerm }
  }

  /** The last index of the entry at `place`; of the one before the first, what the log begins after. */
  #endOf(place: number): number {
    return place < 0 ? this.offset : this.#shared.ends[place]!
  }

  /** Where the entry that `index` belongs to stands. Most questions are about the log's end. */
  #placeOf(index: number): number {
    const last = this.#length - 1
    if (index > this.#endOf(last - 1)) return last
    return partitionPoint(this.#length, (place) => this.#endOf(place) < index)
  }

  /** The place after that of the entry that ends at `index`. */
  #placeAfter(index: number): number {
    if (index === this.offset) return 0
    const place = this.#placeOf(index)
    assert(this.#endOf(place) === index, `no entry ends at ${index}`)
    return place + 1
  }
}

function extend({ entries, ends }: Shared, more: readonly Entry[], after: number): void {
  let end = after
  for (const entry of more) {
    entries.push(entry)
    end += spanOf(entry)
    ends.push(end)
  }
}
