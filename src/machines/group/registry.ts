/**
 * The registry of steady bonds: peer id to handle, in peer-id order, on an `@xstate/store`, so that it is cheap to read and can be
 * watched. `version` grows with every change, also when a handle is replaced by another for the same peer; whoever compares it
 * between two looks misses nothing (SEMANTICS §3, §7 fault 12).
 */
import { createStore } from '@xstate/store'
import type { PeerId } from '../../identity/keys.ts'
import { partitionPoint } from '../partition-point.ts'

type Row<Handle> = readonly [PeerId, Handle]

interface Book<Handle> {
  readonly version: number
  readonly rows: readonly Row<Handle>[]
}

/** What a reader of the registry has. */
export interface ReadonlyRegistry<Handle> extends Iterable<Row<Handle>> {
  readonly size: number
  readonly isEmpty: boolean
  readonly version: number
  has(peer: PeerId): boolean
  get(peer: PeerId): Handle | undefined
  /** Called after each change. */
  subscribe(watcher: () => void): { unsubscribe(): void }
}

export interface Registry<Handle> extends ReadonlyRegistry<Handle> {
  set(peer: PeerId, handle: Handle): void
  delete(peer: PeerId): void
}

/** Where `peer` stands or would stand in the rows. */
function placeOf(rows: readonly Row<unknown>[], peer: PeerId): { readonly at: number; readonly found: boolean } {
  const at = partitionPoint(rows.length, (place) => rows[place]![0] < peer)
  return { at, found: rows[at]?.[0] === peer }
}

function withRow<Handle>({ version, rows }: Book<Handle>, peer: PeerId, handle: Handle): Book<Handle> {
  const { at, found } = placeOf(rows, peer)
  return { version: version + 1, rows: rows.toSpliced(at, found ? 1 : 0, [peer, handle]) }
}

function withoutRow<Handle>(book: Book<Handle>, peer: PeerId): Book<Handle> {
  const { at, found } = placeOf(book.rows, peer)
  return found ? { version: book.version + 1, rows: book.rows.toSpliced(at, 1) } : book
}

export function createRegistry<Handle>(): Registry<Handle> {
  const store = createStore({
    context: { version: 0, rows: [] } as Book<Handle>,
    on: {
      set: (book, { peer, handle }: { peer: PeerId; handle: Handle }) => withRow(book, peer, handle),
      delete: (book, { peer }: { peer: PeerId }) => withoutRow(book, peer),
    },
  })
  const book = (): Book<Handle> => store.getSnapshot().context
  const find = (peer: PeerId): Row<Handle> | undefined => {
    const { rows } = book()
    const { at, found } = placeOf(rows, peer)
    return found ? rows[at] : undefined
  }
  return {
    get size() {
      return book().rows.length
    },
    get isEmpty() {
      return book().rows.length === 0
    },
    get version() {
      return book().version
    },
    has: (peer) => find(peer) !== undefined,
    get: (peer) => find(peer)?.[1],
    subscribe: (watcher) => store.subscribe(() => watcher()),
    set: (peer, handle) => store.trigger.set({ peer, handle }),
    delete: (peer) => store.trigger.delete({ peer }),
    [Symbol.iterator]: () => book().rows[Symbol.iterator](),
  }
}
