/**
 * The folder a demo keeps its data in: the secret of its group, and for each node a folder with its identity and its log. One that is
 * given lasts, so that the same group can be started again; one that is not is temporary.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { TesseraError } from '../errors.ts'

export interface DemoData {
  readonly folder: string
  /** 32 bytes in hex: the same each time a folder is opened. */
  readonly secret: string
  /** To be called when no process uses it any more; removes only what is temporary. */
  discard(): void
}

/** Throws `InvalidOption` where the folder cannot be used. */
export function openDemoData(given: string | undefined): DemoData {
  try {
    const folder = given === undefined ? mkdtempSync(join(tmpdir(), 'tessera-')) : resolve(given)
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const secret = keptSecret(join(folder, 'group.key'))
    return {
      folder,
      secret,
      discard: () => {
        if (given === undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
      },
    }
  } catch (cause) {
    if (cause instanceof TesseraError) throw cause
    throw new TesseraError('InvalidOption', { detail: `The folder for data cannot be used: ${given}`, cause })
  }
}

function keptSecret(path: string): string {
  try {
    writeFileSync(path, `${randomBytes(32).toString('hex')}\n`, { flag: 'wx', mode: 0o600 })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
  }
  const secret = readFileSync(path, 'utf8').trim()
  if (/^[0-9a-f]{64}$/.test(secret)) return secret
  throw new TesseraError('InvalidOption', { detail: `${path} does not hold the secret of a group.` })
}
