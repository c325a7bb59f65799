/** Members that are away for longer than their entries are shown, or kept, and guests that never come back. */
import { describe, expect, it } from 'vitest'
import type { Group } from '../../src/actors/group.ts'
import type { TesseraNode } from '../../src/actors/node.ts'
import { BOND, DISCOVERY } from '../../src/limits.ts'
import { counter, createWorld, KEY, type World } from './world.ts'

type CounterGroup = Group<ReturnType<typeof counter>>

/** Whoever is first in the world has nobody to ask, the others ask it. */
async function formed(world: World) {
  const nodes: TesseraNode[] = []
  for (const name of ['a', 'b', 'c']) nodes.push(await world.node(name))
  const groups = nodes.map((node) => node.join({ key: KEY, machine: counter(), voters: 3 }))
  await world.until(Promise.all(groups.map((group) => group.when.online())))
  return { nodes, groups }
}

const bonds = (groups: readonly CounterGroup[]) => groups.map((group) => [...group.bonds].length)
const known = (group: CounterGroup) => Object.keys(group.actor.getSnapshot().context.peers)

/** The longest pause between two redials, and what a dial and the handshake take. */
const redialledMs = BOND.redialMaxMs + 2 * BOND.handshakeStepTimeoutMs

function partition(world: World, nodes: readonly TesseraNode[], alone: number): void {
  const [self, others] = [nodes.filter((_, i) => i === alone), nodes.filter((_, i) => i !== alone)]
  world.network.partition([self, others].map((side) => side.flatMap(({ addresses }) => addresses)))
}

describe('a partition heals', () => {
  describe.each([
    DISCOVERY.hiddenAfterMs - 20_000,
    DISCOVERY.hiddenAfterMs + 100_000,
    DISCOVERY.purgedAfterMs + 300_000,
  ])('after %i ms', (lastedMs) => {
    it.each([
      ['a, which has nobody to ask', 0],
      ['b', 1],
      ['c', 2],
    ])('that cut off %s', async (_, alone) => {
      const world = createWorld(30 + alone)
      const { nodes, groups } = await formed(world)
      partition(world, nodes, alone)
      await world.clock.advance(lastedMs)
      expect(bonds(groups)).toEqual([0, 1, 2].map((one) => (one === alone ? 0 : 1)))
      world.network.healAll()
      await world.clock.advance(redialledMs)
      expect(bonds(groups)).toEqual([2, 2, 2])
      for (const group of groups) await world.until(group.execute({ add: 1 }))
      await world.stop()
    })
  })

  it.each([0, 1, 2])(
    'also where no bootstrap address answers any more, by redials of the members that the log names (%i)',
    async (alone) => {
      const world = createWorld(33 + alone)
      const seed = await world.node('seed')
      const { nodes, groups } = await formed(world)
      world.network.crash(seed.addresses[0]!)
      partition(world, nodes, alone)
      await world.clock.advance(DISCOVERY.purgedAfterMs + 300_000)
      expect(nodes[alone]!.peers).toEqual([])
      expect(known(groups[alone]!)).toHaveLength(2)
      world.network.healAll()
      await world.clock.advance(redialledMs)
      expect(bonds(groups)).toEqual([2, 2, 2])
      for (const group of groups) await world.until(group.execute({ add: 1 }))
      await world.stop()
    },
  )
})

describe('a guest that crashed', () => {
  it('is forgotten when its entry is, and nobody dials it any more', async () => {
    const world = createWorld(36)
    const { groups } = await formed(world)
    const guest = await world.node('guest')
    const joined = guest.join({ key: KEY, machine: counter(), voters: 3 })
    await world.until(joined.when.online())
    expect(groups.every((group) => known(group).includes(guest.id))).toBe(true)
    world.network.crash(guest.addresses[0]!)
    await world.clock.advance(DISCOVERY.purgedAfterMs + 2 * DISCOVERY.announceIntervalMs)
    for (const group of groups) {
      expect(group.members.map(({ peer }) => peer)).not.toContain(guest.id)
      expect(known(group)).not.toContain(guest.id)
      expect(known(group)).toHaveLength(2)
    }
    await world.stop()
  })
})
