/** Golden scenarios: whole clusters, step by step. Each names the fault it guards against (SEMANTICS §7). */
import { describe, expect, it } from 'vitest'
import { RAFT_TIMING } from '../../src/limits.ts'
import { Cluster, type Node, peerId } from './cluster.ts'

const FIVE = ['a', 'b', 'c', 'd', 'e']

function followersOf(cluster: Cluster, leader: Node): Node[] {
  return cluster.alive.filter((node) => node !== leader)
}

describe('a healthy cluster', () => {
  it('forms, elects, replicates, and every member applies the same', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const leader = cluster.electLeader()
    cluster.propose(leader.name, 'x')
    cluster.propose(leader.name, 'y', 'z')
    cluster.settle()
    for (const { commands } of cluster.alive) expect(commands).toEqual(['x', 'y', 'z'])
  })

  it('has its first leader without waiting for an election timeout', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    cluster.run(2 * RAFT_TIMING.tickMs)
    expect(cluster.leader().name).toBe('a')
  })

  it('keeps its leader and its term as long as nothing fails', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const leader = cluster.electLeader()
    const { term } = leader
    cluster.run(60_000)
    expect(cluster.leader()).toBe(leader)
    expect(cluster.alive.map((node) => node.term)).toEqual([term, term, term])
  })

  it('takes commands on any member, through its leader', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const leader = cluster.electLeader()
    for (const { name } of followersOf(cluster, leader)) cluster.propose(name, `from ${name}`)
    cluster.settle()
    for (const { commands } of cluster.alive) expect(commands.toSorted()).toEqual(['from b', 'from c'])
  })

  it('tells followers of a commit at once, not with the next heartbeat', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const leader = cluster.electLeader()
    cluster.run(RAFT_TIMING.heartbeatIntervalMs)
    cluster.propose(leader.name, 'x')
    cluster.settle()
    expect(followersOf(cluster, leader).map((node) => node.commands)).toEqual([['x'], ['x']])
  })
})

describe('a partition', () => {
  it('lets only the side with a majority commit, and no side alone elect (§7, 1)', () => {
    const cluster = new Cluster(FIVE)
    const old = cluster.electLeader()
    const [mate, ...rest] = followersOf(cluster, old)
    cluster.partition(
      [old.name, mate!.name],
      rest.map(({ name }) => name),
    )
    cluster.propose(old.name, 'lost')
    cluster.until('a second leader', () => rest.some(({ role }) => role === 'leader'))
    const fresh = rest.find(({ role }) => role === 'leader')!
    cluster.propose(fresh.name, 'kept')
    cluster.run(5_000)
    for (const { commands } of rest) expect(commands).toEqual(['kept'])
    expect(old.commands).toEqual([])
    expect(mate!.commands).toEqual([])
    expect(old.role).not.toBe('leader')
    expect(mate!.role).not.toBe('leader')
  })

  it('cuts only what was never committed when the minority comes back (§7, 2)', () => {
    const cluster = new Cluster(FIVE)
    const old = cluster.electLeader()
    cluster.propose(old.name, 'before')
    cluster.settle()
    const [mate, ...rest] = followersOf(cluster, old)
    cluster.partition(
      [old.name, mate!.name],
      rest.map(({ name }) => name),
    )
    cluster.propose(old.name, 'lost 1', 'lost 2', 'lost 3')
    cluster.until('a second leader', () => rest.some(({ role }) => role === 'leader'))
    cluster.propose(rest.find(({ role }) => role === 'leader')!.name, 'after')
    cluster.settle()
    cluster.healAll()
    cluster.run(5_000)
    for (const { commands } of cluster.alive) expect(commands).toEqual(['before', 'after'])
    const lengths = new Set(cluster.alive.map(({ context }) => context.log.lastIndex))
    expect(lengths.size).toBe(1)
  })

  it('never lets a leader nobody follows answer a strong read (§7, 3)', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const old = cluster.electLeader()
    const rest = followersOf(cluster, old)
    cluster.partition(
      [old.name],
      rest.map(({ name }) => name),
    )
    cluster.read(old.name, 7)
    cluster.until('a second leader', () => rest.some(({ role }) => role === 'leader'))
    cluster.propose(rest.find(({ role }) => role === 'leader')!.name, 'newer')
    cluster.run(3_000)
    expect(old.ofKind('readReady')).toEqual([])
    expect(old.ofKind('readLost')).toEqual([{ kind: 'readLost', id: 7 }])
  })

  it('leaves a leader in peace when a member that was cut off comes back (Thesis §4.2.3, §9.6)', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const leader = cluster.electLeader()
    const [outcast, mate] = followersOf(cluster, leader)
    cluster.partition([outcast!.name], [leader.name, mate!.name])
    cluster.run(30_000)
    expect(outcast!.term).toBe(leader.term)
    cluster.healAll()
    cluster.run(5_000)
    expect(cluster.leader()).toBe(leader)
    expect(leader.term).toBe(outcast!.term)
  })

  it('leaves a leader in peace when only one member loses its bond to it', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const leader = cluster.electLeader()
    const { term } = leader
    cluster.cut(leader.name, followersOf(cluster, leader)[0]!.name)
    cluster.run(10_000)
    expect(cluster.leader()).toBe(leader)
    expect(leader.term).toBe(term)
  })
})

describe('a dead leader', () => {
  it('is replaced within a hint pause, not an election timeout, when its bonds break', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    cluster.kill(cluster.electLeader().name)
    const killedMs = cluster.nowMs
    cluster.until('a new leader', () => cluster.leaders().length === 1)
    expect(cluster.nowMs - killedMs).toBeLessThanOrEqual(RAFT_TIMING.hintPauseMaxMs + RAFT_TIMING.tickMs)
  })

  it('takes no committed command with it', () => {
    const cluster = new Cluster(FIVE)
    const old = cluster.electLeader()
    cluster.propose(old.name, 'kept')
    cluster.settle()
    cluster.kill(old.name)
    const next = cluster.electLeader()
    cluster.propose(next.name, 'more')
    cluster.settle()
    for (const { commands } of cluster.alive) expect(commands).toEqual(['kept', 'more'])
  })

  it('comes back from its disk with its log, term and vote', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const old = cluster.electLeader()
    cluster.propose(old.name, 'kept')
    cluster.settle()
    const { term, votedFor } = old.context
    cluster.kill(old.name)
    cluster.restart(old.name)
    expect(old.role).toBe('follower')
    expect(old.context).toMatchObject({ term, votedFor })
    cluster.electLeader()
    cluster.run(1_000)
    expect(old.commands).toEqual(['kept'])
  })

  it('leaves the minority that is left without a leader, for ever', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const leader = cluster.electLeader()
    const [one, two] = followersOf(cluster, leader)
    cluster.kill(leader.name)
    cluster.kill(one!.name)
    cluster.run(30_000)
    expect(two!.role).not.toBe('leader')
    cluster.propose(two!.name, 'x')
    expect(two!.ofKind('refused')).toMatchObject([{ code: 'NoLeader' }])
  })
})

describe('learners', () => {
  it('are admitted, follow the log from its start, and neither vote nor count', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const leader = cluster.electLeader()
    cluster.propose(leader.name, 'x')
    cluster.settle()
    const late = cluster.add('d')
    cluster.add('e', 0)
    cluster.run(1_000)
    expect(leader.context.configuration).toEqual({
      voters: ['a', 'b', 'c'].map(peerId),
      learners: ['d', 'e'].map(peerId),
    })
    expect(late.commands).toEqual(['x'])
    for (const { name } of followersOf(cluster, leader)) if (name < 'd') cluster.kill(name)
    cluster.propose(leader.name, 'alone')
    cluster.run(10_000)
    expect(leader.commands).toEqual(['x'])
    expect(cluster.leaders()).toEqual([])
  })

  it.each([
    ['log', {}, 'AppendEntries'],
    ['snapshot', { entriesMax: 50, trailingMax: 5 }, 'InstallSnapshot'],
  ] as const)(
    'follow whoever leads next, when their leader ends half-way through its %s (§7, 6)',
    (_, compaction, type) => {
      const cluster = new Cluster(['a', 'b', 'c'], { voters: 3, compaction })
      const leader = cluster.electLeader()
      const words = Array.from({ length: 200 }, (_one, at) => `${at} ${'long '.repeat(500)}`)
      for (const word of words) {
        cluster.propose(leader.name, word)
        cluster.settle()
      }
      const joiner = cluster.add('l')
      const told = () => leader.sent.filter(({ to, message }) => to === 'l' && message.type === type)
      const halfWay = () =>
        told().length > 0 && joiner.disk.entries.length + (joiner.disk.receiving?.chunks.length ?? 0) > 0
      while (!halfWay()) if (!cluster.deliverOne()) cluster.tick()
      expect(joiner.commands.length).toBeLessThan(200)
      cluster.kill(leader.name)
      cluster.until('it has all of it', () => joiner.commands.length === 200)
      expect(joiner.commands).toEqual(words)
    },
  )

  it('that are ahead deny nobody (§7, 7)', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const leader = cluster.electLeader()
    cluster.add('d')
    cluster.add('e')
    cluster.run(1_000)
    const voters = followersOf(cluster, leader).filter(({ name }) => name < 'd')
    for (const { name } of voters) cluster.cut(leader.name, name)
    cluster.propose(leader.name, 'only learners have it')
    cluster.settle()
    expect(cluster.get('d').context.log.lastIndex).toBe(leader.context.log.lastIndex)
    cluster.kill(leader.name)
    cluster.until('a new leader', () => voters.some(({ role }) => role === 'leader'))
    cluster.run(1_000)
    expect(cluster.get('d').context.log.lastIndex).toBe(voters[0]!.context.log.lastIndex)
  })

  it('answer a strong read through the leader', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const leader = cluster.electLeader()
    cluster.add('d')
    cluster.run(1_000)
    cluster.propose(leader.name, 'x')
    cluster.settle()
    cluster.read('d', 1)
    cluster.settle()
    expect(cluster.get('d').ofKind('readReady')).toEqual([{ kind: 'readReady', id: 1, index: leader.commit }])
  })
})

describe('rival groups', () => {
  it('notice each other once and never touch one another', () => {
    const cluster = new Cluster([], { voters: 2 })
    for (const name of ['a', 'b']) cluster.add(name)
    cluster.electLeader()
    for (const [one, two] of [
      ['a', 'c'],
      ['a', 'd'],
      ['b', 'c'],
      ['b', 'd'],
    ] as const)
      cluster.cut(one, two)
    cluster.add('c')
    cluster.add('d')
    cluster.until('two groups', () => cluster.leaders().length === 2)
    cluster.healAll()
    cluster.run(10_000)
    cluster.cut('a', 'c')
    cluster.heal('a', 'c')
    cluster.run(10_000)
    expect(cluster.leaders()).toHaveLength(2)
    expect(
      cluster
        .get('a')
        .ofKind('rivalGroup')
        .map(({ peer }) => peer)
        .sort(),
    ).toEqual([peerId('c'), peerId('d')])
    expect(
      cluster
        .get('d')
        .ofKind('rivalGroup')
        .map(({ peer }) => peer)
        .sort(),
    ).toEqual([peerId('a'), peerId('b')])
    expect(cluster.get('a').context.configuration.learners).toEqual([])
  })
})
