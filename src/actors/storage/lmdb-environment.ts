/**
 * LMDB as this storage uses it, and the errors it gives.
 *
 * `lmdb` is loaded when the first store is opened, so that a process that keeps nothing needs no native code.
 *
 * `overlappingSync: false` is what makes a resolved promise mean "on the medium". With lmdb-js's default (`true`) a write resolves
 * once it is committed and visible, and the flush follows later (README, "Overlapping Sync Options"; write.js makes a
 * separate `flushPromise`). Without it `mdb_txn_commit` writes the pages, calls `mdb_env_sync0` (`fdatasync`), and only then writes
 * the meta page through a descriptor opened with `O_DSYNC` (mdb.c), all before the worker marks the transaction `TXN_COMMITTED`
 * (writer.cpp, `WriteWorker::Write`), which is what resolves the promise (write.js, `resolveCommit`).
 *
 * `eventTurnBatching: false` because this storage makes its own batches, and because with it lmdb-js keeps a second promise for each
 * batch that nobody can see: where a commit fails, its rejection would end the process as unhandled.
 */
import { createRequire } from 'node:module'
import type { RootDatabase } from 'lmdb'
import { TesseraError } from '../../errors.ts'

const require = createRequire(import.meta.url)

/** Keys and values are bytes. */
export type Environment = RootDatabase<Uint8Array, Uint8Array>

/** Opens or creates the environment in `folder`. Throws what LMDB throws. */
export function openEnvironment(folder: string): Environment {
  const { open } = require('lmdb') as typeof import('lmdb')
  return open<Uint8Array, Uint8Array>({
    path: folder,
    noSubdir: false,
    keyEncoding: 'binary',
    encoding: 'binary',
    overlappingSync: false,
    eventTurnBatching: false,
  })
}

export function refusal(detail: string, cause?: unknown): TesseraError {
  const why = cause instanceof Error ? ` (${cause.message})` : ''
  return new TesseraError('StorageFailed', { detail: `${detail}${why}`, cause })
}

/** A store that is not what was written. It is left as it is: what is in it may still be of use to a person. */
export function damage(what: string, cause?: unknown): TesseraError {
  return refusal(
    `The store is damaged: ${what}. Restore it from a copy, or move it away and come back with a new identity; ` +
      'the same identity with an empty store could vote twice.',
    cause,
  )
}
