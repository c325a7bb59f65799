/** A simulated process's clock, and what a node makes of a clock that somebody sets. */
import { describe, expect, it } from 'vitest'
import type { TesseraNode } from '../../src/actors/node.ts'
import { ProcessClock } from '../../src/testing/process-clock.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import { counter, createWorld, KEY } from '../nodes/world.ts'

const HOUR_MS = 3_600_000

describe('the clock of a simulated process', () => {
  it('jumps in what it tells, not in what it measures or has under way', async () => {
    const world = new SimulatedClock(HOUR_MS)
    const clock = new ProcessClock(world, 0)
    const fired: number[] = []
    clock.setTimeout(() => fired.push(clock.monotonicMs() - HOUR_MS), 100)
    clock.skewMs = -HOUR_MS
    await world.advance(100)
    expect([clock.now(), fired]).toEqual([100, [100]])
  })

  it('holds everything back while it is stopped, and lets it go in order', async () => {
    const world = new SimulatedClock(0)
    const clock = new ProcessClock(world, 0)
    const fired: string[] = []
    clock.setTimeout(() => fired.push('first'), 10)
    clock.setTimeout(() => fired.push('second'), 20)
    const cancelled = clock.setTimeout(() => fired.push('cancelled'), 15)
    clock.stop(1_000)
    await world.advance(999)
    clock.clearTimeout(cancelled)
    expect(fired).toEqual([])
    await world.advance(1)
    expect(fired).toEqual(['first', 'second'])
  })

  it('runs nothing of a process that was killed', async () => {
    const world = new SimulatedClock(0)
    const clock = new ProcessClock(world, 0)
    const fired: string[] = []
    clock.setTimeout(() => fired.push('before'), 10)
    clock.kill()
    clock.endOfTurn(() => fired.push('after'))
    await world.advance(1_000)
    expect(fired).toEqual([])
  })
})

it('a node whose clock is set back an hour goes on as if nothing had happened', async () => {
  const world = createWorld(1)
  const clocks = [0, 1, 2].map(() => new ProcessClock(world.clock, 0))
  const nodes: TesseraNode[] = []
  for (const [at, clock] of clocks.entries()) nodes.push(await world.node(`n${at}`, { clock }))
  const groups = nodes.map((node) => node.join({ key: KEY, machine: counter(), voters: 3 }))
  await world.until(Promise.all(groups.map((group) => group.when.online())))
  const leader = groups.findIndex(({ isLeader }) => isLeader)
  const follower = (leader + 1) % 3
  for (const at of [leader, follower]) clocks[at]!.skewMs = -HOUR_MS
  const { term } = groups[leader]!.status
  await world.clock.advance(10_000)
  expect(groups.map(({ status }) => [status.term, status.leader])).toEqual(groups.map(() => [term, nodes[leader]!.id]))
  expect((await world.until(groups[follower]!.execute({ add: 1 }), 1_000)).result).toBe(1)
  world.network.crash(`n${leader}`)
  expect((await world.until(groups[follower]!.execute({ add: 1 }), 5_000)).result).toBe(2)
  await world.stop()
})
