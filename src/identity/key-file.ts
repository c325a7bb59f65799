/**
 * The key file of a fixed identity: one line, `tessera.ed25519:` and the 64 hex digits of the seed.
 *
 * It is written beside its place and linked into it, so the path holds a whole key or nothing, even after a crash; of two
 * processes that start at once, one key stands and both use it. An existing file is never changed: who loses a key loses
 * the member, so a file that looks wrong is left for a person to judge.
 */
import { constants, link, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { TesseraError } from '../errors.ts'
import { IDENTITY } from '../limits.ts'
import { crypto } from './crypto.ts'

const KEY_LINE = /^tessera\.ed25519:([0-9a-f]{64})\r?\n?$/
const GROUP_AND_OTHERS = 0o077

const hasCode = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException).code === code

const refusal = (path: string, why: string, cause?: unknown): TesseraError =>
  new TesseraError('InvalidKey', { detail: `${path} ${why}`, cause })

/** The 32-byte seed in the file at `path`, or null where there is no file. */
async function readSeed(path: string): Promise<Uint8Array | null> {
  const file = await open(path, constants.O_RDONLY).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return null
    throw refusal(path, 'cannot be read.', error)
  })
  if (file === null) return null
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw refusal(path, 'is not a file.')
    if (process.platform !== 'win32' && (stat.mode & GROUP_AND_OTHERS) !== 0) {
      const mode = (stat.mode & 0o777).toString(8)
      throw refusal(path, `is open to others (mode ${mode}); make it yours alone with chmod 600.`)
    }
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(IDENTITY.keyFileBytesMax),
      0,
      IDENTITY.keyFileBytesMax,
      0,
    )
    const hex = KEY_LINE.exec(buffer.toString('latin1', 0, bytesRead))?.[1]
    if (hex === undefined) throw refusal(path, 'does not hold a key: "tessera.ed25519:" and 64 hex digits.')
    return hexToBytes(hex)
  } finally {
    await file.close()
  }
}

/** Writes a whole new key beside `path` and links it there. A file that is there already stays as it is. */
async function createFile(path: string): Promise<void> {
  const beside = `${path}.${bytesToHex(crypto.randomBytes(8))}.new`
  const file = await open(beside, 'wx', 0o600)
  try {
    await file.writeFile(`tessera.ed25519:${bytesToHex(crypto.randomBytes(32))}\n`)
    await file.sync()
    await link(beside, path).catch((error: unknown) => {
      if (!hasCode(error, 'EEXIST')) throw error
    })
  } finally {
    await file.close()
    await unlink(beside)
  }
  await syncFolder(dirname(path))
}

/** The name of a new file is durable once its folder is. Windows cannot open folders, and needs no such step. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(path, constants.O_RDONLY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** The seed kept at `path`, made there first where there is no file. Throws `InvalidKey`, saying what is wrong. */
export async function readOrCreateSeed(path: string): Promise<Uint8Array> {
  const kept = await readSeed(path)
  if (kept !== null) return kept
  await createFile(path).catch((error: unknown) => {
    throw refusal(path, 'cannot be created.', error)
  })
  const created = await readSeed(path)
  if (created === null) throw refusal(path, 'is a link to nowhere.')
  return created
}
