/** The planted bugs: each has its place in the source, and none is in it. That they are found is shown by `npm run simulate -- --bugs`. */
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { folderOf, planted } from '../../tools/plant.ts'
import { PLANTED_BUGS } from '../../tools/planted-bugs.ts'

const textOf = (file: string) => readFile(new URL(`../../src/${file}`, import.meta.url), 'utf8')

it('there are enough of them, each with a name of its own', () => {
  expect(PLANTED_BUGS.length).toBeGreaterThanOrEqual(25)
  expect(new Set(PLANTED_BUGS.map(({ bug }) => folderOf(bug))).size).toBe(PLANTED_BUGS.length)
})

describe.each(PLANTED_BUGS)('$bug', (bug) => {
  it('has its place in the source, exactly once, and is not there yet', async () => {
    const text = await textOf(bug.file)
    const wrong = planted(text, bug)
    expect(wrong).not.toBe(text)
    const grown = [bug, ...(bug.also ? [bug.also] : [])].map(({ find, replace }) => replace.length - find.length)
    expect(wrong.length - text.length).toBe(grown.reduce((sum, one) => sum + one))
  })
})

it('a place that is not there, or is there twice, is refused', () => {
  const bug = { bug: 'any', file: 'any.ts', find: 'a', replace: 'b' }
  expect(planted('xax', bug)).toBe('xbx')
  expect(() => planted('xxx', bug)).toThrow(RangeError)
  expect(() => planted('aa', bug)).toThrow(RangeError)
})
