/** Minutes without a quorum, under load: what waits is bounded, what does not fit is handed back, and nothing that waited is done twice. */
import { describe, expect, it } from 'vitest'
import { RAFT } from '../../src/limits.ts'
import { type Machine, Machines } from './machine.ts'
import { createWorld } from './world.ts'

const MINUTES = 5
const BYTES = 64 * 1024

describe('a leader that lost its quorum for minutes under load', () => {
  it('holds no more than its caps, hands back what is too much, and goes on once the others are back', async () => {
    const world = createWorld(1)
    const machines = await Machines.formed(world, 3, 1)
    await machines.add(3)
    const { leader, followers } = machines
    for (const follower of followers) follower.kill()
    const outcomes = new Map<string, number>()
    const held: number[] = []
    for (let passed = 0; passed < MINUTES * 60_000; passed += 1_000) {
      for (let some = 0; some < 50; some++) load(leader, outcomes)
      await world.clock.advance(1_000)
      const { log, uncommittedBytes } = leader.raft.getSnapshot().context
      expect(uncommittedBytes).toBeLessThanOrEqual(RAFT.uncommittedBytesMax + RAFT.waitingBytesMax)
      held.push(log.lastIndex)
    }
    // 3 MB a second would be a gigabyte by now: of the log nothing is added once nobody leads, and calls end at their deadline.
    expect(new Set(held.slice(10)).size).toBe(1)
    expect([...outcomes.keys()].sort()).toEqual(['DeadlineExceeded'])
    for (const follower of followers) await machines.start(follower)
    await machines.add(1, leader)
    const [total] = await machines.totals()
    expect(total).toBeGreaterThanOrEqual(4)
    expect(await machines.totals()).toEqual([total, total, total])
    await machines.stop()
  })

  it('refuses Busy past the bytes that may wait, with the command, before it takes them', async () => {
    const world = createWorld(2)
    const machines = await Machines.formed(world, 3, 2)
    const { leader, followers } = machines
    for (const follower of followers) follower.kill()
    const command = { add: 1, padding: 'x'.repeat(1_000_000) }
    const calls = Array.from({ length: 80 }, () => leader.group.execute(command).catch((error: unknown) => error))
    await world.clock.advance(20_000)
    const errors = (await Promise.all(calls)) as { code: string; command: unknown; retryable: boolean }[]
    const busy = errors.filter(({ code }) => code === 'Busy')
    expect(busy.length).toBe(80 - Math.floor(RAFT.waitingBytesMax / 1_000_030))
    for (const error of busy) expect(error).toMatchObject({ retryable: true, command })
    await machines.stop()
  })
})

function load({ group }: Machine, outcomes: Map<string, number>): void {
  const command = { add: 1, padding: 'x'.repeat(BYTES) }
  group.execute(command).catch(({ code }: { code: string }) => outcomes.set(code, (outcomes.get(code) ?? 0) + 1))
}
