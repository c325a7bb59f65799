import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RegistryView } from '../../src/actors/registry-view.ts'
import { TesseraError } from '../../src/errors.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import { createRegistry } from '../../src/machines/group/registry.ts'

const peer = (digits: string) => digits.repeat(32) as PeerId
const [A, B, C] = [peer('aa'), peer('bb'), peer('cc')]

describe('the registry', () => {
  it('starts empty', () => {
    const registry = createRegistry<string>()
    expect(registry.isEmpty).toBe(true)
    expect(registry.size).toBe(0)
    expect([...registry]).toEqual([])
    expect(registry.has(A)).toBe(false)
    expect(registry.get(A)).toBeUndefined()
  })

  it('iterates in peer-id order, whatever the order of arrival', () => {
    const registry = createRegistry<string>()
    for (const [id, handle] of [
      [C, 'c'],
      [A, 'a'],
      [B, 'b'],
    ] as const)
      registry.set(id, handle)
    expect([...registry]).toEqual([
      [A, 'a'],
      [B, 'b'],
      [C, 'c'],
    ])
  })

  it('behaves as a sorted map under any changes', () => {
    const change = fc.record({ id: fc.constantFrom(A, B, C, peer('0d')), handle: fc.option(fc.integer()) })
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        const registry = createRegistry<number>()
        const oracle = new Map<PeerId, number>()
        for (const { id, handle } of changes) {
          if (handle === null) registry.delete(id)
          else registry.set(id, handle)
          if (handle === null) oracle.delete(id)
          else oracle.set(id, handle)
        }
        expect([...registry]).toEqual([...oracle].sort(([a], [b]) => (a < b ? -1 : 1)))
        expect(registry.size).toBe(oracle.size)
        for (const id of [A, B, C])
          expect([registry.get(id), registry.has(id)]).toEqual([oracle.get(id), oracle.has(id)])
      }),
    )
  })

  it('counts a replaced bond as a change, and the removal of nobody as none', () => {
    const registry = createRegistry<string>()
    registry.set(A, 'old')
    const { version } = registry
    registry.delete(B)
    expect(registry.version).toBe(version)
    registry.set(A, 'new')
    expect(registry.version).toBe(version + 1)
    expect([...registry]).toEqual([[A, 'new']])
  })

  it('lets an iteration finish on what it began with', () => {
    const registry = createRegistry<string>()
    registry.set(A, 'a')
    registry.set(B, 'b')
    const seen: PeerId[] = []
    for (const [id] of registry) {
      seen.push(id)
      registry.delete(B)
    }
    expect(seen).toEqual([A, B])
  })

  it('tells its watchers until they have seen enough', () => {
    const registry = createRegistry<string>()
    const sizes: number[] = []
    const watching = registry.subscribe(() => void sizes.push(registry.size))
    registry.set(A, 'a')
    registry.delete(A)
    watching.unsubscribe()
    registry.set(B, 'b')
    expect(sizes).toEqual([1, 0])
  })
})

describe('a view of the registry', () => {
  const isSettled = async (promise: Promise<void>) =>
    Promise.race([promise.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))])

  it('waits for the next change', async () => {
    const registry = createRegistry<string>()
    const changed = new RegistryView(registry).changed()
    expect(await isSettled(changed)).toBe(false)
    registry.set(A, 'a')
    await changed
  })

  it('fault 12: misses no change that came between two looks', async () => {
    const registry = createRegistry<string>()
    const view = new RegistryView(registry)
    registry.set(A, 'a')
    await view.changed()
    registry.set(A, 'another')
    await view.changed()
    expect(await isSettled(view.changed())).toBe(false)
  })

  it('fault 12: keeps its changes from no other view, nor from two waits of its own', async () => {
    const registry = createRegistry<string>()
    const [one, other] = [new RegistryView(registry), new RegistryView(registry)]
    const waits = [one.changed(), one.changed(), other.changed()]
    registry.set(A, 'a')
    await Promise.all(waits)
  })

  it('does not take the removal of nobody for a change', async () => {
    const registry = createRegistry<string>()
    const changed = new RegistryView(registry).changed()
    registry.delete(A)
    expect(await isSettled(changed)).toBe(false)
  })

  it.each([true, false])('rejects `Aborted` (signal already fired: %s) and stops watching', async (already) => {
    const registry = createRegistry<string>()
    const giveUp = new AbortController()
    if (already) giveUp.abort()
    const changed = new RegistryView(registry).changed({ signal: giveUp.signal })
    giveUp.abort()
    await expect(changed).rejects.toThrow(TesseraError)
    await expect(changed).rejects.toMatchObject({ code: 'Aborted' })
    registry.set(A, 'a')
  })

  it('shows what the registry holds', () => {
    const registry = createRegistry<string>()
    const view = new RegistryView(registry)
    registry.set(A, 'a')
    expect([view.size, view.isEmpty, view.has(A), view.get(A), view.version]).toEqual([1, false, true, 'a', 1])
    expect([...view]).toEqual([[A, 'a']])
  })
})
