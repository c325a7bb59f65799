/** XState warns, in its development build, of events to actors that have ended. A normal life of a group causes none. */
import { afterEach, expect, it, vi } from 'vitest'
import { counter, KEY } from '../nodes/world.ts'
import { formed } from './rig.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

it.each([0, 1, 20])(
  'joining, executing, leaving and stopping sends nothing to an actor that ended (delay %i ms)',
  async (delayMs) => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    for (let seed = 1; seed <= 4; seed++) {
      const { world, leader, follower, nodeOf } = await formed(seed, { delayMs })
      await world.until(follower.executeMany([{ add: 1 }, { add: 2 }]))
      await world.until(follower.leave())
      const late = await world.node('late')
      const joined = late.join({ key: KEY, machine: counter(), voters: 3 })
      await world.until(joined.when.online())
      await world.until(joined.execute({ add: 1 }))
      await world.until(joined.leave())
      await world.until(nodeOf(leader).stop())
      await world.stop()
      // Nor does anybody have to hear of it.
      expect(world.warnings.filter((code) => code !== 'FormingBlocked' && code !== 'LinkClosed')).toEqual([])
    }
    expect(warn.mock.calls.map(([first]) => String(first).split('\n')[0])).toEqual([])
  },
)
