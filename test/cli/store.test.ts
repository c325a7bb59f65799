import { describe, expect, it } from 'vitest'
import { type Store, type StoreCommand, store } from '../../src/cli/store.ts'

const at = (index: number) => ({ index, term: 1, timeMs: 0 })

function filled(entries: Record<string, string>): Store {
  const filledStore = store()
  let index = 0
  for (const [key, value] of Object.entries(entries)) filledStore.apply({ type: 'set', key, value }, at(++index))
  return filledStore
}

describe('the replicated store', () => {
  it('answers null for a key that was never set', () => {
    expect(store().query({ type: 'get', key: 'a' })).toBe(null)
  })

  it('gives each command the value the key had before', () => {
    const values = store()
    expect(values.apply({ type: 'set', key: 'a', value: '1' }, at(1))).toBe(null)
    expect(values.apply({ type: 'set', key: 'a', value: '2' }, at(2))).toBe('1')
    expect(values.apply({ type: 'delete', key: 'a' }, at(3))).toBe('2')
    expect(values.query({ type: 'get', key: 'a' })).toBe(null)
  })

  it('holds names that every object has as any other', () => {
    expect(store().query({ type: 'get', key: 'constructor' })).toBe(null)
    expect(filled({ constructor: '1' }).query({ type: 'get', key: 'constructor' })).toBe('1')
  })

  it.each([
    { type: 'set', key: 'a' },
    { type: 'set', key: 1, value: 'b' },
    { type: 'delete' },
    { type: 'increment', key: 'a' },
  ])('refuses %j of another member and stays as it was', (command) => {
    const values = filled({ a: '1' })
    expect(() => values.apply(command as unknown as StoreCommand, at(2))).toThrow()
    expect(values.query({ type: 'get', key: 'a' })).toBe('1')
  })

  it('is restored from its snapshot, and forgets what it held before', () => {
    const restored = filled({ gone: 'x' })
    restored.restore(filled({ a: '1', b: 'ünï' }).snapshot())
    expect(restored.query({ type: 'get', key: 'b' })).toBe('ünï')
    expect(restored.query({ type: 'get', key: 'gone' })).toBe(null)
    expect([...restored.snapshot()]).toEqual([...filled({ a: '1', b: 'ünï' }).snapshot()])
  })

  it('cuts a large snapshot into chunks below 1 MiB', () => {
    const large = filled(Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`key${n}`, 'x'.repeat(1_000)])))
    const chunks = [...large.snapshot()]
    expect(chunks.length).toBeGreaterThan(1)
    expect(Math.max(...chunks.map((chunk) => chunk.byteLength))).toBeLessThan(1024 * 1024)
    const restored = store()
    restored.restore(chunks)
    expect(restored.query({ type: 'get', key: 'key2999' })).toBe('x'.repeat(1_000))
  })
})
