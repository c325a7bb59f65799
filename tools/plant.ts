/** Builds copies of the source with one planted bug each, below `build/bugs`, in a folder of this process's own. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { PlantedBug } from './planted-bugs.ts'

/** The text of the bug's file with the bug in it. Throws where a place of it does not stand there exactly once. */
export function planted(text: string, { bug, file, find, replace, also }: PlantedBug): string {
  return [{ find, replace }, ...(also ? [also] : [])].reduce((wrong, place) => {
    const count = wrong.split(place.find).length - 1
    if (count !== 1) throw new RangeError(`${bug}: its place stands ${count} times in ${file}.`)
    return wrong.replace(place.find, () => place.replace)
  }, text)
}

export function folderOf(bug: string): string {
  return bug.replaceAll(/[^a-z]+/gi, '-')
}

export interface Planted {
  /** The URL of each bug's simulation module, in the order of the bugs. */
  readonly modules: readonly string[]
  /** All copies are gone. */
  readonly remove: () => void
}

export function plantAll(root: string, bugs: readonly PlantedBug[]): Planted {
  const target = join(root, 'build', 'bugs', String(process.pid))
  const remove = (): void => rmSync(target, { recursive: true, force: true })
  remove()
  for (const one of bugs) {
    const source = join(target, 'source', folderOf(one.bug), 'src')
    mkdirSync(source, { recursive: true })
    cpSync(join(root, 'src'), source, { recursive: true })
    const path = join(source, one.file)
    writeFileSync(path, planted(readFileSync(path, 'utf8'), one))
  }
  compile(root, target)
  const moduleOf = ({ bug }: PlantedBug): string =>
    pathToFileURL(join(target, 'out', folderOf(bug), 'src', 'testing', 'simulation.js')).href
  return { modules: bugs.map(moduleOf), remove }
}

/** All at once; types were checked before, and a bug need not please them. */
function compile(root: string, target: string): void {
  const options = {
    noCheck: true,
    noEmit: false,
    incremental: false,
    declaration: false,
    sourceMap: false,
    rootDir: 'source',
    outDir: 'out',
  }
  const settings = { extends: join(root, 'tsconfig.json'), compilerOptions: options, include: ['source'] }
  const path = join(target, 'tsconfig.json')
  writeFileSync(path, JSON.stringify(settings))
  execFileSync(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', path], {
    stdio: ['ignore', 2, 2],
  })
}
