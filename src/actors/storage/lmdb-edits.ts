/**
 * Edits of a store's records that LMDB has not got yet: the last for each key is what counts.
 *
 * They wait for as long as a file of the journal takes to fill, which is long enough to be taken for old by V8. So their values are put
 * into blocks that are used again and again, unless they are larger than one: each in memory of its own, they would be garbage that only a
 * collection of all there is takes away, and as many bytes of it as are written.
 */
import { hexOf } from '../../identity/hex.ts'
import type { Edit } from './lmdb-journal-format.ts'

interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

const BLOCK_BYTES = 128 * 1024

/** Mutable; its one owner is the store. */
export class Edits {
  /** By the hex digits of the key, whose order is that of the keys. */
  readonly #last = new Map<string, Edit>()
  readonly #blocks: Buffer[] = []
  /** How many of them are in use, and how much of the last of these. */
  #inUse = 0
  #used = BLOCK_BYTES

  add(edits: readonly Edit[]): void {
    for (const { key, value } of edits) this.#last.set(hexOf(key), { key, value: value && this.#kept(value) })
  }

  /** LMDB has them. */
  clear(): void {
    this.#last.clear()
    this.#blocks.length = this.#inUse
    this.#inUse = 0
    this.#used = BLOCK_BYTES
  }

  #kept(value: Uint8Array): Uint8Array {
    const { length } = value
    if (length > BLOCK_BYTES) return value
    if (this.#used + length > BLOCK_BYTES) {
      this.#blocks[this.#inUse++] ??= Buffer.allocUnsafeSlow(BLOCK_BYTES)
      this.#used = 0
    }
    const block = this.#blocks[this.#inUse - 1]!
    block.set(value, this.#used)
    this.#used += length
    return block.subarray(this.#used - length, this.#used)
  }

  get size(): number {
    return this.#last.size
  }

  at(key: Uint8Array): Edit | undefined {
    return this.#last.get(hexOf(key))
  }

  [Symbol.iterator](): Iterator<Edit> {
    return this.#last.values()
  }

  /** What `rows`, in the order of their keys, become. */
  *over(rows: Iterable<Row>): Generator<Row> {
    const edits = [...this.#last].sort(([a], [b]) => (a < b ? -1 : 1))
    let at = 0
    for (const row of rows) {
      const name = hexOf(row.key)
      while (at < edits.length && edits[at]![0] < name) yield* rowOf(edits[at++]![1])
      if (edits[at]?.[0] === name) yield* rowOf(edits[at++]![1])
      else yield row
    }
    while (at < edits.length) yield* rowOf(edits[at++]![1])
  }
}

function rowOf({ key, value }: Edit): Row[] {
  return value === null ? [] : [{ key, value }]
}
