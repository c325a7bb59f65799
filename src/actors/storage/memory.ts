/**
 * `memory()`: keeps nothing beyond the raft machine's own log. A process that comes back has forgotten its votes and must be a
 * new member, so `createNode` allows it only with an ephemeral identity.
 */
import type { Storage } from './storage.ts'

export function memory(): Storage {
  return {
    durable: false,
    open: () => ({
      persisted: null,
      write: (_write, done) => done(null),
      close: async () => {},
    }),
  }
}
