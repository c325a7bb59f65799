/** A member whose disk fails falls silent and stays so, without ticking on; the others go on without it. */
import { expect, it, vi } from 'vitest'
import { Identity } from '../../src/identity/keys.ts'
import { Chance } from '../../src/testing/chance.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { counter, createWorld, KEY } from '../nodes/world.ts'

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
  expect(warned).not.toHaveBeenCalled()
  expect((await world.until(sound!.execute({ add: 1 }))).result).toBe(2)
  warned.mockRestore()
  await world.stop()
})
