/** Nodes that find each other and form a group: the whole stack on a simulated clock and a memory network. */
import { describe, expect, it } from 'vitest'
import type { Group } from '../../src/actors/group.ts'
import type { TesseraNode } from '../../src/actors/node.ts'
import { counter, createWorld, KEY, type World } from './world.ts'

type CounterGroup = Group<ReturnType<typeof counter>>

async function formed(world: World, size: number): Promise<{ nodes: TesseraNode[]; groups: CounterGroup[] }> {
  const nodes: TesseraNode[] = []
  for (let i = 0; i < size; i++) nodes.push(await world.node(`n${i}`))
  const groups = nodes.map((node) => node.join({ key: KEY, machine: counter(), voters: size }))
  await world.until(Promise.all(groups.map((group) => group.when.online())))
  return { nodes, groups }
}

const leaderOf = (groups: CounterGroup[]) => groups.find((group) => group.isLeader) as CounterGroup
const followersOf = (groups: CounterGroup[]) => groups.filter((group) => !group.isLeader)

describe('a group of three', () => {
  it('agrees on one leader and one configuration', async () => {
    const world = createWorld(1)
    const { nodes, groups } = await formed(world, 3)
    expect(new Set(groups.map(({ leader }) => leader)).size).toBe(1)
    const ids = nodes.map(({ id }) => id).sort()
    for (const group of groups)
      expect(group.members.map(({ peer, role }) => [peer, role])).toEqual(ids.map((id) => [id, 'voter']))
    await world.stop()
  })

  it('executes on every member, each call with its own result', async () => {
    const world = createWorld(2)
    const { groups } = await formed(world, 3)
    const results: number[] = []
    for (const group of groups) results.push((await world.until(group.execute({ add: 2 }))).result)
    expect(results).toEqual([2, 4, 6])
    await world.stop()
  })

  it('executes many at once in one go, and hands each its own result', async () => {
    const world = createWorld(3)
    const { groups } = await formed(world, 3)
    const [follower] = followersOf(groups)
    const executed = await world.until(follower!.executeMany(Array.from({ length: 100 }, () => ({ add: 1 }))))
    expect(executed.map(({ result }) => result)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
    await world.stop()
  })

  it('answers strong reads on every member with what was executed before, without a log entry', async () => {
    const world = createWorld(4)
    const { groups } = await formed(world, 3)
    const { index } = await world.until(leaderOf(groups).execute({ add: 5 }))
    for (const group of groups) {
      const { answer, index: at } = await world.until(group.query('total', { consistency: 'strong' }))
      expect([answer, at]).toEqual([5, index])
    }
    await world.stop()
  })

  it('makes a throw in apply the command’s own error, and goes on', async () => {
    const world = createWorld(5)
    const { groups } = await formed(world, 3)
    await expect(world.until(groups[0]!.execute({ add: -1 }))).rejects.toMatchObject({ code: 'CommandFailed' })
    await expect(world.until(groups[1]!.execute({ add: 1 }))).resolves.toMatchObject({ result: 1 })
    await world.stop()
  })

  it('replaces a leader that is gone, and loses nothing', async () => {
    const world = createWorld(6)
    const { nodes, groups } = await formed(world, 3)
    await world.until(groups[0]!.execute({ add: 3 }))
    const leader = leaderOf(groups)
    const others = followersOf(groups)
    world.network.crash(nodes[groups.indexOf(leader)]!.addresses[0]!)
    const started = world.clock.now()
    const { result } = await world.until(others[0]!.execute({ add: 1 }))
    expect(result).toBe(4)
    expect(world.clock.now() - started).toBeLessThan(1_000)
    expect(others.some((group) => group.isLeader)).toBe(true)
    await world.stop()
  })

  it('never says ok without a quorum: the command is handed back at its deadline', async () => {
    const world = createWorld(7)
    const { nodes, groups } = await formed(world, 3)
    const [a, b, c] = nodes.map((node) => node.addresses[0]!)
    world.network.partition([[a!], [b!], [c!]])
    const command = { add: 1 }
    const refused = groups[0]!.execute(command, { timeoutMs: 5_000 })
    await expect(world.until(refused)).rejects.toMatchObject({ code: 'DeadlineExceeded', retryable: true, command })
    await world.stop()
  })

  it('goes on in the majority of a partition only, and the minority catches up when it heals', async () => {
    const world = createWorld(8)
    const { nodes, groups } = await formed(world, 3)
    const leader = leaderOf(groups)
    const [one, other] = followersOf(groups)
    const place = (group: CounterGroup) => nodes[groups.indexOf(group)]!.addresses[0]!
    world.network.partition([[place(leader)], [place(one!), place(other!)]])
    const stale = leader.query('total', { consistency: 'strong', timeoutMs: 20_000 })
    const { result } = await world.until(one!.execute({ add: 9 }, { timeoutMs: 20_000 }))
    expect(result).toBe(9)
    expect(leader.isLeader).toBe(false)
    world.network.healAll()
    expect((await world.until(stale)).answer).toBe(9)
    await world.until(leader.when.applied.reaches(one!.committed))
    expect((await leader.query('total', { consistency: 'weak' })).answer).toBe(9)
    await world.stop()
  })
})

describe('a member that arrives after forming', () => {
  it('becomes a learner, follows the log, and executes', async () => {
    const world = createWorld(9)
    const { groups } = await formed(world, 3)
    await world.until(groups[0]!.execute({ add: 4 }))
    const late = await world.node('late')
    const joined = late.join({ key: KEY, machine: counter(), voters: 3 })
    await world.until(joined.when.online())
    await world.until(joined.when.applied.reaches(groups[0]!.committed))
    expect((await joined.query('total', { consistency: 'weak' })).answer).toBe(4)
    expect(joined.members.find(({ peer }) => peer === late.id)?.role).toBe('learner')
    expect((await world.until(joined.execute({ add: 1 }))).result).toBe(5)
    await world.stop()
  })
})

describe('forming', () => {
  it('leaves a lone node offline, however long it waits', async () => {
    const world = createWorld(10)
    const node = await world.node('alone')
    const group = node.join({ key: KEY, machine: counter(), voters: 3 })
    await world.clock.advance(60_000)
    expect(group.status).toMatchObject({ formed: false, leader: null, role: 'unformed' })
    await world.stop()
  })

  it('that waits for a founder who died is told to a person, once, and nobody leads', async () => {
    const world = createWorld(16, { delayMs: 5 })
    const nodes = [await world.node('a'), await world.node('b'), await world.node('c')]
    const groups = nodes.map((node) => node.join({ key: KEY, machine: counter(), voters: 3 }))
    const bound = () =>
      groups.some((group) => group.actor.getSnapshot().children.raft?.getSnapshot().matches?.({ unformed: 'accepted' }))
    expect(await world.clock.advanceUntil(bound, 5_000)).toBe(true)
    const founder = groups.findIndex(
      (group) => !group.actor.getSnapshot().children.raft?.getSnapshot().matches?.({ unformed: 'accepted' }),
    )
    world.network.crash(nodes[founder]!.addresses[0]!)
    await world.clock.advance(60_000)
    expect(groups.filter((_, i) => i !== founder).map((group) => group.leader)).toEqual([null, null])
    expect(new Set(world.warnings.filter((code) => code === 'FormingBlocked'))).toEqual(new Set(['FormingBlocked']))
    await world.stop()
  })

  it('of one voter leads itself at once', async () => {
    const world = createWorld(11)
    const node = await world.node('alone')
    const group = node.join({ key: KEY, machine: counter(), voters: 1 })
    await world.until(group.when.isLeader(), 1_000)
    expect((await world.until(group.execute({ add: 1 }))).result).toBe(1)
    await world.stop()
  })
})

describe('leaving', () => {
  it('of a leader hands leadership over first, and is told to the others at once', async () => {
    const world = createWorld(12)
    const { groups } = await formed(world, 3)
    const leader = leaderOf(groups)
    const [one] = followersOf(groups)
    const started = world.clock.now()
    await world.until(leader.leave())
    await world.until(one!.execute({ add: 1 }))
    expect(world.clock.now() - started).toBeLessThan(500)
    await expect(leader.execute({ add: 1 })).rejects.toMatchObject({ code: 'NotJoined' })
    await world.stop()
  })

  it('of everyone at once is quick, and leaves no timer behind', async () => {
    const world = createWorld(13)
    await formed(world, 3)
    const started = world.clock.now()
    await world.stop()
    expect(world.clock.now() - started).toBeLessThan(1_000)
    await world.clock.advance(10_000)
    expect(world.clock.nextMs).toBeNull()
  })

  it('cannot be taken back by joining again, which is refused until it is done', async () => {
    const world = createWorld(15)
    const { nodes, groups } = await formed(world, 3)
    const leader = leaderOf(groups)
    const node = nodes[groups.indexOf(leader)]!
    const join = () => node.join({ key: KEY, machine: counter(), voters: 3 })
    const left = leader.leave()
    expect(join).toThrow(expect.objectContaining({ code: 'Leaving', retryable: true }))
    await world.until(left)
    expect(join().status.left).toBe(false)
    await world.stop()
  })

  it('of one handle does not pull the group from under another', async () => {
    const world = createWorld(14)
    const { nodes, groups } = await formed(world, 3)
    const again = nodes[0]!.join({ key: KEY, machine: counter(), voters: 3 })
    expect(again.actor).toBe(groups[0]!.actor)
    await world.until(groups[0]!.leave())
    await expect(groups[0]!.query('total')).rejects.toMatchObject({ code: 'NotJoined' })
    expect((await world.until(again.execute({ add: 1 }))).result).toBe(1)
    await world.until(again.leave())
    expect(again.status.left).toBe(true)
    await world.stop()
  })
})
