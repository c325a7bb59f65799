import { describe, expect, it } from 'vitest'
import { Coverage } from '../model/coverage.ts'
import { INPUTS, inert, pathsOf, UNTICKETED } from './paths.ts'

describe('the bond’s chart, walked by its model', () => {
  const coverage = new Coverage(inert)

  it.each(Object.entries({ ...INPUTS, ...UNTICKETED }))('a real actor goes where the model says: %s', (_, input) => {
    const paths = pathsOf(input)
    expect(paths.length).toBeGreaterThan(10)
    for (const path of paths) {
      coverage.walk(path, input, (snapshot, step) => {
        const expected = path.steps[step]?.state
        if (expected) expect(snapshot.value).toEqual(expected.value)
      })
    }
  })

  it('comes to rest in every state', () => {
    expect(coverage.unreached()).toEqual([])
  })

  it('takes every transition', () => {
    expect(coverage.uncovered()).toEqual([])
  })
})
