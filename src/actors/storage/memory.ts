/**
 * `memory()`: remembers as long as the process lives, so that a group can be left and joined again with the votes that were given. A
 * process that comes back has forgotten them and must be a new member, so `createNode` allows it only with an ephemeral identity.
 */
import type { HardState } from '../../machines/raft/effects.ts'
import type { Entry } from '../../machines/raft/messages.ts'
import type { Storage } from './storage.ts'

interface Kept {
  hardState: HardState | null
  /** From index 1 on; the entries themselves are shared with the raft machine's log. */
  readonly entries: Entry[]
}

export function memory(): Storage {
  const stores = new Map<string, Kept>()
  return {
    durable: false,
    open: (group, self) => {
      const name = `${group} ${self}`
      const kept: Kept = stores.get(name) ?? { hardState: null, entries: [] }
      stores.set(name, kept)
      const { hardState, entries } = kept
      return {
        persisted: hardState && { hardState, entries: [...entries] },
        write: (write, done) => {
          kept.hardState = write.hardState ?? kept.hardState
          entries.length = write.from - 1
          for (const entry of write.entries) entries.push(entry)
          done(null)
        },
        close: async () => {},
      }
    },
  }
}
