/** A member that comes back on a clock that is behind its former one: what it says now must count for more than what it said then. */
import { expect, it } from 'vitest'
import type { NodeOptions } from '../../src/actors/options.ts'
import { Identity } from '../../src/identity/keys.ts'
import { Chance } from '../../src/testing/chance.ts'
import { ProcessClock } from '../../src/testing/process-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { counter, createWorld, KEY } from './world.ts'

it.each([
  ['asks at an address it knows', 'n1-again', {}],
  ['is found again before it has asked anyone', 'n1', { bootstrap: [] }],
] as const)('that %s: its new entry is taken for newer, and so is its departure', async (_, again, more) => {
  const world = createWorld(1)
  const identity = Identity.fromSeed(new Uint8Array(32).fill(9), 'fixed')
  const disk = new SimulatedDisk(new Chance(1), { min: 0, max: 1 })
  const options = { key: KEY, machine: counter(), voters: 2 }
  const other = await world.node('n0')
  const group = other.join(options)
  const start = async (name: string, skewMs: number, more: Partial<NodeOptions> = {}) => {
    const clock = new ProcessClock(world.clock, skewMs)
    const node = await world.node(name, { identity, clock, storage: disk.storage(clock), ...more })
    const joined = node.join({ ...options, machine: counter() })
    await world.until(joined.when.online())
    return { clock, node, joined }
  }

  const former = await start('n1', 0)
  former.clock.kill()
  disk.crash()
  world.network.crash('n1')
  const { incarnation } = other.peers.find(({ peer }) => peer === identity.peer)!

  const present = await start(again, -20_000, more)
  await world.clock.advance(3_000)
  const told = other.peers.find(({ peer }) => peer === identity.peer)
  expect(told).toMatchObject({ incarnation: incarnation + 1, addresses: [`memory://${again}`] })

  await world.until(present.joined.leave())
  await world.until(present.node.stop())
  await world.clock.advance(1_000)
  expect(other.peers).toEqual([])
  await world.until(group.leave())
  await world.until(other.stop())
})
