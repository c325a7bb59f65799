/**
 * The documents say what the code does: what is generated from it is up to date, and every file, symbol and test they name is
 * there. After a change of the code, `npx vitest run --project fast test/house/docs.test.ts -u` brings the generated parts up to date.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { BLOCKS, regenerated } from './doc-blocks.ts'

const ROOT = join(import.meta.dirname, '../..')
const DOCS = join(ROOT, 'docs')
const pages = readdirSync(DOCS, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.md'))
const textOf = (page: string): string => readFileSync(join(DOCS, page), 'utf8')

/** `src/errors.ts`, or `src/errors.ts#closeReasonOf`. */
const NAMED = /`((?:src|test|bench|tools|examples)\/[\w./-]+\.\w+)(?:#([\w.]+))?`/g
/** `test/raft/safety.test.ts`: *the name of a test*, *of another*, and *of a third* */
const CITED = /`(test\/[\w./-]+\.ts)`:((?:,? (?:and )?\*[^*]+\*)+)/g
const LINKED = /\]\(([^)#:]+)(?:#[\w-]*)?\)/g

/** What the documents say of `source` that it does not say itself. */
function missing(page: string): string[] {
  const text = textOf(page).replace(/\s+/g, ' ')
  const sourceOf = (path: string): string =>
    existsSync(join(ROOT, path)) ? readFileSync(join(ROOT, path), 'utf8') : ''
  const symbols = [...text.matchAll(NAMED)].filter(([, path = '', symbol]) => {
    const last = symbol?.split('.').at(-1)
    return !existsSync(join(ROOT, path)) || (last !== undefined && !new RegExp(`\\b${last}\\b`).test(sourceOf(path)))
  })
  const tests = [...text.matchAll(CITED)].flatMap(([, path = '', names = '']) =>
    [...names.matchAll(/\*([^*]+)\*/g)].filter(([, name = '']) => !sourceOf(path).includes(name)),
  )
  const links = [...text.matchAll(LINKED)].filter(([, to = '']) => !existsSync(join(DOCS, dirname(page), to)))
  return [...symbols, ...tests, ...links].map(([cited]) => cited)
}

describe.each(pages)('docs/%s', (page) => {
  it('is up to date in what is generated', async () => {
    await expect(regenerated(textOf(page))).toMatchFileSnapshot(join(DOCS, page))
  })

  it('names only files, symbols and tests that exist', () => {
    expect(missing(page)).toEqual([])
  })
})

it('every generated part stands in some document', () => {
  const all = pages.map(textOf).join()
  expect(Object.keys(BLOCKS).filter((name) => !all.includes(`<!-- generated: ${name} -->`))).toEqual([])
})

it('every dependency has its row in ADR 1, and every row a dependency', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >
  const rows = [...textOf('adr/0001-dependencies.md').matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name)
  expect(rows.sort()).toEqual([...Object.keys(dependencies), ...Object.keys(devDependencies)].sort())
})
