/** Members whose log begins later than the group did: whole nodes on a simulated clock, a memory network and disks. */
import { describe, expect, it } from 'vitest'
import type { RaftMessage } from '../../src/machines/raft/messages.ts'
import { type Machine, Machines } from './machine.ts'
import { counter, createWorld, KEY, type World } from './world.ts'

const compaction = { entriesMax: 20, trailingMax: 5 }

async function three(seed: number): Promise<{ world: World; machines: Machines }> {
  const world = createWorld(seed)
  return { world, machines: await Machines.formed(world, 3, seed, { compaction }) }
}
const logOf = (machine: Machine) => machine.raft.getSnapshot().context.log
const snapshotOf = (machine: Machine) => machine.raft.getSnapshot().context.snapshots
const told = (machine: Machine, type: RaftMessage['type']) =>
  machine.told.filter(({ message }) => message.type === type)

/** One at a time, so that snapshots come in between. */
async function addEach(machines: Machines, count: number, on?: Machine): Promise<void> {
  for (let left = count; left > 0; left--) await machines.add(1, on)
}

describe('a group that compacts its log', () => {
  it('holds no more of it than a snapshot and a tail stand for', async () => {
    const { machines } = await three(1)
    await addEach(machines, 100)
    for (const machine of machines.all) {
      expect(snapshotOf(machine).saved?.index).toBeGreaterThan(60)
      expect(logOf(machine).lastIndex - logOf(machine).offset).toBeLessThan(50)
      expect(machine.disk.platter(machine.group.id).entries.length).toBeLessThan(50)
    }
    expect(await machines.totals()).toEqual([100, 100, 100])
    await machines.stop()
  })

  it('is there again with all of its state when every process was killed', async () => {
    const { machines } = await three(2)
    await addEach(machines, 50)
    for (const machine of machines.all) machine.kill()
    for (const machine of machines.all) await machines.start(machine)
    expect(await machines.totals()).toEqual([50, 50, 50])
    await machines.stop()
  })

  it('answers weak reads after a restart from the snapshot, before it hears of anyone', async () => {
    const { machines } = await three(3)
    await addEach(machines, 50)
    const [follower] = machines.followers as [Machine]
    const { index } = snapshotOf(follower).saved!
    follower.kill()
    await follower.start([])
    const { answer, index: at } = await follower.group.query('total', { consistency: 'weak' })
    expect(at).toBe(index)
    expect(answer).toBeGreaterThan(0)
    expect(answer).toBeLessThan(index)
    await machines.stop()
  })

  it('brings back a member that was away for longer than the log reaches, and it leads as well as any', async () => {
    const { world, machines } = await three(4)
    const [away] = machines.followers as [Machine]
    away.kill()
    await world.clock.advance(5_000)
    await addEach(machines, 100)
    const { leader } = machines
    expect(logOf(leader).offset).toBeGreaterThan(50)
    await machines.start(away)
    expect(await machines.totals()).toEqual([100, 100, 100])
    expect(told(leader, 'InstallSnapshot').length).toBeGreaterThan(0)
    await world.until(leader.group.transferLeadership(away.peer))
    await machines.add(1, away)
    expect(await machines.totals()).toEqual([101, 101, 101])
    await machines.stop()
  })

  it('lets a newcomer follow from its snapshot, and vote', async () => {
    const { world, machines } = await three(5)
    await addEach(machines, 60)
    const node = await world.node('newcomer', { bootstrap: machines.all.map(({ place }) => `memory://${place}`) })
    const group = node.join({ key: KEY, machine: counter(), voters: 3, compaction })
    await world.until(group.when.online())
    expect((await world.until(group.query('total'))).answer).toBe(60)
    expect((await world.until(group.execute({ add: 1 }))).result).toBe(61)
    await world.stop()
    await machines.stop()
  })

  it('answers a command once, though its entry came to its caller only within a snapshot', async () => {
    const { world, machines } = await three(6)
    await addEach(machines, 29)
    const { leader, followers } = machines
    const [caller, other] = followers as [Machine, Machine]
    await machines.add(1, caller)
    // The caller's word reaches the leader, nothing comes back to it any more.
    world.network.cutOneWay(leader.place, caller.place)
    world.network.cutOneWay(other.place, caller.place)
    const answer = caller.group.execute({ add: 1 }, { timeoutMs: 60_000 })
    await world.clock.advance(1)
    await addEach(machines, 60, leader)
    await world.clock.advance(8_000)
    await addEach(machines, 60, leader)
    world.network.heal(leader.place, caller.place)
    world.network.heal(other.place, caller.place)
    const { result } = await world.until(answer, 60_000)
    expect(result).toBe(31)
    expect([leader, other].flatMap((one) => told(one, 'InstallSnapshot')).length).toBeGreaterThan(0)
    expect(await machines.totals()).toEqual([151, 151, 151])
    await machines.stop()
  })
})

describe('a state machine', () => {
  it('that gives no snapshot is told of, and its group goes on with its whole log', async () => {
    const world = createWorld(7)
    const node = await world.node('alone')
    const stubborn = () => {
      const machine = counter()
      const snapshot = () => {
        throw new Error('no snapshot today')
      }
      return { ...machine, snapshot }
    }
    const group = node.join({ key: KEY, machine: stubborn(), voters: 1, compaction })
    for (let left = 60; left > 0; left--) await world.until(group.execute({ add: 1 }))
    expect(world.warnings.filter((code) => code === 'SnapshotFailed').length).toBeGreaterThan(1)
    expect((await world.until(group.query('total'))).answer).toBe(60)
    await world.stop()
  })

  it('that takes none back from its leader is told of, and stops its member alone', async () => {
    const { world, machines } = await three(9)
    await addEach(machines, 60)
    const node = await world.node('newcomer', { bootstrap: machines.all.map(({ place }) => `memory://${place}`) })
    const restore = () => {
      throw new Error('no')
    }
    const group = node.join({ key: KEY, machine: { ...counter(), restore }, voters: 3, compaction })
    await expect(world.until(group.execute({ add: 1 }))).rejects.toMatchObject({ code: 'ProtocolAssertion' })
    expect(world.warnings).toContain('SnapshotFailed')
    await machines.add(1)
    expect(await machines.totals()).toEqual([61, 61, 61])
    await world.stop()
    await machines.stop()
  })

  it('that takes none back is refused when it joins, and its store is free for one that does', async () => {
    const world = createWorld(8)
    const node = await world.node('alone')
    const join = (machine: ReturnType<typeof counter>) => node.join({ key: KEY, machine, voters: 1, compaction })
    const group = join(counter())
    for (let left = 60; left > 0; left--) await world.until(group.execute({ add: 1 }))
    await world.until(group.leave())
    const restore = () => {
      throw new Error('no')
    }
    expect(() => join({ ...counter(), restore })).toThrow(expect.objectContaining({ code: 'SnapshotFailed' }))
    const again = join(counter())
    await world.until(again.when.online())
    expect((await world.until(again.query('total'))).answer).toBe(60)
    await world.stop()
  })
})
