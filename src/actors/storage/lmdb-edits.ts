/** Edits of a store's records that LMDB has not got yet: the last for each key is what counts. */
import { hexOf } from '../../identity/hex.ts'
import type { Edit } from './lmdb-journal-format.ts'

interface Row {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Mutable; its one owner is the store. */
export class Edits {
  /** By the hex digits of the key, whose order is that of the keys. */
  readonly #last = new Map<string, Edit>()

  add(edits: readonly Edit[]): void {
    for (const edit of edits) this.#last.set(hexOf(edit.key), edit)
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
