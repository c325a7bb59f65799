/** Members that come back: whole nodes with a fixed identity and a disk, on a simulated clock and a memory network. */
import { describe, expect, it } from 'vitest'
import type { HardState } from '../../src/machines/raft/effects.ts'
import { type Machine, Machines } from './machine.ts'
import { createWorld, type World } from './world.ts'

const rolesOf = ({ group }: Machine) => group.members.map(({ peer, role }) => [peer, role])
const voters = (machines: Machines) => machines.peers.map((peer) => [peer, 'voter'])
const hardStateOf = (machine: Machine): HardState => machine.disk.platter(machine.group.id).hardState as HardState

async function three(seed: number): Promise<{ world: World; machines: Machines }> {
  const world = createWorld(seed)
  return { world, machines: await Machines.formed(world, 3, seed) }
}

describe('a process that was killed comes back as the same member', () => {
  it.each([
    ['a follower', 1, ({ followers }: Machines) => followers.slice(0, 1)],
    ['the leader', 2, ({ leader }: Machines) => [leader]],
    ['the majority', 3, ({ leader, followers }: Machines) => [leader, ...followers.slice(0, 1)]],
    ['all at once', 4, ({ all }: Machines) => all],
  ])('%s: a voter still, with all that was acknowledged', async (_who, seed, chosen) => {
    const { world, machines } = await three(seed)
    await machines.add(5)
    const victims = chosen(machines)
    for (const victim of victims) victim.kill()
    if (machines.running.length >= 2) await machines.add(5, machines.running[0])
    const total = machines.running.length >= 2 ? 10 : 5
    for (const victim of victims) await machines.start(victim)
    expect(await machines.totals()).toEqual([total, total, total])
    for (const machine of machines.all) expect(rolesOf(machine)).toEqual(voters(machines))
    expect(machines.all.some(({ group }) => group.members.some(({ role }) => role === 'learner'))).toBe(false)
    await machines.add(1, victims[0])
    expect(await machines.totals()).toEqual([total + 1, total + 1, total + 1])
    expect(world.warnings).not.toContain('RivalGroup')
    await machines.stop()
  })

  it('with its term, its vote and its log, before it has heard of anyone', async () => {
    const { machines } = await three(5)
    await machines.add(5)
    const [follower] = machines.followers as [Machine]
    const { log } = follower.raft.getSnapshot().context
    const { term, votedFor } = hardStateOf(follower)
    follower.kill()
    await follower.start([])
    const { context } = follower.raft.getSnapshot()
    expect(context).toMatchObject({ term, votedFor })
    expect(term).toBeGreaterThan(0)
    expect(context.log.lastIndex).toBeGreaterThanOrEqual(log.lastIndex - 1)
    expect(context.formation.status).toBe('formed')
    await machines.stop()
  })

  it('and applies its committed entries again, each once', async () => {
    const { world, machines } = await three(6)
    await machines.add(20)
    for (const machine of machines.all) machine.kill()
    for (const machine of machines.all) await machines.start(machine)
    const [one] = machines.all as [Machine]
    expect((await one.group.query('total', { consistency: 'weak' })).answer).toBe(0)
    const { result } = await world.until(one.group.execute({ add: 1 }))
    expect(result).toBe(21)
    await machines.stop()
  })
})

describe('a command under way while its leader is killed and comes back', () => {
  it.each([11, 12, 13, 14, 15, 16])('is applied once, whoever heard of it (seed %i)', async (seed) => {
    const { world, machines } = await three(seed)
    await machines.add(1)
    const { leader, followers } = machines
    const [follower] = followers as [Machine]
    let killed = false
    leader.disk.weather.crashAt = {
      moment: seed % 2 ? 'synced' : 'write',
      of: 'anything',
      crash: () => {
        killed = true
        leader.kill()
      },
    }
    const commands = Array.from({ length: 10 }, () => follower.group.execute({ add: 1 }, { timeoutMs: 20_000 }))
    await world.clock.advance(20)
    expect(killed).toBe(true)
    await machines.start(leader)
    const executed = await world.until(Promise.all(commands))
    expect(executed.map(({ result }) => result).sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    expect(await machines.totals()).toEqual([11, 11, 11])
    await machines.stop()
  })
})

it('what a killed leader had appended and nobody else has is cut when it comes back', async () => {
  const { world, machines } = await three(21)
  await machines.add(3)
  const { leader, followers } = machines
  const [one] = followers as [Machine]
  world.network.partition([[leader.place], followers.map(({ place }) => place)])
  await world.until(leader.group.feedMany([{ add: 100 }, { add: 100 }], { timeoutMs: 1_000 }))
  await world.clock.advance(50)
  const lost = leader.disk.platter(leader.group.id).entries.length
  leader.kill()
  await machines.add(1, one)
  expect(lost).toBeGreaterThan(hardTail(leader, one))
  world.network.healAll()
  await machines.start(leader)
  expect(await machines.totals()).toEqual([4, 4, 4])
  expect(leader.group.status.reverted).toBeGreaterThan(0)
  await machines.stop()
})

/** Where the logs of two disks part. */
function hardTail(a: Machine, b: Machine): number {
  const [left = [], right = []] = [a, b].map((machine) => machine.disk.platter(b.group.id).entries)
  const parted = left.findIndex(({ term }, at) => right[at]?.term !== term)
  return parted === -1 ? left.length : parted
}

describe('fault 3: what a process told before it was killed, the next one stands by', () => {
  it.each(Array.from({ length: 30 }, (_, at) => at + 1))('killed after message %i', async (count) => {
    const seed = 100 + count
    const world = createWorld(seed)
    const machines = new Machines(world, 3, seed)
    const [victim, other] = machines.all as [Machine, Machine]
    const killed = victim.killedAfterTelling(count)
    for (const machine of machines.all) await machines.start(machine)
    await world.until(killed)
    await machines.start(victim)
    const { term, votedFor } = victim.raft.getSnapshot().context
    for (const { to, message } of victim.told) {
      if (message.type === 'RequestVoteResponse' && message.granted && message.term >= term)
        expect([message.term, to]).toEqual([term, votedFor])
      if (message.type === 'RequestVote' && message.term >= term)
        expect([message.term, victim.peer]).toEqual([term, votedFor])
      if (message.type === 'AppendEntriesResponse') expect(term).toBeGreaterThanOrEqual(message.term)
    }
    await machines.add(1, other)
    expect(await machines.totals()).toEqual([1, 1, 1])
    await machines.stop()
  })
})

describe('a machine that lost its power, and told nobody', () => {
  it('is bonded again long before its old bonds are found dead', async () => {
    const { world, machines } = await three(31)
    await machines.add(2)
    const [victim, other] = machines.followers as [Machine, Machine]
    const old = victim.place
    for (const { place } of machines.all) if (place !== old) world.network.cut(old, place)
    const stale = other.group.bonds.get(victim.peer)?.id
    victim.vanish()
    await world.clock.advance(20)
    expect(other.group.bonds.get(victim.peer)?.id).toBe(stale)
    const startedMs = world.clock.now()
    await machines.start(victim, 'again')
    await world.until(victim.group.when.online())
    await world.until(victim.group.when.applied.reaches(other.group.committed))
    expect(world.clock.now() - startedMs).toBeLessThan(1_500)
    expect(await machines.totals()).toEqual([2, 2, 2])
    expect(rolesOf(other)).toEqual(voters(machines))
    expect(other.group.bonds.get(victim.peer)?.id).not.toBe(stale)
    await machines.stop()
  })
})

describe('a member that is stopped and not left', () => {
  it('stays in the configuration, departs for nobody, and comes back', async () => {
    const { world, machines } = await three(41)
    await machines.add(2)
    const { leader } = machines
    const startedMs = world.clock.now()
    const reasons: string[] = []
    for (const { group } of machines.followers)
      group.actor.on('bond.terminated', ({ reason }) => void reasons.push(reason))
    await world.until(leader.stop())
    await machines.add(3, machines.running[0])
    expect(world.clock.now() - startedMs).toBeLessThan(500)
    expect(reasons).toEqual(['GracefulShutdown', 'GracefulShutdown'])
    for (const machine of machines.running) {
      expect(rolesOf(machine)).toEqual(voters(machines))
      expect(machine.node.peers.map(({ peer }) => peer)).toContain(leader.peer)
    }
    await world.clock.advance(10_000)
    await machines.start(leader)
    expect(await machines.totals()).toEqual([5, 5, 5])
    expect(rolesOf(leader)).toEqual(voters(machines))
    await machines.stop()
  })

  it('all of them at once, within moments, and again', async () => {
    const { world, machines } = await three(42)
    for (const round of [1, 2, 3]) {
      await machines.add(1)
      const startedMs = world.clock.now()
      await machines.stop()
      expect(world.clock.now() - startedMs).toBeLessThan(5_000)
      for (const machine of machines.all) await machines.start(machine)
      expect(await machines.totals()).toEqual([round, round, round])
    }
    await machines.stop()
  })

  it('has departed where it left first', async () => {
    const { world, machines } = await three(43)
    const [one, other] = machines.followers as [Machine, Machine]
    const ended = new Promise((resolve) => other.group.actor.on('bond.terminated', resolve))
    await world.until(one.group.leave())
    expect(await world.until(ended)).toMatchObject({ peer: one.peer, reason: 'Departed' })
    await world.until(one.stop())
    await world.clock.advance(1_000)
    expect(other.node.peers.map(({ peer }) => peer)).not.toContain(one.peer)
    await machines.stop()
  })
})
