/**
 * `memory()`: remembers as long as the process lives, so that a group can be left and joined again with the votes that were given. A
 * process that comes back has forgotten them and must be a new member, so `createNode` allows it only with an ephemeral identity.
 */
import { chunkOf, type Kept, keep, keepOwn, nothingKept, persistedOf } from './kept.ts'
import type { Storage } from './storage.ts'

export function memory(): Storage {
  const stores = new Map<string, Kept>()
  return {
    durable: false,
    open: (group, self) => {
      const name = `${group} ${self}`
      const kept = stores.get(name) ?? nothingKept()
      stores.set(name, kept)
      return {
        persisted: persistedOf(kept),
        write: (write, done) => {
          keep(kept, write)
          done(null)
        },
        save: (snapshot, chunks, done) => {
          keepOwn(kept, snapshot, chunks)
          done(null)
        },
        chunk: (index, at) => chunkOf(kept, index, at),
        close: async () => {},
      }
    },
  }
}
