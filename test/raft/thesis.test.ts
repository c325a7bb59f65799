/** Raft, clause by clause, where the thesis ("Consensus: Bridging Theory and Practice") goes beyond the paper. */
import { describe, expect, it } from 'vitest'
import { RAFT_TIMING } from '../../src/limits.ts'
import { nextDeadlineMs } from '../../src/machines/raft/machine.ts'
import { peerId } from './cluster.ts'
import {
  append,
  index,
  matched,
  preVote,
  preVoteDenied,
  preVoteGranted,
  Rig,
  requestVote,
  term,
  voteGranted,
} from './rig.ts'

const typesTo = (rig: Rig): string[] =>
  rig.sent().flatMap(({ to, message }) => to.map((peer) => `${message.type} to ${peer}`))

describe('Thesis §3.10 leadership transfer', () => {
  it('goes to the voter whose log is the fullest', () => {
    const rig = new Rig().becomeSettledLeader()
    rig.propose('x')
    rig.hear('c', matched(2, 3))
    rig.take()
    rig.send({ type: 'raft.transferLeadership' })
    expect(rig.answer()).toEqual({ type: 'TimeoutNow', term: 2 })
    expect(rig.context.election.transfer).toMatchObject({ to: peerId('c') })
  })

  it('waits until the chosen one has caught up', () => {
    const rig = new Rig().becomeSettledLeader()
    rig.propose('x')
    rig.take()
    rig.send({ type: 'raft.transferLeadership', to: peerId('b') })
    expect(rig.sent()).toEqual([])
    rig.hear('b', matched(2, 3))
    expect(typesTo(rig)).toContain('TimeoutNow to b')
  })

  it('refuses commands meanwhile, and is given up after an election timeout', () => {
    const rig = new Rig().becomeSettledLeader()
    rig.send({ type: 'raft.transferLeadership', to: peerId('b') })
    rig.take()
    rig.propose('x')
    expect(rig.responses()).toMatchObject([{ kind: 'refused', code: 'NoLeader' }])
    for (let passed = 0; passed < RAFT_TIMING.electionTimeoutMs; passed += 500) {
      rig.tick(500)
      for (const peer of ['b', 'c']) rig.hear(peer, matched(2, 2, rig.context.reads.round))
    }
    rig.take()
    rig.propose('y')
    expect(rig.responses()).toEqual([])
    expect(rig.context.log.lastIndex).toBe(3)
  })

  it.each(['a', 'l', 'x'])('never goes to %s, who cannot lead instead', (to) => {
    const rig = new Rig({ learners: ['l'] }).becomeSettledLeader()
    rig.send({ type: 'raft.transferLeadership', to: peerId(to) })
    expect(rig.context.election.transfer).toBeNull()
  })

  it('makes the chosen one campaign at once, without pre-votes, saying why', () => {
    const rig = new Rig().follow('b')
    rig.hear('b', { type: 'TimeoutNow', term: term(1) })
    expect(rig.role).toBe('candidate')
    expect(rig.sent().at(-1)).toMatchObject({ to: ['b', 'c'], message: { type: 'RequestVote', transfer: true } })
  })

  it('is believed of the leader only, and by voters only', () => {
    const rig = new Rig().follow('b')
    rig.hear('c', { type: 'TimeoutNow', term: term(1) })
    expect(rig.role).toBe('follower')
    const learner = new Rig({ self: 'l', learners: ['l'] }).follow('b')
    learner.hear('b', { type: 'TimeoutNow', term: term(1) })
    expect(learner.role).toBe('follower')
  })

  it('wins over leader stickiness', () => {
    const rig = new Rig().follow('b')
    rig.hear('c', requestVote(2, 1, 1, true))
    expect(rig.answer()).toEqual({ type: 'RequestVoteResponse', term: 2, granted: true })
  })
})

describe('Thesis §4.2.3 disruptive servers', () => {
  it('a member that hears a leader denies votes, and keeps its term', () => {
    const rig = new Rig().follow('b')
    rig.hear('c', requestVote(7, 9, 7))
    expect(rig.answer()).toEqual({ type: 'RequestVoteResponse', term: 1, granted: false })
    rig.tick(RAFT_TIMING.electionTimeoutMs)
    rig.hear('c', requestVote(7, 9, 7))
    expect(rig.context.term).toBe(7)
  })

  it('so does the leader itself', () => {
    const rig = new Rig().becomeSettledLeader()
    rig.hear('c', requestVote(7, 9, 7))
    expect(rig.role).toBe('leader')
    expect(rig.context.term).toBe(2)
  })

  it.each(['b', 'l'] as const)(
    'a refusal by %s in a newer term makes it step down, also before it has introduced itself',
    (from) => {
      const rig = new Rig({ learners: ['l'] }).becomeSettledLeader()
      rig.lose(from)
      rig.send({ type: 'raft.bondFormed', peer: peerId(from) })
      rig.hear(from, { type: 'NewerTerm', term: term(5) })
      expect(rig.role).toBe('follower')
      expect(rig.context.term).toBe(5)
    },
  )
})

describe('Thesis §6.2 check-quorum', () => {
  it('a leader that hears from no majority for an election timeout steps down', () => {
    const rig = new Rig({ voters: ['a', 'b', 'c', 'd', 'e'] }).becomePreCandidate()
    for (const peer of ['b', 'c']) rig.hear(peer, preVoteGranted(2))
    for (const peer of ['b', 'c']) rig.hear(peer, voteGranted(2))
    rig.tick(RAFT_TIMING.electionTimeoutMs - 1)
    rig.hear('b', matched(2, 2))
    expect(rig.role).toBe('leader')
    rig.tick(1)
    expect(rig.role).toBe('follower')
    expect(rig.context).toMatchObject({ leader: null, term: 2 })
  })

  it('the answers of learners do not keep it', () => {
    const rig = new Rig({ learners: ['l', 'm'] }).becomeSettledLeader()
    rig.tick(RAFT_TIMING.electionTimeoutMs - 1)
    for (const peer of ['l', 'm']) rig.hear(peer, matched(2, 2))
    rig.tick(1)
    expect(rig.role).toBe('follower')
  })
})

describe('Raft §8, Thesis §6.4 ReadIndex', () => {
  it('a read waits for the no-op, then for a round begun after it', () => {
    const rig = new Rig().becomeLeader()
    rig.send({ type: 'raft.read', id: 1 })
    rig.hear('b', matched(2, 2, 1))
    expect(rig.responses()).toEqual([])
    const { round } = rig.context.reads
    rig.hear('c', matched(2, 2, round - 1))
    expect(rig.responses()).toEqual([])
    rig.hear('c', matched(2, 2, round))
    expect(rig.responses()).toEqual([{ kind: 'readReady', id: 1, index: 2 }])
  })

  it('reads that come while a round is under way share the next one', () => {
    const rig = new Rig().becomeSettledLeader()
    for (const id of [1, 2, 3]) rig.send({ type: 'raft.read', id })
    const first = rig.context.reads.round
    expect(rig.sent()).toHaveLength(1)
    rig.hear('b', matched(2, 2, first))
    const effects = rig.take()
    expect(effects).toMatchObject([
      { params: { kind: 'readReady', id: 1 } },
      { type: 'send', params: { message: { round: first + 1, entries: [] } } },
    ])
    rig.hear('c', matched(2, 2, first + 1))
    expect(rig.responses().map((one) => one.kind === 'readReady' && one.id)).toEqual([2, 3])
  })

  it('who refused what this leader sent in an older term confirms nothing in the term that both are in now', () => {
    const rig = new Rig({ self: 'b', term: 2 })
    rig.hear('a', { ...append(1, 1, 1, []), round: 9 })
    const refusal = rig.answer()!
    const leader = new Rig().becomeSettledLeader()
    const { progress } = leader.context
    leader.send({ type: 'raft.read', id: 1 })
    leader.hear('b', refusal)
    expect(leader.context.term).toBe(2)
    expect(leader.responses()).toEqual([])
    expect(leader.context.progress.get(peerId('b'))).toBe(progress.get(peerId('b')))
  })

  it('the answers of learners confirm nothing', () => {
    const rig = new Rig({ learners: ['l', 'm'] }).becomeSettledLeader()
    rig.send({ type: 'raft.read', id: 1 })
    for (const peer of ['l', 'm']) rig.hear(peer, matched(2, 2, rig.context.reads.round))
    expect(rig.responses()).toEqual([])
  })

  it('a group of one answers at once', () => {
    const rig = new Rig({ voters: ['a'] })
    rig.timeOut()
    rig.take()
    rig.send({ type: 'raft.read', id: 1 })
    expect(rig.responses()).toEqual([{ kind: 'readReady', id: 1, index: 2 }])
  })

  it('a follower asks its leader', () => {
    const rig = new Rig().follow('b')
    rig.send({ type: 'raft.read', id: 5 })
    expect(rig.answer()).toEqual({ type: 'ReadIndex', id: 5 })
    rig.hear('c', { type: 'ReadIndexResponse', id: 5, index: index(1) })
    expect(rig.responses()).toEqual([])
    rig.hear('b', { type: 'ReadIndexResponse', id: 5, index: index(4) })
    expect(rig.responses()).toEqual([{ kind: 'readReady', id: 5, index: 4 }])
  })

  it('the leader answers it like one of its own', () => {
    const rig = new Rig().becomeSettledLeader()
    rig.hear('c', { type: 'ReadIndex', id: 5 })
    rig.take()
    rig.hear('b', matched(2, 2, rig.context.reads.round))
    expect(rig.sent()).toMatchObject([{ to: ['c'], message: { type: 'ReadIndexResponse', id: 5, index: 2 } }])
  })

  it.each([
    ['no leader is known', new Rig(), () => {}],
    ['the bond to it breaks', new Rig().follow('b'), (rig: Rig) => rig.lose('b')],
    ['another leads', new Rig().follow('b'), (rig: Rig) => rig.hear('c', append(2, 1, 1, []))],
    ['no answer comes', new Rig().follow('b'), (rig: Rig) => heartbeatsWithoutAnswer(rig)],
    ['the disk fails', new Rig().follow('b'), (rig: Rig) => rig.send({ type: 'raft.storageFailed' })],
    ['this leader is deposed', new Rig().becomeSettledLeader(), (rig: Rig) => rig.hear('c', append(9, 1, 1, []))],
    ['it loses its majority', new Rig().becomeSettledLeader(), (rig: Rig) => rig.timeOut()],
    ['its own disk fails', new Rig().becomeSettledLeader(), (rig: Rig) => rig.send({ type: 'raft.storageFailed' })],
  ])('a read is lost when %s', (_, rig, happens) => {
    rig.send({ type: 'raft.read', id: 5 })
    happens(rig)
    expect(rig.responses()).toEqual([{ kind: 'readLost', id: 5 }])
  })

  function heartbeatsWithoutAnswer(rig: Rig): void {
    for (let round = 2; round < 8; round++) {
      rig.tick(RAFT_TIMING.heartbeatIntervalMs)
      rig.hear('b', append(1, 1, 1, [], 0, round))
    }
  }
})

describe('Thesis §9.6 pre-vote', () => {
  it('asks in the next term without adopting it, and writes nothing', () => {
    const rig = new Rig().becomePreCandidate()
    expect(rig.context).toMatchObject({ term: 1, votedFor: null })
    const effects = rig.take()
    expect(effects.some(({ type }) => type === 'persist')).toBe(false)
    expect(effects.at(-1)).toMatchObject({
      params: { to: [peerId('b'), peerId('c')], message: { type: 'PreVote', term: 2 } },
    })
  })

  it('campaigns only with the consent of a majority', () => {
    const rig = new Rig().becomePreCandidate()
    rig.hear('b', preVoteDenied(1))
    expect(rig.role).toBe('preCandidate')
    rig.hear('c', preVoteGranted(2))
    expect(rig.role).toBe('candidate')
  })

  it('goes back to waiting when a majority denies, its term untouched', () => {
    const rig = new Rig().becomePreCandidate()
    for (const peer of ['b', 'c']) rig.hear(peer, preVoteDenied(1))
    expect(rig.role).toBe('follower')
    expect(rig.context.term).toBe(1)
  })

  it('learns a newer term from a denial', () => {
    const rig = new Rig().becomePreCandidate()
    rig.hear('b', preVoteDenied(6))
    expect(rig.context.term).toBe(6)
    expect(rig.role).toBe('follower')
  })

  it('a consent to an earlier question does not count', () => {
    const rig = new Rig().becomePreCandidate()
    rig.hear('b', preVoteGranted(7))
    expect(rig.role).toBe('preCandidate')
    expect(rig.context.term).toBe(1)
  })

  it.each([
    ['a leader is heard', (rig: Rig) => rig.follow('b'), preVote(2, 9, 9), false],
    ['its log is older', (rig: Rig) => rig, preVote(2, 0, 0), false],
    ['its term is older', (rig: Rig) => rig, preVote(0, 9, 9), false],
    ['nothing speaks against it', (rig: Rig) => rig, preVote(2, 1, 1), true],
    ['it campaigns in our term, in which we have not voted', (rig: Rig) => rig, preVote(1, 1, 1), true],
  ])('is answered by how a vote would go: %s', (_, into, question, granted) => {
    const rig = into(new Rig())
    rig.take()
    rig.hear('c', question)
    expect(rig.answer()).toMatchObject({ type: 'PreVoteResponse', granted })
    expect(rig.context).toMatchObject({ term: 1, votedFor: null })
  })

  it.each([
    ['the other’s log is newer', 'c', preVote(2, 2, 1), true, 'follower'],
    ['the logs are alike and the other’s id is the smaller', 'a', preVote(2, 1, 1), true, 'follower'],
    ['the logs are alike and the other’s id is the larger', 'c', preVote(2, 1, 1), true, 'preCandidate'],
    ['the other’s log is older', 'a', preVote(2, 0, 0), false, 'preCandidate'],
  ])('of two that ask each other one gives way, so the vote is not split: %s', (_, other, question, granted, role) => {
    const rig = new Rig({ self: 'b', voters: ['a', 'b', 'c'], peers: ['a', 'c'] }).becomePreCandidate()
    rig.take()
    rig.hear(other, question)
    expect(rig.role).toBe(role)
    expect(rig.answer()).toMatchObject({ type: 'PreVoteResponse', granted })
    expect(rig.context).toMatchObject({ term: 1, votedFor: null })
  })

  it('who refused while it heard a leader is asked again when it asks itself', () => {
    const rig = new Rig({ log: [1] }).becomePreCandidate()
    rig.hear('b', preVoteDenied(1))
    rig.take()
    rig.hear('b', preVote(2, 1, 1))
    expect(typesTo(rig)).toEqual(['PreVoteResponse to b', 'PreVote to b'])
    rig.hear('b', preVote(2, 1, 1))
    expect(typesTo(rig)).toEqual(['PreVoteResponse to b'])
    rig.hear('b', preVoteGranted(2))
    expect(rig.role).toBe('candidate')
  })

  it('who gave way asks again as soon as the other has had its turn', () => {
    const rig = new Rig().becomePreCandidate()
    rig.hear('b', preVote(2, 2, 1))
    expect(rig.role).toBe('follower')
    expect(nextDeadlineMs(rig.context) - rig.nowMs).toBe(RAFT_TIMING.hintPauseMaxMs)
    rig.tick(RAFT_TIMING.hintPauseMaxMs)
    expect(rig.role).toBe('preCandidate')
  })

  it('a pre-candidate that votes for another lets it lead', () => {
    const rig = new Rig().becomePreCandidate()
    rig.hear('b', requestVote(1, 1, 1))
    expect(rig.role).toBe('follower')
    expect(rig.context.votedFor).toBe(peerId('b'))
  })

  it.each([
    ['pre-candidate', (rig: Rig) => rig.becomePreCandidate(), 'PreVote to d'],
    ['candidate', (rig: Rig) => rig.becomeCandidate(), 'RequestVote to d'],
  ])('a %s asks a voter that bonds later', (_, into, asked) => {
    const rig = into(new Rig({ voters: ['a', 'b', 'c', 'd', 'e'], peers: ['b', 'c'] }))
    rig.take()
    rig.bond('d')
    expect(typesTo(rig)).toEqual(['Introduce to d', asked])
  })
})

describe('a lost bond to the leader', () => {
  it('makes a voter ask for pre-votes after a short random pause', () => {
    const rig = new Rig().follow('b')
    rig.lose('b')
    const pauseMs = nextDeadlineMs(rig.context) - rig.nowMs
    expect(pauseMs).toBeGreaterThanOrEqual(RAFT_TIMING.hintPauseMinMs)
    expect(pauseMs).toBeLessThan(RAFT_TIMING.hintPauseMaxMs)
    rig.tick(Math.ceil(pauseMs))
    expect(rig.role).toBe('preCandidate')
  })

  it('is no matter when it was another peer', () => {
    const rig = new Rig().follow('b')
    rig.lose('c')
    expect(nextDeadlineMs(rig.context) - rig.nowMs).toBeGreaterThanOrEqual(RAFT_TIMING.electionTimeoutMs)
  })

  it('lets this member consent, and go after the one that asked', () => {
    const rig = new Rig().follow('b')
    rig.lose('b')
    rig.hear('c', preVote(2, 1, 1))
    expect(rig.answer()).toMatchObject({ granted: true })
    expect(nextDeadlineMs(rig.context) - rig.nowMs).toBe(RAFT_TIMING.hintPauseMaxMs)
  })
})

describe('a lost introduction', () => {
  it('is said again by who has no leader', () => {
    const rig = new Rig()
    rig.tick(RAFT_TIMING.electionTimeoutMs)
    expect(typesTo(rig)).toContain('Introduce to b')
  })

  it('is said again by a learner that still believes in a leader it no longer hears', () => {
    const rig = new Rig({ self: 'l', learners: ['l'] })
    rig.hear('a', append(1, 1, 1, []))
    rig.tick(RAFT_TIMING.electionTimeoutMs - 1)
    expect(typesTo(rig)).not.toContain('Introduce to b')
    rig.tick(RAFT_TIMING.electionTimeoutMs)
    expect(rig.context.leader).toBe(peerId('a'))
    expect(typesTo(rig)).toContain('Introduce to b')
  })

  it('is said again by a leader to whom it does not hear from, and to them alone', () => {
    const rig = new Rig().becomeSettledLeader()
    for (let passed = 0; passed < 2 * RAFT_TIMING.electionTimeoutMs; passed += 500) {
      rig.tick(500)
      rig.hear('b', matched(2, 2, rig.context.reads.round))
    }
    const introduced = rig.sent().filter(({ message }) => message.type === 'Introduce')
    expect(new Set(introduced.flatMap(({ to }) => to))).toEqual(new Set(['c']))
  })

  it('does not make a leader deaf to the answers of its follower', () => {
    const rig = new Rig({ learners: ['l'] }).becomeSettledLeader()
    rig.lose('l')
    rig.bond('l', null)
    rig.hear('l', matched(2, 2))
    expect(rig.context.peers.get(peerId('l'))?.formation).toBe(rig.context.formation.id)
  })
})

describe('a failed disk', () => {
  it('silences the member for good', () => {
    const rig = new Rig().becomeSettledLeader()
    rig.send({ type: 'raft.storageFailed' })
    expect(rig.role).toBe('failed')
    expect(rig.sent()).toEqual([])
  })
})
