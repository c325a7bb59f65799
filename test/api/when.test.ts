/** `group.when`: each condition as it stands, as it comes about, given up, and in a group that was left. */
import { describe, expect, it } from 'vitest'
import type { When } from '../../src/index.ts'
import { counter, createWorld, KEY } from '../nodes/world.ts'
import { expectAbortable, formed, isolate } from './rig.ts'

describe('what holds already resolves at once', () => {
  it('in a formed group', async () => {
    const { world, groups, leader, follower } = await formed(1)
    await world.until(follower.execute({ add: 1 }))
    const { committed } = follower
    for (const { when } of groups) {
      expect(await when.leaderElected()).toBe(leader.leader)
      await when.leaderIs(leader.leader as NonNullable<typeof leader.leader>)
      await when.online()
    }
    await leader.when.isLeader()
    await follower.when.isFollower()
    expect(await follower.when.committed.reaches(committed)).toBe(committed)
    expect(await follower.when.applied.reaches(committed)).toBe(committed)
    await world.stop()
  })

  it('offline, before there is a group', async () => {
    const world = createWorld(2)
    const node = await world.node('alone')
    await node.join({ key: KEY, machine: counter(), voters: 3 }).when.offline()
    await world.stop()
  })
})

describe('what is yet to come resolves when it does', () => {
  it('leadership, first', async () => {
    const world = createWorld(3)
    const nodes = [await world.node('a'), await world.node('b'), await world.node('c')]
    const first = nodes[0]?.join({ key: KEY, machine: counter(), voters: 3 })
    const { when } = first as NonNullable<typeof first>
    const waiting = Promise.all([when.leaderElected(), when.online(), when.leaderChanged(), when.committed.advanced()])
    const role = Promise.race([when.isLeader(), when.isFollower()])
    for (const node of nodes.slice(1)) node.join({ key: KEY, machine: counter(), voters: 3 })
    const [elected, , changedTo, committed] = await world.until(waiting)
    await world.until(role)
    expect(nodes.map(({ id }) => id)).toContain(elected)
    expect(changedTo).toBe(elected)
    expect(committed).toBeGreaterThan(0)
    await world.stop()
  })

  it('another leader, and none: the old one is cut off', async () => {
    const group = await formed(4)
    const { world, groups, leader, nodeOf } = group
    const others = groups.filter((one) => one !== leader)
    const changed = others.map(({ when }) => when.leaderChanged())
    const offline = leader.when.offline()
    const leads = Promise.race(others.map((one) => one.when.isLeader().then(() => one)))
    isolate(group, leader)
    await world.until(Promise.all([...changed, offline]))
    const next = await world.until(leads)
    expect(leader.leader).toBeNull()
    const follows = leader.when.leaderIs(nodeOf(next).id)
    world.network.healAll()
    await world.until(follows)
    await world.until(leader.when.online())
    await world.until(leader.when.isFollower())
    await world.stop()
  })

  it('commits, applied entries, and a longer log', async () => {
    const { world, follower, leader } = await formed(5)
    const { committed } = follower
    const { when } = follower
    const waiting = Promise.all([
      when.committed.advanced(),
      when.committed.reaches(committed + 3),
      when.applied.reaches(committed + 3),
      when.log.changed(),
    ])
    await world.until(leader.executeMany([{ add: 1 }, { add: 1 }, { add: 1 }]))
    const [advanced, reached, applied, lastIndex] = await world.until(waiting)
    expect(advanced).toBeGreaterThan(committed)
    expect(reached).toBeGreaterThanOrEqual(committed + 3)
    expect(applied).toBeGreaterThanOrEqual(committed + 3)
    expect(lastIndex).toBeGreaterThan(committed)
    await world.stop()
  })

  it('a log that was cut: what the minority’s leader had appended was never committed', async () => {
    const group = await formed(6)
    const { world, groups, leader } = group
    await world.until(leader.execute({ add: 1 }))
    const other = groups.find((one) => one !== leader) as typeof leader
    isolate(group, leader)
    const reverted = leader.when.log.reverted()
    const lost = leader.execute({ add: 100 }, { timeoutMs: 500 }).catch((error) => error)
    const { index } = await world.until(other.execute({ add: 2 }, { timeoutMs: 20_000 }))
    expect(await world.until(lost)).toMatchObject({ code: 'DeadlineExceeded' })
    world.network.healAll()
    await world.until(reverted)
    await world.until(leader.when.applied.reaches(index))
    expect((await leader.query('total', { consistency: 'weak' })).answer).toBe(3)
    await world.stop()
  })
})

const NEVER = Number.MAX_SAFE_INTEGER
/** Conditions that do not hold in a quiet follower, and stay so. */
const CONDITIONS: Record<string, (when: When, options?: { signal: AbortSignal }) => Promise<unknown>> = {
  leaderChanged: (when, options) => when.leaderChanged(options),
  leaderIs: (when, options) => when.leaderIs('nobody' as never, options),
  isLeader: (when, options) => when.isLeader(options),
  offline: (when, options) => when.offline(options),
  'committed.reaches': (when, options) => when.committed.reaches(NEVER, options),
  'committed.advanced': (when, options) => when.committed.advanced(options),
  'applied.reaches': (when, options) => when.applied.reaches(NEVER, options),
  'log.changed': (when, options) => when.log.changed(options),
  'log.reverted': (when, options) => when.log.reverted(options),
}
/** These do not hold before there is a group. */
const FORMING: typeof CONDITIONS = {
  leaderElected: (when, options) => when.leaderElected(options),
  online: (when, options) => when.online(options),
  isFollower: (when, options) => when.isFollower(options),
}
/** Leaving brings these about. */
const BY_LEAVING = ['leaderChanged', 'offline']

describe('an abort signal', () => {
  it('gives up every condition', async () => {
    const { world, follower } = await formed(7)
    for (const condition of Object.values(CONDITIONS))
      await expectAbortable((options) => condition(follower.when, options))
    await world.stop()
    const lonely = createWorld(8)
    const group = (await lonely.node('alone')).join({ key: KEY, machine: counter(), voters: 3 })
    for (const condition of Object.values(FORMING)) await expectAbortable((options) => condition(group.when, options))
    await lonely.stop()
  })
})

describe('a group that was left', () => {
  it('rejects NotJoined what will never come, pending or asked for later', async () => {
    const { world, follower } = await formed(9)
    const names = Object.keys(CONDITIONS).filter((name) => !BY_LEAVING.includes(name))
    const settled = Promise.allSettled(names.map((name) => CONDITIONS[name]?.(follower.when)))
    await world.until(follower.leave())
    const after = await Promise.allSettled(
      [...names.map((name) => CONDITIONS[name]), ...Object.values(FORMING)].map((condition) =>
        condition?.(follower.when),
      ),
    )
    for (const outcome of [...(await settled), ...after])
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'NotJoined', retryable: false } })
    await world.stop()
  })

  it('is offline and has no leader: whoever waits for that is told', async () => {
    const { world, follower } = await formed(10)
    const waiting = Promise.all([follower.when.offline(), follower.when.leaderChanged()])
    await world.until(follower.leave())
    expect(await waiting).toEqual([undefined, null])
    await follower.when.offline()
    await world.stop()
  })

  it('by one handle is still joined by the other', async () => {
    const { world, nodeOf, follower } = await formed(11)
    const again = nodeOf(follower).join({ key: KEY, machine: counter(), voters: 3 })
    const [mine, theirs] = [follower.when.isLeader(), again.when.committed.advanced()]
    await follower.leave()
    await expect(mine).rejects.toMatchObject({ code: 'NotJoined' })
    expect(follower.status).toMatchObject({ left: true, leader: null })
    expect(again.status.left).toBe(false)
    await again.when.online()
    await world.until(again.execute({ add: 1 }))
    await world.until(theirs)
    await world.stop()
  })
})
