/**
 * A disk whose power may be cut: what a store asks of Node and of LMDB is done to a folder of the real file system, and to a model
 * (medium.ts) of what the medium has of it. What takes time goes on when `proceed` lets it, so a run depends on its chance alone.
 *
 * A test mocks `node:fs` by `nodeFs`, and has each environment `watched`. LMDB is taken at its word: the medium has a transaction once it is over, and
 * nothing of it before.
 */
import { basename, dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { vi } from 'vitest'
import type { Environment } from '../../src/actors/storage/lmdb-environment.ts'
import type { Chance } from '../../src/testing/chance.ts'
import {
  after,
  blankFile,
  type Disk,
  emptyFolder,
  type File,
  type Folder,
  filesOf,
  flushing,
  isFlushed,
  isFolder,
  namesIn,
  remove,
  rename,
  set,
} from './medium.ts'

const fs = await vi.importActual<typeof import('node:fs')>('node:fs')
/** Neither says anything to whoever comes later. */
const [LOCK, LEASE] = ['lock.mdb', 'lease'] as const
const { O_DSYNC, O_TRUNC } = fs.constants

interface Descriptor {
  readonly name: string
  readonly node: File | Folder
  /** Whether the medium has a write once it ends. */
  readonly through: boolean
}

/** The one that is in use. */
let disk: PoweredDisk

export class PoweredDisk {
  readonly model: Disk
  readonly #root: string
  readonly #chance: Chance
  readonly #changed: (by: string) => void
  readonly #open = new Map<number, Descriptor>()
  readonly #waiting: (() => void)[] = []

  /** `root`: an empty folder, which comes to hold what `model` does. `changed` is called whenever that has changed. */
  constructor(root: string, model: Disk, chance: Chance, changed: (by: string) => void) {
    this.model = model
    this.#root = root
    this.#chance = chance
    this.#changed = changed
    put(model.top, root)
    disk = this
  }

  path(name: string): string {
    return join(this.#root, name)
  }

  /** Files that one of the two has, and the other not, or not so: there should be none. */
  strays(): string[] {
    const model = filesOf(this.model.top)
    const real = fs
      .readdirSync(this.#root, { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile() && basename(each.parentPath) !== LEASE)
      .map(({ parentPath, name }) => join(parentPath, name).slice(this.#root.length))
    return [...new Set([...real, ...model.keys()])].filter((path) => {
      if (basename(path) === LOCK) return false
      return !real.includes(path) || !model.has(path) || !fs.readFileSync(this.path(path)).equals(model.get(path)!)
    })
  }

  get isBusy(): boolean {
    return this.#waiting.length > 0
  }

  /** Lets some call go on. */
  async proceed(): Promise<void> {
    const [next] = this.#waiting.splice(this.#chance.below(this.#waiting.length), 1)
    next?.()
    await setImmediate()
  }

  takesTime(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Null where there is none. */
  #at(path: string): File | Folder | null {
    if (path === this.#root) return this.model.top
    const parent = path.length > this.#root.length ? this.#at(dirname(path)) : null
    return (parent && isFolder(parent) && namesIn(parent).get(basename(path))) || null
  }

  #folderOf(path: string): Folder {
    return this.#at(dirname(path)) as Folder
  }

  makeFolder(path: string): void {
    if (this.#at(path)) return
    this.makeFolder(dirname(path))
    set(this.#folderOf(path), basename(path), emptyFolder())
    this.#changed(`mkdir ${basename(path)}`)
  }

  makeFile(path: string): File {
    const there = this.#at(path)
    if (there) return there as File
    const file = blankFile()
    set(this.#folderOf(path), basename(path), file)
    this.#changed(`create ${basename(path)}`)
    return file
  }

  open(descriptor: number, path: string, flags: string | number): void {
    const node = this.#at(path) ?? this.makeFile(path)
    const isCut = flags === 'w' || (typeof flags === 'number' && (flags & O_TRUNC) > 0)
    if (isCut && !isFolder(node)) node.now = new Uint8Array()
    this.#open.set(descriptor, {
      name: isFolder(node) ? 'a folder' : basename(path),
      node,
      through: typeof flags === 'number' && (flags & O_DSYNC) > 0,
    })
  }

  close(descriptor: number): void {
    this.#open.delete(descriptor)
  }

  /** Returns how the write ends. */
  write(descriptor: number, bytes: Uint8Array, at: number): () => void {
    const { name, node, through } = this.#open.get(descriptor)!
    const write = { file: node as File, bytes: Uint8Array.from(bytes), at }
    this.model.underWay.add(write)
    this.#changed(`begin to write ${name}`)
    return () => {
      write.file.now = after(write)
      if (through) write.file.flushed = write.file.now
      this.model.underWay.delete(write)
      this.#changed(`write ${name}`)
    }
  }

  /** Returns how the flush ends. */
  flush(descriptor: number): () => void {
    const { name, node } = this.#open.get(descriptor)!
    const end = flushing(node)
    return () => {
      end()
      this.#changed(`flush ${name}`)
    }
  }

  /** What is renamed into place is on the medium already, so that the name never stands for less. */
  rename(from: string, to: string): void {
    if (!isFlushed(this.#at(from)!)) throw new Error(`${basename(from)} gets its name before the medium has it`)
    rename(this.#folderOf(from), basename(from), basename(to))
    this.#changed(`rename to ${basename(to)}`)
  }

  remove(path: string): void {
    const folder = this.#folderOf(path)
    if (!folder || !namesIn(folder).has(basename(path))) return
    remove(folder, basename(path))
    this.#changed(`remove ${basename(path)}`)
  }

  /** LMDB has finished a transaction in this folder. */
  committed(folder: string): void {
    const path = join(folder, 'data.mdb')
    const file = this.makeFile(path)
    file.now = file.flushed = Uint8Array.from(fs.readFileSync(path))
    this.#changed('commit')
  }
}

function put(folder: Folder, path: string): void {
  for (const [each, node] of namesIn(folder)) {
    const at = join(path, each)
    if (!isFolder(node)) fs.writeFileSync(at, node.now)
    else {
      fs.mkdirSync(at)
      put(node, at)
    }
  }
}

const inTime = <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
  Object.assign(() => {}, { [promisify.custom]: call })

export const nodeFs = {
  ...fs,
  mkdirSync(path: string, options: { readonly recursive: true; readonly mode: number }): void {
    fs.mkdirSync(path, options)
    disk.makeFolder(path)
  },
  openSync(path: string, flags: string | number, mode?: number): number {
    const descriptor = fs.openSync(path, flags, mode)
    disk.open(descriptor, path, flags)
    return descriptor
  },
  closeSync(descriptor: number): void {
    disk.close(descriptor)
    fs.closeSync(descriptor)
  },
  writeFileSync(descriptor: number, content: string | Uint8Array): void {
    const end = disk.write(descriptor, Buffer.from(content as string), 0)
    fs.writeFileSync(descriptor, content)
    end()
  },
  fsyncSync(descriptor: number): void {
    disk.flush(descriptor)()
  },
  renameSync(from: string, to: string): void {
    disk.rename(from, to)
    fs.renameSync(from, to)
  },
  rmSync(path: string, options?: { readonly recursive: boolean; readonly force: boolean }): void {
    fs.rmSync(path, options)
    disk.remove(path)
  },
  write: inTime(async (descriptor: number, bytes: Uint8Array, offset: number, length: number, position: number) => {
    const end = disk.write(descriptor, bytes.subarray(offset, offset + length), position)
    await disk.takesTime()
    const bytesWritten = fs.writeSync(descriptor, bytes, offset, length, position)
    end()
    await disk.takesTime()
    return { bytesWritten }
  }),
  fsync: inTime(async (descriptor: number) => {
    const end = disk.flush(descriptor)
    await disk.takesTime()
    end()
  }),
  rename: inTime(async (from: string, to: string) => {
    await disk.takesTime()
    nodeFs.renameSync(from, to)
  }),
}

/** What takes its time in LMDB as it is takes it here. */
export function watched(environment: Environment, folder: string): Environment {
  if (basename(folder) === LEASE) return environment
  const transactionSync = environment.transactionSync.bind(environment)
  disk.makeFolder(folder)
  for (const file of [LOCK, 'data.mdb']) disk.makeFile(join(folder, file))
  return Object.assign(environment, {
    transactionSync<Result>(action: () => Result): Result {
      const result = transactionSync(action)
      disk.committed(folder)
      return result
    },
    async batch(action: () => void): Promise<boolean> {
      await disk.takesTime()
      environment.transactionSync(action)
      await disk.takesTime()
      return true
    },
  })
}
