/**
 * What a disk has of files and folders while it is written, and what a crash may leave of that: no more than POSIX and a disk of whole
 * sectors promise.
 *
 * - A write under way has reached any of its sectors.
 * - Of each sector of a file the medium has what was flushed last, or what is there now.
 * - Of a folder the medium has the names of some moment since it was flushed last.
 *
 * Plain data that holds bytes which never change, so a copy is a disk of its own.
 */
import type { Chance } from '../../src/testing/chance.ts'

/** The smallest piece that a disk writes whole. */
const SECTOR_BYTES = 512

export interface File {
  now: Uint8Array
  flushed: Uint8Array
}

export interface Folder {
  /** What it named, from the last flush on; the last is what it names now. */
  readonly names: Names[]
}

export type Names = ReadonlyMap<string, File | Folder>

export interface Write {
  readonly file: File
  readonly at: number
  readonly bytes: Uint8Array
}

export interface Disk {
  readonly top: Folder
  readonly underWay: Set<Write>
}

const NOTHING = new Uint8Array()
export const blankFile = (): File => ({ now: NOTHING, flushed: NOTHING })
export const emptyFolder = (): Folder => ({ names: [new Map()] })
export const blankDisk = (): Disk => ({ top: emptyFolder(), underWay: new Set() })
export const namesIn = (folder: Folder): Names => folder.names.at(-1)!
export const isFolder = (node: File | Folder): node is Folder => 'names' in node

export function set(folder: Folder, name: string, node: File | Folder): void {
  folder.names.push(new Map([...namesIn(folder), [name, node]]))
}

export function remove(folder: Folder, name: string): void {
  folder.names.push(new Map([...namesIn(folder)].filter(([each]) => each !== name)))
}

/** At once: the folder has the one name or the other. */
export function rename(folder: Folder, from: string, to: string): void {
  const { [from]: node, ...others } = Object.fromEntries(namesIn(folder))
  folder.names.push(new Map(Object.entries({ ...others, [to]: node! })))
}

/** What is there when a flush begins; once it ends, the medium has it. */
export function flushing(node: File | Folder): () => void {
  if (isFolder(node)) {
    const names = namesIn(node)
    return () => void node.names.splice(0, node.names.indexOf(names))
  }
  const { now } = node
  return () => {
    node.flushed = now
  }
}

/** The bytes of the file once the write is through. */
export function after({ file, at, bytes }: Write): Uint8Array {
  const length = Math.max(file.now.length, at + bytes.length)
  const whole = new Uint8Array(length)
  whole.set(file.now)
  whole.set(bytes, at)
  return whole
}

/** The process ends; what it wrote is still to be seen. */
export function afterKill(disk: Disk, chance: Chance): Disk {
  const left = structuredClone(disk)
  for (const write of left.underWay)
    write.file.now = mixture(write.file.now, after(write), chance.oneOf([0.5, 1]), chance)
  left.underWay.clear()
  return left
}

/** All ends, and only what is on the medium is seen again. */
export function afterPowerCut(disk: Disk, chance: Chance): Disk {
  const { top, underWay } = afterKill(disk, chance)
  settle(top, chance)
  return { top, underWay }
}

function settle(node: File | Folder, chance: Chance): void {
  if (isFolder(node)) {
    const names = chance.oneOf(node.names)
    node.names.splice(0, node.names.length, names)
    for (const each of names.values()) settle(each, chance)
  } else {
    node.now = mixture(node.flushed, node.now, chance.oneOf([0, 0.5]), chance)
    node.flushed = node.now
  }
}

/** Whether the medium has all, whatever happens. */
export function isSettled({ top, underWay }: Disk): boolean {
  return underWay.size === 0 && isFlushed(top)
}

export function isFlushed(node: File | Folder): boolean {
  if (isFolder(node)) return node.names.length === 1 && [...namesIn(node).values()].every(isFlushed)
  return node.flushed === node.now
}

/** Each sector of what was written is there with this probability. */
function mixture(before: Uint8Array, written: Uint8Array, share: number, chance: Chance): Uint8Array {
  const mixed = new Uint8Array(chance.oneOf([before, written]).length)
  mixed.set(before.subarray(0, mixed.length))
  for (let at = 0; at < mixed.length; at += SECTOR_BYTES) {
    if (chance.flip(share)) mixed.set(written.subarray(at, Math.min(at + SECTOR_BYTES, mixed.length)), at)
  }
  return mixed
}

/** Every file by its path. */
export function filesOf(folder: Folder, path = ''): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  for (const [each, node] of namesIn(folder)) {
    const at = `${path}/${each}`
    if (!isFolder(node)) files.set(at, node.now)
    else for (const [file, bytes] of filesOf(node, at)) files.set(file, bytes)
  }
  return files
}
