/**
 * What LMDB leaves to others on the way to the medium.
 *
 * - Names: LMDB flushes the files it makes, never the folders that name them, and a file without a name is lost.
 * - macOS: there `O_DSYNC`, which LMDB's last write of each transaction relies on, ends in the drive's cache. Only
 *   `F_FULLFSYNC` goes further (fsync(2) of macOS), and that is what Node's `fsync` does.
 */
import { closeSync, fsync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'

/** The drive under one file. */
export class Drive {
  readonly #file: number | null

  constructor(path: string) {
    this.#file = process.platform === 'darwin' ? openSync(path, 'r') : null
  }

  /** What was written to the file with `O_DSYNC` is on the medium. */
  async flush(): Promise<void> {
    if (this.#file !== null) await flush(this.#file)
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file)
  }
}

/** The same at once, for a store that is being opened. */
export function flushDriveSync(path: string): void {
  if (process.platform === 'darwin') flushFileSync(path, 'r')
}

/** What was written to the file, by whomever, is on the medium; some systems want it opened for writing. */
export function flushFileSync(path: string, flags: 'r' | 'r+'): void {
  const file = openSync(path, flags)
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** All that was written to the file is on the medium. */
export const flush: (file: number) => Promise<void> = promisify(fsync)

/** A file that is there whole or not at all. Its folder is still to be synced. */
export function writeFileDurably(path: string, content: string | Uint8Array): void {
  const beside = `${path}.new`
  const file = openSync(beside, 'w', 0o600)
  try {
    writeFileSync(file, content)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(beside, path)
}

/** The names in each folder from `folder` up to `top`. */
export function syncFolders(folder: string, top: string): void {
  for (let each = folder; ; each = dirname(each)) {
    syncFolder(each)
    if (each === top || each === dirname(each)) return
  }
}

/** The names in one folder. Windows cannot open folders, and needs no such step. */
export function syncFolder(path: string): void {
  if (process.platform === 'win32') return
  try {
    flushFileSync(path, 'r')
  } catch (error) {
    // A folder one may only pass through is a system's, not one that was just made.
    const { code, syscall } = error as NodeJS.ErrnoException
    if (code !== 'EACCES' || syscall !== 'open') throw error
  }
}

/** The same for a folder of our own, without waiting for it here. */
export async function syncFolderSoon(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = openSync(path, 'r')
  try {
    await flush(folder)
  } finally {
    closeSync(folder)
  }
}
