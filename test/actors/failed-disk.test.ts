/** A member whose disk fails falls silent and stays so, without ticking on; the others go on without it. */
import { afterEach, expect, it, vi } from 'vitest'
import { Identity } from '../../src/identity/keys.ts'
import { Chance } from '../../src/testing/chance.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { counter, createWorld, KEY } from '../nodes/world.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

it('a failed sync ends one raft and nothing else', async () => {
  const world = createWorld(1)
  const disk = new SimulatedDisk(new Chance(1), { min: 0, max: 1 })
  const identity = Identity.fromSeed(new Uint8Array(32).fill(9), 'fixed')
  const nodes = [
    await world.node('n0'),
    await world.node('n1'),
    await world.node('n2', { identity, storage: disk.storage(world.clock) }),
  ]
  const groups = nodes.map((node) => node.join({ key: KEY, machine: counter(), voters: 3 }))
  const [sound, , broken] = groups
  await world.until(Promise.all(groups.map((group) => group.when.online())))
  const warned = vi.spyOn(console, 'warn')
  disk.weather.failsNext = true
  const { result } = await world.until(sound!.execute({ add: 1 }))
  await world.clock.advance(10_000)
  expect([result, broken!.status.role, world.warnings]).toEqual([1, 'failed', ['StorageFailed']])
  await expect(world.until(broken!.query('total', { timeoutMs: 1_000 }))).rejects.toMatchObject({
    code: 'DeadlineExceeded',
  })
  expect((await world.until(sound!.execute({ add: 1 }))).result).toBe(2)
  await world.stop()
  expect(warned).not.toHaveBeenCalled()
})

it.each(['its bonds end and come back', 'it leaves at once'])(
  'a raft that ended is sent nothing, when %s',
  async (what) => {
    const world = createWorld(2)
    const disk = new SimulatedDisk(new Chance(2), { min: 0, max: 1 })
    const identity = Identity.fromSeed(new Uint8Array(32).fill(9), 'fixed')
    const first = await world.node('n0', { identity, storage: disk.storage(world.clock) })
    const second = await world.node('n1')
    const [broken, sound] = [first, second].map((node) => node.join({ key: KEY, machine: counter(), voters: 2 }))
    await world.until(Promise.all([broken!.when.online(), sound!.when.online()]))
    await world.until(sound!.isLeader ? sound!.transferLeadership(first.id) : Promise.resolve(first.id))
    const warned = vi.spyOn(console, 'warn')
    disk.weather.failsNext = true
    await expect(world.until(broken!.execute({ add: 1 }, { timeoutMs: 1_000 }))).rejects.toThrow()
    expect(broken!.status.role).toBe('failed')
    if (what.startsWith('its bonds')) {
      world.network.cut('memory://n0', 'memory://n1')
      await world.clock.advance(20_000)
      world.network.healAll()
      await world.clock.advance(60_000)
    }
    await world.until(broken!.leave())
    await world.stop()
    expect(warned).not.toHaveBeenCalled()
  },
)
