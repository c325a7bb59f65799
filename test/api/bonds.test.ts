/** `group.bonds` and the handles in it: the same bond seen from both ends, watched, ended, and dialled again. */
import { describe, expect, it } from 'vitest'
import type { Bond } from '../../src/index.ts'
import { counter, KEY } from '../nodes/world.ts'
import { type CounterGroup, expectAbortable, type Formed, formed } from './rig.ts'

const bondOf = ({ nodeOf }: Formed, one: CounterGroup, other: CounterGroup) => one.bonds.get(nodeOf(other).id) as Bond

describe('the registry', () => {
  it('holds a bond with every other member, in peer-id order', async () => {
    const { world, nodes, groups } = await formed(1)
    for (const [i, group] of groups.entries()) {
      const others = nodes.flatMap(({ id }, j) => (i === j ? [] : [id])).sort()
      expect([...group.bonds].map(([peer]) => peer)).toEqual(others)
      expect([group.bonds.size, group.bonds.isEmpty]).toEqual([2, false])
      expect(others.map((peer) => group.bonds.has(peer))).toEqual([true, true])
      expect(others.map((peer) => group.bonds.get(peer)?.peer.get().peer)).toEqual(others)
      const own = nodes[i]?.id as (typeof others)[0]
      expect([group.bonds.has(own), group.bonds.get(own)]).toEqual([false, undefined])
    }
    await world.stop()
  })

  it('tells its watchers of each change, until they end that', async () => {
    const { world, leader, follower } = await formed(2)
    const sizes: number[] = []
    const watching = leader.bonds.subscribe(() => sizes.push(leader.bonds.size))
    const changed = leader.bonds.view().changed()
    await world.until(follower.leave())
    await world.until(changed)
    expect(sizes).toEqual([1])
    watching.unsubscribe()
    await world.stop()
    expect(sizes).toEqual([1])
  })

  it('changed() misses nothing that came between two looks, nor takes a change from another view', async () => {
    const { world, leader, follower } = await formed(3)
    const [one, other] = [leader.bonds.view(), leader.bonds.view()]
    const waiting = one.changed()
    await world.until(follower.leave())
    await world.until(waiting)
    await world.until(other.changed())
    expect([one.size, other.size]).toEqual([1, 1])
    await expectAbortable((options) => one.changed(options))
    await world.stop()
  })

  it('counts a bond replaced by a newer one as a change', async () => {
    const group = await formed(4)
    const { world, leader, follower, nodeOf } = group
    const bonds = leader.bonds.view()
    const before = bondOf(group, leader, follower)
    void before.close()
    await world.until(bonds.changed())
    while (!bonds.has(nodeOf(follower).id)) await world.until(bonds.changed())
    expect(bondOf(group, leader, follower).id).not.toBe(before.id)
    await world.stop()
  })

  it('of a group that was left is empty, and brings no news any more', async () => {
    const { world, leader, follower } = await formed(5)
    const [mine, theirs] = [follower.bonds.view(), leader.bonds.view()]
    await world.until(follower.leave())
    expect(follower.bonds.isEmpty).toBe(true)
    await mine.changed()
    await expect(mine.changed()).rejects.toMatchObject({ code: 'NotJoined' })
    await world.until(theirs.changed())
    const pending = expect(theirs.changed()).rejects.toMatchObject({ code: 'NotJoined' })
    await world.until(leader.leave())
    await pending
    await world.stop()
  })
})

describe('a bond', () => {
  it('has one id, the same at both ends', async () => {
    const { world, nodes, groups } = await formed(6)
    const ids = new Set<string>()
    for (const [i, group] of groups.entries()) {
      for (const [peer, { id }] of group.bonds) {
        const end = groups[nodes.findIndex((node) => node.id === peer)]?.bonds.get(nodes[i]?.id as typeof peer)
        expect(end?.id).toBe(id)
        ids.add(id)
      }
    }
    expect(ids.size).toBe(3)
    await world.stop()
  })

  it('shows its peer’s newest entry, and tells of a newer one', async () => {
    const group = await formed(7)
    const { world, leader, follower, nodeOf } = group
    const bond = bondOf(group, leader, follower)
    expect(bond.peer.get()).toEqual(nodeOf(follower).entry)
    const told: number[] = []
    bond.peer.subscribe(({ groups }) => told.push(groups.length))
    const second = nodeOf(follower).join({ key: KEY, machine: { ...counter(), version: 2 }, voters: 3 })
    await world.clock.advance(100)
    expect(bond.peer.get().groups).toEqual([leader.id, second.id].sort())
    expect(told).toEqual([2])
    await world.stop()
  })

  it('tells its state, and after its end why it ended', async () => {
    const group = await formed(8)
    const { world, leader, follower } = group
    const bond = bondOf(group, leader, follower)
    expect(bond.state).toEqual({ steady: { liveness: 'heard', ticket: 'valid' } })
    expect(bond.isTerminated).toBe(false)
    const ended = bond.terminated()
    await world.until(follower.leave())
    expect([await world.until(ended), await bond.terminated()]).toEqual(['Departed', 'Departed'])
    expect([bond.state, bond.isTerminated]).toEqual(['Departed', true])
    await world.stop()
  })

  it('measures the way to its peer and back, once a ping was needed', async () => {
    const group = await formed(9, { delayMs: 5 })
    const { world, groups, leader } = group
    const [one, other] = groups.filter((member) => member !== leader) as [CounterGroup, CounterGroup]
    await world.clock.advance(5_000)
    expect(bondOf(group, one, other).rtt).toMatchObject({ srttMs: 10 })
    await world.stop()
  })

  it('gives up waiting for its end when a signal says so', async () => {
    const group = await formed(10)
    const bond = bondOf(group, group.leader, group.follower)
    await expectAbortable((options) => bond.terminated(options))
    await group.world.stop()
  })

  it('closed by its user is down at both ends with that reason, and the peer is dialled again', async () => {
    const group = await formed(11)
    const { world, leader, follower } = group
    const [here, there] = [bondOf(group, leader, follower), bondOf(group, follower, leader)]
    const formedAgain = new Promise((resolve) => leader.actor.on('bond.formed', resolve))
    expect(await world.until(here.close('GracefulShutdown'))).toBe('GracefulShutdown')
    expect(await world.until(there.terminated())).toBe('GracefulShutdown')
    expect(await here.close()).toBe('GracefulShutdown')
    await world.until(formedAgain)
    await world.clock.advance(100)
    const again = bondOf(group, leader, follower)
    expect(again.id).not.toBe(here.id)
    expect(bondOf(group, follower, leader).id).toBe(again.id)
    expect((await world.until(follower.execute({ add: 1 }))).result).toBe(1)
    await world.stop()
  })
})
