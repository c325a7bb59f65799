/** Members that come, go, die and hand over, as a user of the whole stack sees it. */
import { describe, expect, it } from 'vitest'
import type { Group } from '../../src/actors/group.ts'
import type { TesseraNode } from '../../src/actors/node.ts'
import type { JoinOptions, NodeOptions } from '../../src/actors/options.ts'
import { RAFT, RAFT_TIMING } from '../../src/limits.ts'
import { counter, createWorld, KEY, type World } from './world.ts'

type Machine = ReturnType<typeof counter>
interface Party {
  readonly node: TesseraNode
  readonly group: Group<Machine>
}

async function join(
  world: World,
  name: string,
  more: Partial<JoinOptions<Machine> & NodeOptions> = {},
): Promise<Party> {
  const { voters = 3, votersMax, preference, ...options } = more
  const node = await world.node(name, options)
  const wishes = { ...(votersMax && { votersMax }), ...(preference && { preference }) }
  return { node, group: node.join({ key: KEY, machine: counter(), voters, ...wishes }) }
}

async function formed(world: World, size: number, more: Partial<JoinOptions<Machine>> = {}): Promise<Party[]> {
  const parties: Party[] = []
  for (let i = 0; i < size; i++) parties.push(await join(world, `n${i}`, { ...more, voters: size }))
  await world.until(Promise.all(parties.map(({ group }) => group.when.online())))
  return parties
}

const leaderOf = (parties: readonly Party[]) => parties.find(({ group }) => group.isLeader) as Party
const followersOf = (parties: readonly Party[]) => parties.filter(({ group }) => !group.isLeader)
const rolesOf = ({ group }: Party) => Object.fromEntries(group.members.map(({ peer, role }) => [peer, role]))

/** Lets time pass until `holds`. */
async function eventually(world: World, holds: () => boolean, limitMs = 30_000): Promise<void> {
  if (!(await world.clock.advanceUntil(holds, limitMs))) throw new Error(`not within ${limitMs} ms: ${holds}`)
}

describe('members that come', () => {
  it('are promoted in pairs, and vote: the group outlives the majority that formed it', async () => {
    const world = createWorld(1)
    const first = await formed(world, 3)
    const late = [await join(world, 'd'), await join(world, 'e')]
    const all = [...first, ...late]
    await eventually(world, () =>
      all.every((one) => Object.values(rolesOf(one)).join() === Array(5).fill('voter').join()),
    )
    for (const { node } of followersOf(first)) world.network.crash(node.addresses[0]!)
    expect((await world.until(late[0]!.group.execute({ add: 3 }))).result).toBe(3)
    await world.stop()
  })

  it('stay learners where they only observe, however many are missed', async () => {
    const world = createWorld(2)
    const parties = await formed(world, 3)
    const watchers = [
      await join(world, 'd', { preference: 'observer' }),
      await join(world, 'e', { preference: 'observer' }),
    ]
    await world.clock.advance(10_000)
    const seen = leaderOf(parties).group.members.filter(({ role }) => role === 'learner')
    expect(seen.map(({ peer }) => peer)).toEqual(watchers.map(({ node }) => node.id).sort())
    expect(seen.map(({ preference }) => preference)).toEqual(['observer', 'observer'])
    await world.stop()
  })
})

describe('members that go', () => {
  it('are removed at once when they leave', async () => {
    const world = createWorld(3)
    const parties = await formed(world, 3)
    const [gone, stays] = followersOf(parties)
    await world.until(gone!.group.leave())
    await world.until(stays!.group.execute({ add: 1 }))
    await eventually(world, () => !(gone!.node.id in rolesOf(stays!)), 500)
    expect(Object.keys(rolesOf(stays!))).toHaveLength(2)
    await world.stop()
  })

  it('are replaced after a minute when they die', async () => {
    const world = createWorld(4)
    const parties = await formed(world, 3)
    const [dead] = followersOf(parties)
    const leader = leaderOf(parties)
    world.network.crash(dead!.node.addresses[0]!)
    const fresh = await join(world, 'fresh')
    await world.clock.advance(RAFT.deadAfterMs - 5_000)
    expect(rolesOf(leader)).toMatchObject({ [dead!.node.id]: 'voter', [fresh.node.id]: 'learner' })
    await eventually(world, () => rolesOf(leader)[fresh.node.id] === 'voter')
    expect(rolesOf(leader)).not.toHaveProperty(dead!.node.id)
    await world.stop()
  })

  it('are all replaced, one after the other, and writes never stop for longer than an election', async () => {
    const world = createWorld(5)
    const parties = await formed(world, 5)
    let total = 0
    let longestMs = 0
    const write = async () => {
      const startedMs = world.clock.now()
      const { result } = await world.until(parties.at(-1)!.group.execute({ add: 1 }))
      longestMs = Math.max(longestMs, world.clock.now() - startedMs)
      expect(result).toBe(++total)
    }
    for (let round = 0; round < 5; round++) {
      const leaving = world.until(parties.shift()!.node.stop())
      for (let i = 0; i < 10; i++) await write()
      await leaving
      const { node, group } = await join(world, `new${round}`, { bootstrap: [parties[0]!.node.addresses[0]!] })
      while (!leaderOf(parties) || rolesOf(leaderOf(parties))[node.id] !== 'voter') {
        await write()
        await world.clock.advance(50)
      }
      parties.push({ node, group })
    }
    const { electionTimeoutMs, electionJitterMs } = RAFT_TIMING
    expect(longestMs).toBeLessThan(electionTimeoutMs + electionJitterMs)
    for (const party of parties) {
      expect((await world.until(party.group.query('total'))).answer).toBe(total)
      expect(Object.keys(rolesOf(party)).sort()).toEqual(parties.map(({ node }) => node.id).sort())
    }
    await world.stop()
  })
})

describe('transferLeadership', () => {
  it('resolves once the one that was named leads', async () => {
    const world = createWorld(6)
    const parties = await formed(world, 3)
    const [heir] = followersOf(parties)
    const followed = world.until(leaderOf(parties).group.transferLeadership(heir!.node.id))
    expect(await followed).toBe(heir!.node.id)
    await world.until(heir!.group.when.isLeader())
    await world.stop()
  })

  it('without a name goes to another voter', async () => {
    const world = createWorld(7)
    const parties = await formed(world, 3)
    const others = followersOf(parties).map(({ node }) => node.id)
    expect(others).toContain(await world.until(leaderOf(parties).group.transferLeadership()))
    await world.stop()
  })

  it('rejects NotLeader on a follower, TransferFailed for who cannot lead, Aborted, and NotJoined', async () => {
    const world = createWorld(8)
    const parties = await formed(world, 3)
    const learner = await join(world, 'late')
    const leader = leaderOf(parties)
    await eventually(world, () => rolesOf(leader)[learner.node.id] === 'learner')
    const [follower] = followersOf(parties)
    await expect(follower!.group.transferLeadership()).rejects.toMatchObject({ code: 'NotLeader', retryable: true })
    await expect(leader.group.transferLeadership(learner.node.id)).rejects.toMatchObject({ code: 'TransferFailed' })
    const aborted = leader.group.transferLeadership(undefined, { signal: AbortSignal.abort() })
    await expect(aborted).rejects.toMatchObject({ code: 'Aborted' })
    await world.until(follower!.group.leave())
    await expect(follower!.group.transferLeadership()).rejects.toMatchObject({ code: 'NotJoined' })
    await world.stop()
  })

  it('rejects TransferFailed, and leads on, when the one that was named does not answer', async () => {
    const world = createWorld(9)
    const parties = await formed(world, 3)
    const leader = leaderOf(parties)
    const [mute] = followersOf(parties)
    world.network.stall(mute!.node.addresses[0]!)
    await world.until(leader.group.execute({ add: 1 }))
    const failed = leader.group.transferLeadership(mute!.node.id)
    await expect(world.until(failed)).rejects.toMatchObject({ code: 'TransferFailed' })
    expect(leader.group.isLeader).toBe(true)
    world.network.resume(mute!.node.addresses[0]!)
    await world.stop()
  })
})

describe('members', () => {
  it('are known in full to a leader, and to a follower only as far as it can tell', async () => {
    const world = createWorld(10)
    const parties = await formed(world, 3)
    const leader = leaderOf(parties)
    const { index } = await world.until(leader.group.execute({ add: 1 }))
    await world.clock.advance(RAFT_TIMING.heartbeatIntervalMs)
    for (const member of leader.group.members) {
      expect(member).toMatchObject({ role: 'voter', preference: 'normal', reachable: true, matchIndex: index })
      expect(member.isLeader).toBe(member.peer === leader.node.id)
      expect(member.lastContactMs).toBeLessThanOrEqual(RAFT_TIMING.heartbeatIntervalMs)
    }
    const [one, other] = followersOf(parties)
    const seen = (peer: string) => one!.group.members.find((member) => member.peer === peer)
    expect(seen(one!.node.id)).toMatchObject({ matchIndex: index, lastContactMs: 0 })
    expect(seen(other!.node.id)).toMatchObject({ matchIndex: null, lastContactMs: null, reachable: true })
    expect(seen(leader.node.id)).toMatchObject({ matchIndex: null, isLeader: true })
    expect(seen(leader.node.id)?.lastContactMs).toBeLessThanOrEqual(RAFT_TIMING.heartbeatIntervalMs)
    await world.stop()
  })
})

describe('groups that formed apart', () => {
  it('tell each other RivalGroup when they meet, stay up, and never merge', async () => {
    const world = createWorld(11)
    const places = ['a', 'b', 'c', 'd'].map((name) => `memory://${name}`) as [string, string, string, string]
    const [a, b, c, d] = places
    world.network.partition([
      [a, b],
      [c, d],
    ])
    const parties = [
      await join(world, 'a', { voters: 2, bootstrap: [] }),
      await join(world, 'b', { voters: 2, bootstrap: [a] }),
      await join(world, 'c', { voters: 2, bootstrap: [a] }),
      await join(world, 'd', { voters: 2, bootstrap: [c] }),
    ]
    const rivals = parties.map(() => new Set<string>())
    for (const [i, { group }] of parties.entries())
      group.actor.on('group.rival', ({ peer }) => void rivals[i]!.add(peer))
    await world.until(Promise.all(parties.map(({ group }) => group.when.online())))
    await world.until(parties[0]!.group.execute({ add: 1 }))
    await world.until(parties[2]!.group.execute({ add: 10 }))
    world.network.healAll()
    const ids = parties.map(({ node }) => node.id)
    await eventually(world, () => rivals.every(({ size }) => size === 2), 60_000)
    expect(rivals.map((seen) => [...seen].sort())).toEqual(
      [ids.slice(2), ids.slice(2), ids.slice(0, 2), ids.slice(0, 2)].map((peers) => peers.toSorted()),
    )
    expect(world.warnings).toContain('RivalGroup')
    await world.clock.advance(2 * RAFT.deadAfterMs)
    const totals = await Promise.all(parties.map(async ({ group }) => (await world.until(group.query('total'))).answer))
    expect(totals).toEqual([1, 1, 10, 10])
    for (const [i, party] of parties.entries())
      expect(Object.keys(rolesOf(party)).sort()).toEqual((i < 2 ? ids.slice(0, 2) : ids.slice(2)).sort())
    await world.stop()
  })
})
