/** What a group does for its user: commands, reads, its members, and the end of it. */
import { describe, expect, it } from 'vitest'
import { ERRORS, TesseraError } from '../../src/index.ts'
import { counter, createWorld, KEY } from '../nodes/world.ts'
import { expectAbortable, formed, isolate } from './rig.ts'

describe('commands', () => {
  it('execute resolves with the index and the command’s own result', async () => {
    const { world, leader, follower } = await formed(1)
    const first = await world.until(leader.execute({ add: 2 }))
    const second = await world.until(follower.execute({ add: 3 }))
    expect([first.result, second.result]).toEqual([2, 5])
    expect(second.index).toBeGreaterThan(first.index)
    await world.stop()
  })

  it('executeMany keeps the order of its commands, and of none makes nothing', async () => {
    const { world, follower } = await formed(2)
    expect(await world.until(follower.executeMany([]))).toEqual([])
    const done = await world.until(follower.executeMany([{ add: 1 }, { add: 2 }, { add: 3 }]))
    expect(done.map(({ result }) => result)).toEqual([1, 3, 6])
    const [a, b, c] = done.map(({ index }) => index)
    expect([b, c]).toEqual([(a as number) + 1, (a as number) + 2])
    await world.stop()
  })

  it('executeMany rejects with the first error once all are settled; the others are applied', async () => {
    const { world, follower } = await formed(3)
    const done = world.until(follower.executeMany([{ add: 1 }, { add: -1 }, { add: 2 }]))
    await expect(done).rejects.toMatchObject({ code: 'CommandFailed', command: { add: -1 } })
    expect((await world.until(follower.query('total'))).answer).toBe(3)
    await world.stop()
  })

  it('feed resolves once the command stands in this member’s log, with its index', async () => {
    const { world, follower } = await formed(4)
    const { index } = await world.until(follower.feed({ add: 4 }))
    expect(follower.status.lastIndex).toBeGreaterThanOrEqual(index)
    await world.until(follower.when.applied.reaches(index))
    expect((await follower.query('total', { consistency: 'weak' })).answer).toBe(4)
    await world.stop()
  })

  it('feedMany does so for several, in order', async () => {
    const { world, leader } = await formed(5)
    expect(await world.until(leader.feedMany([]))).toEqual([])
    const fed = await world.until(leader.feedMany([{ add: 1 }, { add: 1 }]))
    expect(fed[1]?.index).toBe((fed[0]?.index as number) + 1)
    await world.stop()
  })

  it('hands a command back when no quorum answers in time, and says it may be sent again', async () => {
    const group = await formed(6)
    const { world, leader } = group
    isolate(group, leader)
    const command = { add: 1 }
    const refused = await world.until(leader.execute(command, { timeoutMs: 1_000 })).catch((error) => error)
    expect(refused).toBeInstanceOf(TesseraError)
    expect(refused).toMatchObject({ code: 'DeadlineExceeded', retryable: true, command })
    await world.stop()
  })

  it('refuses what does not encode or is too large, and goes on', async () => {
    const { world, leader } = await formed(7)
    const odd = { add: (() => 1) as unknown as number }
    await expect(leader.execute(odd)).rejects.toBeInstanceOf(TesseraError)
    await expect(leader.executeMany([odd])).rejects.toBeInstanceOf(TesseraError)
    const large = { add: 1, ballast: new Uint8Array(2 * 1024 * 1024) }
    await expect(leader.execute(large)).rejects.toMatchObject({ code: 'MessageTooLarge', retryable: false })
    expect((await world.until(leader.execute({ add: 1 }))).result).toBe(1)
    await world.stop()
  })
})

describe('reads', () => {
  it('are strong unless told otherwise: never older than what is done', async () => {
    const { world, leader, groups } = await formed(8)
    const { index } = await world.until(leader.execute({ add: 7 }))
    for (const group of groups) expect(await world.until(group.query('total'))).toEqual({ answer: 7, index })
    await world.stop()
  })

  it('weak answers from this member’s copy, cut off or not; strong does not', async () => {
    const group = await formed(9)
    const { world, leader, groups } = group
    const other = groups.find((one) => one !== leader) as typeof leader
    await world.until(leader.execute({ add: 1 }))
    isolate(group, leader)
    await world.until(other.execute({ add: 1 }, { timeoutMs: 20_000 }))
    expect((await leader.query('total', { consistency: 'weak' })).answer).toBe(1)
    const strong = world.until(leader.query('total', { timeoutMs: 1_000 }))
    await expect(strong).rejects.toMatchObject({ code: 'DeadlineExceeded', retryable: true })
    await world.stop()
  })
})

describe('an abort signal', () => {
  it('gives up every call', async () => {
    const { world, nodes, follower } = await formed(10)
    await expectAbortable((options) => follower.execute({ add: 1 }, options))
    await expectAbortable((options) => follower.executeMany([{ add: 1 }, { add: 2 }], options))
    await expectAbortable((options) => follower.feed({ add: 1 }, options))
    await expectAbortable((options) => follower.feedMany([{ add: 1 }], options))
    await expectAbortable((options) => follower.query('total', options))
    const weak = { consistency: 'weak', signal: AbortSignal.abort() } as const
    await expect(follower.query('total', weak)).rejects.toMatchObject({ code: 'Aborted' })
    await expectAbortable((options) => follower.leave(options))
    await expectAbortable((options) => (nodes[0] as (typeof nodes)[0]).stop(options))
    await world.stop()
  })
})

describe('joining twice', () => {
  it('gives another handle to the same group, and each is left on its own', async () => {
    const { world, nodeOf, follower } = await formed(11)
    const again = nodeOf(follower).join({ key: KEY, machine: counter(), voters: 3 })
    expect([again.id, again.actor]).toEqual([follower.id, follower.actor])
    await world.until(follower.leave())
    await expect(follower.execute({ add: 1 })).rejects.toMatchObject({ code: 'NotJoined', retryable: false })
    await expect(follower.executeMany([{ add: 1 }])).rejects.toMatchObject({ code: 'NotJoined' })
    await expect(follower.feed({ add: 1 })).rejects.toMatchObject({ code: 'NotJoined' })
    await expect(follower.query('total', { consistency: 'weak' })).rejects.toMatchObject({ code: 'NotJoined' })
    expect((await world.until(again.execute({ add: 1 }))).result).toBe(1)
    await world.until(again.leave())
    expect(nodeOf(follower).entry.groups).toEqual([])
    await world.stop()
  })

  it('of another version, or with another key, is another group', async () => {
    const world = createWorld(12)
    const node = await world.node('a')
    const one = node.join({ key: KEY, machine: counter(), voters: 1 })
    const other = node.join({ key: KEY, machine: { ...counter(), version: 2 }, voters: 1 })
    expect(other.id).not.toBe(one.id)
    expect(node.entry.groups).toEqual([one.id, other.id].sort())
    await world.until(Promise.all([one.when.isLeader(), other.when.isLeader()]))
    await world.stop()
  })

  it('can be done again after leaving: with the votes it gave and the log it held', async () => {
    const { world, nodeOf, leader, follower } = await formed(13)
    const { index } = await world.until(leader.execute({ add: 4 }))
    await world.until(follower.when.applied.reaches(index))
    const { term, lastIndex } = follower.status
    await world.until(follower.leave())
    const back = nodeOf(follower).join({ key: KEY, machine: counter(), voters: 3 })
    expect(back.status).toMatchObject({ term, lastIndex, formed: true })
    await world.until(back.when.online())
    expect((await world.until(back.execute({ add: 1 }))).result).toBe(5)
    await world.stop()
  })
})

describe('what a node and a group tell of themselves', () => {
  it('members, leader, commit index', async () => {
    const { world, nodes, groups, leader, nodeOf } = await formed(14)
    const ids = nodes.map(({ id }) => id).sort()
    const { index } = await world.until(leader.execute({ add: 1 }))
    await world.until(Promise.all(groups.map(({ when }) => when.committed.reaches(index))))
    for (const group of groups) {
      expect(group.leader).toBe(nodeOf(leader).id)
      expect(group.isLeader).toBe(group === leader)
      expect(group.committed).toBeGreaterThanOrEqual(index)
      expect(group.members).toMatchObject(
        ids.map((peer) => ({
          peer,
          role: 'voter',
          preference: 'normal',
          isLeader: peer === group.leader,
          reachable: true,
        })),
      )
      expect(group.members).toHaveLength(3)
    }
    await world.stop()
  })

  it('a member that is gone is not reachable', async () => {
    const group = await formed(15)
    const { world, leader, follower, nodeOf } = group
    const bond = leader.bonds.get(nodeOf(follower).id)
    isolate(group, follower)
    await world.until(bond?.terminated() as Promise<unknown>)
    expect(leader.members.find(({ peer }) => peer === nodeOf(follower).id)).toMatchObject({ reachable: false })
    await world.stop()
  })

  it('addresses, entry, peers', async () => {
    const { world, nodes, groups } = await formed(16)
    for (const [i, node] of nodes.entries()) {
      expect(node.addresses).toEqual([`memory://n${i}`])
      expect(node.entry).toMatchObject({ peer: node.id, addresses: node.addresses, groups: [groups[0]?.id] })
      expect(node.peers.map(({ peer }) => peer)).toEqual(nodes.flatMap(({ id }) => (id === node.id ? [] : [id])).sort())
    }
    expect(JSON.parse(JSON.stringify({ node: nodes[0], group: groups[0] }))).toEqual({
      node: { id: nodes[0]?.id, network: nodes[0]?.network },
      group: { id: groups[0]?.id },
    })
    await world.stop()
  })

  it('advertises what it was told to, in place of where it listens', async () => {
    const world = createWorld(17)
    const node = await world.node('inner', { advertise: ['memory://outer'], tags: ['matcher'] })
    expect(node.addresses).toEqual(['memory://inner'])
    expect(node.entry.addresses).toEqual(['memory://outer'])
    expect(node.entry.tags).toHaveLength(1)
    await world.stop()
  })

  it('every code of the error table is retryable or not, and an error carries just that', () => {
    for (const [code, { retryable, sentence }] of Object.entries(ERRORS)) {
      const error = new TesseraError(code as keyof typeof ERRORS, { detail: 'Here.' })
      expect(error).toMatchObject({ name: 'TesseraError', code, retryable, message: `${sentence} Here.` })
    }
  })
})

describe('the end', () => {
  it('leave and stop may be called again, also at once, and are quick', async () => {
    const { world, nodes, groups } = await formed(18)
    const [group, node] = [groups[0] as (typeof groups)[0], nodes[0] as (typeof nodes)[0]]
    const startedMs = world.clock.now()
    await world.until(Promise.all([group.leave(), group.leave()]))
    await group.leave()
    await world.until(Promise.all([node.stop(), node.stop()]))
    await node.stop()
    await group.leave()
    expect(world.clock.now() - startedMs).toBeLessThan(1_000)
    await world.stop()
  })

  it('stop leaves every group: what waits is rejected, what comes later as well', async () => {
    const group = await formed(19)
    const { world, follower, leader, nodeOf } = group
    isolate(group, follower)
    const waiting = [follower.execute({ add: 1 }), follower.query('total'), follower.when.isLeader()]
    const settled = Promise.allSettled(waiting)
    await world.until(nodeOf(follower).stop())
    for (const outcome of await settled)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'NotJoined' } })
    await expect(follower.execute({ add: 1 })).rejects.toMatchObject({ code: 'NotJoined' })
    expect(follower.status).toMatchObject({ left: true, leader: null })
    expect(follower.bonds.isEmpty).toBe(true)
    expect(leader.status.left).toBe(false)
    await world.stop()
  })

  it('is told to the others: they have one bond less at once', async () => {
    const { world, leader, follower, nodeOf } = await formed(20)
    const bond = leader.bonds.get(nodeOf(follower).id)
    const startedMs = world.clock.now()
    await world.until(nodeOf(follower).stop())
    expect(await world.until(bond?.terminated() as Promise<string>)).toBe('Departed')
    expect(world.clock.now() - startedMs).toBeLessThan(100)
    expect(leader.bonds.size).toBe(1)
    expect(nodeOf(leader).peers).toHaveLength(1)
    await world.stop()
  })
})
