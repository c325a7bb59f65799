/**
 * Who becomes a member, who may vote, who is removed (Raft §6, Thesis §4): each rule on one leader, then whole clusters.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RAFT, RAFT_TIMING } from '../../src/limits.ts'
import { votersTarget } from '../../src/machines/raft/membership.ts'
import { Cluster, type Name, type Node, nameOf, peerId } from './cluster.ts'
import { append, entry, index, matched, Rig, type RigOptions, requestVote, term } from './rig.ts'

const namesOf = ({ voters, learners }: Rig['context']['configuration']): string =>
  `${voters.map(nameOf).join('')}+${learners.map(nameOf).join('')}`
const of = (member: Rig | Node): string => namesOf(member.context.configuration)

/** Each of these holds the whole log and says so. */
function answer(rig: Rig, ...names: Name[]): void {
  const { term: now, log, reads } = rig.context
  for (const name of names) rig.hear(name, matched(now, log.lastIndex, reads.round))
}

/** A leader of a, b, c whose learners have answered once, so that their first round has begun. */
function leading(learners: Name[], options: RigOptions = {}): Rig {
  return new Rig({ learners, votersMax: 5, ...options }).becomeSettledLeader()
}

/** Time passes; only these answer, at each heartbeat. */
function pass(rig: Rig, ms: number, ...names: Name[]): void {
  for (let passed = 0; passed < ms; passed += RAFT_TIMING.heartbeatIntervalMs) {
    rig.tick(RAFT_TIMING.heartbeatIntervalMs)
    answer(rig, ...names)
  }
}

describe('the target', () => {
  it.each([
    [5, 1, 1],
    [5, 2, 1],
    [5, 3, 3],
    [5, 4, 3],
    [5, 5, 5],
    [5, 9, 5],
    [4, 9, 3],
    [9, 8, 7],
  ])('of %i voters at most, with %i available, is %i', (votersMax, available, target) => {
    expect(votersTarget(votersMax, available)).toBe(target)
  })
})

describe('Thesis §4.2.1 promotion', () => {
  it('comes once a round was short, one member at a time', () => {
    const rig = leading(['l', 'm'])
    rig.tick(1)
    expect(of(rig)).toBe('abc+lm')
    answer(rig, 'l', 'm')
    rig.tick(1)
    expect(of(rig)).toBe('abcl+m')
    rig.tick(1)
    expect(of(rig)).toBe('abcl+m')
    answer(rig, 'b', 'l')
    rig.tick(1)
    expect(of(rig)).toBe('abclm+')
  })

  it('does not come while the rounds are longer than an election timeout', () => {
    const rig = leading(['l', 'm'])
    answer(rig, 'm')
    pass(rig, RAFT_TIMING.electionTimeoutMs, 'b', 'c', 'm')
    answer(rig, 'l')
    rig.tick(1)
    expect(of(rig)).toBe('abc+lm')
    answer(rig, 'l')
    rig.tick(1)
    expect(of(rig)).toBe('abcl+m')
  })

  it('ends a round only with what the log held when it began', () => {
    const rig = leading(['l'])
    const round = () => rig.context.progress.get(peerId('l'))?.catchUp
    rig.propose('x')
    rig.hear('l', matched(2, 2))
    expect(round()).toMatchObject({ target: 3 })
    rig.propose('y')
    rig.hear('l', matched(2, 2))
    expect(round()).toMatchObject({ target: 3 })
    rig.hear('l', matched(2, 3))
    expect(round()).toMatchObject({ target: 4 })
  })

  it('keeps the number of voters odd: of two learners both, of one none', () => {
    const rig = leading(['l'])
    pass(rig, 5_000, 'b', 'c', 'l')
    expect(of(rig)).toBe('abc+l')
  })

  it('stops at the most voters there may be', () => {
    const rig = leading(['l', 'm'], { votersMax: 3 })
    pass(rig, 5_000, 'b', 'c', 'l', 'm')
    expect(of(rig)).toBe('abc+lm')
  })

  it('never comes for an observer, and for the reluctant last', () => {
    const rig = leading(['k', 'l', 'm'])
    rig.bond('k', rig.context.formation.id, 'observer')
    rig.bond('l', rig.context.formation.id, 'reluctant')
    answer(rig, 'k', 'l', 'm')
    pass(rig, 500, 'b', 'c', 'k', 'l', 'm')
    rig.tick(1)
    expect(of(rig)).toBe('abcm+kl')
    pass(rig, 5_000, 'b', 'c', 'k', 'l', 'm')
    expect(of(rig)).toBe('abclm+k')
  })

  it('waits for an entry of this term, for the change before, and for a transfer under way (Thesis §4.1)', () => {
    const rig = leading(['l', 'm'])
    answer(rig, 'l', 'm')
    rig.send({ type: 'raft.transferLeadership', to: peerId('b') })
    rig.tick(1)
    expect(of(rig)).toBe('abc+lm')
    const fresh = new Rig({ learners: ['l', 'm'], votersMax: 5 }).becomeLeader()
    answer(fresh, 'l', 'm')
    answer(fresh, 'l', 'm')
    fresh.tick(1)
    expect(of(fresh)).toBe('abc+lm')
  })

  it('does not come where the larger group could decide nothing', () => {
    const rig = leading(['l', 'm'])
    for (const name of ['b', 'c']) rig.lose(name)
    answer(rig, 'l', 'm')
    rig.tick(1)
    expect(of(rig)).toBe('abc+lm')
  })
})

describe('Thesis §4.1 departure', () => {
  it('removes a learner that said goodbye', () => {
    const rig = leading(['l'])
    rig.lose('l', true)
    expect(of(rig)).toBe('abc+')
  })

  it('removes a voter that said goodbye, which then counts no more', () => {
    const rig = leading([])
    rig.lose('c', true)
    expect(of(rig)).toBe('ab+')
    rig.hear('c', matched(2, rig.context.log.lastIndex))
    expect(rig.context.progress.has(peerId('c'))).toBe(false)
    expect(rig.context.commitIndex).toBeLessThan(rig.context.log.lastIndex)
    answer(rig, 'b')
    expect(rig.context.commitIndex).toBe(rig.context.log.lastIndex)
  })

  it('keeps who was only lost', () => {
    const rig = leading(['l'])
    for (const name of ['c', 'l']) rig.lose(name)
    pass(rig, 5_000, 'b')
    expect(of(rig)).toBe('abc+l')
  })

  it('keeps a voter that left where those who stay could decide nothing', () => {
    const rig = leading([])
    rig.lose('b')
    rig.lose('c', true)
    rig.tick(1)
    expect(of(rig)).toBe('abc+')
  })

  it('that happened under another leader is made good by the next', () => {
    const rig = new Rig().follow('b')
    rig.lose('b', true)
    rig.becomeSettledLeader()
    rig.tick(1)
    expect(of(rig)).toBe('ac+')
  })

  it('is forgotten when the peer comes back', () => {
    const rig = new Rig().follow('b')
    rig.lose('b', true)
    rig.bond('b')
    rig.becomeSettledLeader()
    rig.tick(1)
    expect(of(rig)).toBe('abc+')
  })
})

describe('replacement of the dead', () => {
  it('waits until a voter was silent for deadAfter, then puts a learner in its place', () => {
    const rig = leading(['l'])
    rig.lose('c')
    pass(rig, RAFT.deadAfterMs - 500, 'b', 'l')
    expect(of(rig)).toBe('abc+l')
    rig.tick(500)
    expect(of(rig)).toBe('ab+l')
    answer(rig, 'b', 'l')
    rig.tick(1)
    expect(of(rig)).toBe('abl+')
  })

  it('does not come without a learner that can take the place', () => {
    const rig = leading([])
    rig.lose('c')
    pass(rig, 2 * RAFT.deadAfterMs, 'b')
    expect(of(rig)).toBe('abc+')
  })

  it('forgets a learner that is gone', () => {
    const rig = leading(['l'])
    rig.lose('l')
    pass(rig, RAFT.deadAfterMs + 500, 'b', 'c')
    expect(of(rig)).toBe('abc+')
  })
})

describe('LeadershipPreference', () => {
  it('an observer never campaigns, whatever its configuration says', () => {
    const rig = new Rig({ preference: 'observer' }).follow('b')
    rig.lose('b')
    for (let times = 0; times < 5; times++) rig.timeOut()
    rig.hear('b', { type: 'TimeoutNow', term: term(1) })
    expect(rig.role).toBe('follower')
  })

  it('an observer would form a group with nobody, and says so', () => {
    const cluster = new Cluster(['a', 'b'], { voters: 3 })
    const watcher = cluster.add('c', 3, true, 'observer')
    cluster.run(10_000)
    expect(cluster.alive.map(({ role }) => role)).toEqual(['unformed', 'unformed', 'unformed'])
    expect(watcher.sent[0]?.message).toMatchObject({ type: 'Introduce', voters: 0, preference: 'observer' })
  })

  it('the reluctant wait three times as long', () => {
    const rig = new Rig({ preference: 'reluctant' })
    const { electionTimeoutMs, electionJitterMs } = RAFT_TIMING
    for (let times = 0; times < 10; times++) {
      rig.follow('b')
      rig.hear('b', append(2 + times, 1, 1, []))
      const { timeoutMs } = rig.context.election
      expect(timeoutMs).toBeGreaterThanOrEqual(3 * electionTimeoutMs)
      expect(timeoutMs).toBeLessThan(3 * (electionTimeoutMs + electionJitterMs))
    }
  })

  it('a leader hands over to who does not mind, and to an observer never', () => {
    const rig = new Rig().becomeSettledLeader()
    rig.bond('b', rig.context.formation.id, 'reluctant')
    answer(rig, 'b', 'c')
    rig.send({ type: 'raft.transferLeadership' })
    expect(rig.context.election.transfer).toMatchObject({ to: peerId('c') })
    const watched = new Rig().becomeSettledLeader()
    watched.bond('b', watched.context.formation.id, 'observer')
    watched.send({ type: 'raft.transferLeadership', to: peerId('b') })
    expect(watched.context.election.transfer).toBeNull()
  })
})

describe('a group', () => {
  it('grows from three voters to five, and goes on when two of the first have died', () => {
    const cluster = new Cluster(['a', 'b', 'c'], { votersMax: 5 })
    const leader = cluster.electLeader()
    for (const name of ['d', 'e']) cluster.add(name)
    cluster.until('five voters', () => of(leader) === 'abcde+')
    for (const name of ['b', 'c']) cluster.kill(name)
    cluster.propose(leader.name, 'x')
    cluster.settle()
    expect(cluster.get('e').commands).toEqual(['x'])
  })

  it('of one grows to three when two more come', () => {
    const cluster = new Cluster(['a'], { votersMax: 5 })
    cluster.electLeader()
    for (const name of ['b', 'c']) cluster.add(name, 0)
    cluster.until('three voters', () => of(cluster.get('c')) === 'abc+')
  })

  it('goes on with each member that leaves in its own time, down to the last', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    for (const left of ['bc', 'c']) {
      const leader = cluster.electLeader()
      cluster.depart(leader.name === 'c' ? 'b' : leader.name)
      cluster.until(
        `${left} alone`,
        () => cluster.leaders().length === 1 && of(cluster.leader()).length === left.length + 1,
      )
      cluster.propose(cluster.leader().name, left)
      cluster.run(1_000)
    }
    const [last] = cluster.alive
    expect(last!.commands).toEqual(['bc', 'c'])
  })

  it('of which two leave at once decides nothing until one of them is back', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const leader = cluster.electLeader()
    const [one, two] = cluster.alive.filter((node) => node !== leader)
    for (const { name } of [one!, two!]) cluster.depart(name)
    cluster.run(10_000)
    expect(cluster.leaders()).toEqual([])
    cluster.restart(one!.name)
    cluster.restart(two!.name)
    cluster.electLeader()
    cluster.until('all vote again', () => cluster.alive.every((node) => of(node) === 'abc+'))
  })

  it('is not disturbed by a voter that was replaced and comes back (Thesis §4.2.3)', () => {
    const cluster = new Cluster(['a', 'b', 'c'])
    const leader = cluster.electLeader()
    const { term: before } = leader
    const outcast = cluster.alive.find((node) => node !== leader)!
    cluster.add('d')
    cluster.run(1_000)
    for (const { name } of cluster.alive) if (name !== outcast.name) cluster.cut(outcast.name, name)
    cluster.run(RAFT.deadAfterMs + 5_000)
    expect(leader.context.configuration.voters).toContain(peerId('d'))
    expect(leader.context.configuration.voters).not.toContain(outcast.peer)
    cluster.healAll()
    cluster.run(10_000)
    expect(cluster.leader()).toBe(leader)
    expect(leader.term).toBe(before)
    expect(leader.context.configuration.learners).toEqual([outcast.peer])
  })

  it('elects a voter that those who must vote for it do not know as one yet (Thesis §4.1)', () => {
    const voter = new Rig({ learners: ['l'], voters: ['a', 'b', 'c', 'd'], log: [1] })
    voter.timeOut()
    voter.take()
    const configuration = { voters: ['a', 'b', 'c', 'd', 'l'].map(peerId), learners: [] }
    const newcomer = new Rig({ self: 'l', voters: ['a', 'b', 'c', 'd'], learners: ['l'], log: [1] })
    newcomer.hear('b', append(1, 2, 1, [{ ...entry(1), kind: 'configuration', configuration } as never]))
    newcomer.timeOut()
    expect(newcomer.role).toBe('preCandidate')
    voter.hear('l', requestVote(2, index(3), 1))
    expect(voter.answer()).toMatchObject({ type: 'RequestVoteResponse', granted: true })
  })

  it('is replaced one by one, and writes never stop', () => {
    const cluster = new Cluster(['a', 'b', 'c', 'd', 'e'])
    cluster.electLeader()
    const written: string[] = []
    for (const [place, old] of ['a', 'b', 'c', 'd', 'e'].entries()) {
      const fresh = 'vwxyz'[place]!
      cluster.depart(old)
      cluster.electLeader()
      cluster.add(fresh)
      cluster.until(`${fresh} votes`, () => cluster.leader().context.configuration.voters.includes(peerId(fresh)))
      written.push(fresh)
      cluster.propose(cluster.leader().name, fresh)
      cluster.run(1_000)
    }
    expect(of(cluster.leader())).toBe('vwxyz+')
    for (const { commands } of cluster.alive) expect(commands).toEqual(written)
  })
})

describe('any two majorities of one change', () => {
  it('share a member', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), (voters) => {
        const majority = (count: number): number => Math.floor(count / 2) + 1
        // One more voter: the larger set holds both majorities, and is too small to keep them apart.
        expect(majority(voters) + majority(voters + 1)).toBeGreaterThan(voters + 1)
      }),
    )
  })
})
