/** Raft, clause by clause: "In Search of an Understandable Consensus Algorithm", extended version. */
import { describe, expect, it } from 'vitest'
import { RAFT, RAFT_TIMING } from '../../src/limits.ts'
import type { FormationId } from '../../src/machines/raft/messages.ts'
import { nameOf, peerId } from './cluster.ts'
import {
  append,
  entry,
  matched,
  preVote,
  preVoteGranted,
  Rig,
  rejectedAt,
  requestVote,
  term,
  voteDenied,
  voteGranted,
} from './rig.ts'

const entriesSent = (rig: Rig): { to: string; terms: number[]; prev: number; commit: number }[] =>
  rig.sent().flatMap(({ to, message }) =>
    message.type === 'AppendEntries'
      ? to.map((peer) => ({
          to: peer,
          terms: message.entries.map((one) => one.term as number),
          prev: message.prevIndex as number,
          commit: message.commit as number,
        }))
      : [],
  )

describe('§5.1 terms', () => {
  it.each([
    ['follower', () => new Rig({ term: 3 })],
    ['pre-candidate', () => new Rig({ term: 3 }).becomePreCandidate()],
    ['candidate', () => new Rig({ term: 2 }).becomeCandidate()],
    ['leader', () => new Rig({ term: 2 }).becomeLeader()],
  ])('a %s that sees a newer term adopts it, on disk, and follows', (_, make) => {
    const rig = make()
    rig.take()
    rig.hear('b', append(9, 1, 1, []))
    expect(rig.role).toBe('follower')
    expect(rig.context).toMatchObject({ term: 9, votedFor: null, leader: peerId('b') })
    const [write] = rig.take().flatMap((one) => (one.type === 'persist' ? [one.params] : []))
    expect(write?.hardState).toMatchObject({ term: 9, votedFor: null })
  })

  it('a request of an older term is refused, and told the newer one', () => {
    const rig = new Rig({ term: 5 })
    rig.hear('b', append(4, 1, 1, []))
    expect(rig.answer()).toEqual({ type: 'NewerTerm', term: 5 })
    rig.hear('b', requestVote(4, 9, 4))
    expect(rig.answer()).toEqual({ type: 'NewerTerm', term: 5 })
  })

  it('an answer of an older term is ignored', () => {
    const rig = new Rig({ term: 5 }).becomeCandidate()
    rig.hear('b', voteGranted(5))
    expect(rig.role).toBe('candidate')
    rig.hear('b', voteGranted(6))
    rig.take()
    const before = rig.context.progress
    rig.hear('b', matched(5, 2))
    rig.hear('b', rejectedAt(5, 1, 0, 0))
    expect(rig.context.progress).toBe(before)
  })
})

describe('§5.2 leader election', () => {
  it('a follower remains one as long as it hears from its leader', () => {
    const rig = new Rig()
    for (let beats = 0; beats < 20; beats++) {
      rig.tick(RAFT_TIMING.electionTimeoutMs - 1)
      rig.hear('b', append(1, 1, 1, [], 0, beats))
    }
    expect(rig.role).toBe('follower')
  })

  it('a candidate increments its term and votes for itself, on disk before it asks', () => {
    const rig = new Rig({ term: 4 }).becomeCandidate()
    expect(rig.context).toMatchObject({ term: 5, votedFor: peerId('a') })
    const effects = rig.take()
    const write = effects.findLast((one) => one.type === 'persist')!
    const asked = effects.flatMap((one) =>
      one.type === 'send' && one.params.message.type === 'RequestVote' ? [one.params] : [],
    )
    expect(write.params).toMatchObject({ hardState: { term: 5, votedFor: peerId('a') } })
    expect(asked.map(({ to, after }) => ({ to: to.map(nameOf), after }))).toEqual([
      { to: ['b', 'c'], after: (write.params as { number: number }).number },
    ])
  })

  it('it becomes leader with the votes of a majority, its own among them', () => {
    const rig = new Rig({ voters: ['a', 'b', 'c', 'd', 'e'] }).becomePreCandidate()
    for (const peer of ['b', 'c']) rig.hear(peer, preVoteGranted(2))
    rig.hear('b', voteGranted(2))
    rig.hear('b', voteGranted(2))
    expect(rig.role).toBe('candidate')
    rig.hear('c', voteGranted(2))
    expect(rig.role).toBe('leader')
  })

  it('a candidate that needs no other vote waits for its own to be on its disk', () => {
    const rig = new Rig({ disk: false, voters: ['a'] })
    rig.timeOut()
    expect([rig.role, rig.context.term]).toEqual(['candidate', 2])
    rig.send({ type: 'raft.persisted', number: rig.context.writes.issued })
    expect([rig.role, rig.context.term]).toEqual(['leader', 2])
  })

  it('a member votes once in a term, first come first served, on disk before it tells', () => {
    const rig = new Rig()
    rig.hear('b', requestVote(2, 1, 1))
    const effects = rig.take()
    const last = effects.findLast((one) => one.type === 'persist')!.params as { number: number }
    expect(last).toMatchObject({ hardState: { term: 2, votedFor: peerId('b') } })
    expect(effects.at(-1)).toMatchObject({ params: { message: { granted: true, term: 2 }, after: last.number } })
    rig.hear('c', requestVote(2, 1, 1))
    expect(rig.answer()).toMatchObject({ granted: false })
    rig.hear('b', requestVote(2, 1, 1))
    expect(rig.answer()).toMatchObject({ granted: true })
  })

  it('a vote given in a term is remembered over a restart', () => {
    const rig = new Rig({ term: 2, votedFor: 'b' })
    rig.hear('c', requestVote(2, 1, 1))
    expect(rig.answer()).toMatchObject({ granted: false })
  })

  it('a vote postpones the own campaign; a denial does not', () => {
    const rig = new Rig({ log: [1] })
    rig.tick(1_000)
    const deadline = rig.context.election.deadlineMs
    rig.hear('b', requestVote(1, 1, 1))
    expect(rig.context.election.deadlineMs).toBe(deadline)
    rig.hear('b', requestVote(1, 2, 1))
    expect(rig.context.election.deadlineMs).toBeGreaterThan(deadline)
  })

  it.each([
    ['candidate', (rig: Rig) => rig.becomeCandidate()],
    ['pre-candidate', (rig: Rig) => rig.becomePreCandidate()],
  ])('a %s that hears a leader of its own term follows it', (_, into) => {
    const rig = into(new Rig())
    rig.hear('b', append(rig.context.term, 1, 1, []))
    expect(rig.role).toBe('follower')
    expect(rig.context.leader).toBe(peerId('b'))
  })

  it('a leader of an older term is no leader', () => {
    const rig = new Rig({ term: 3 }).becomeCandidate()
    rig.hear('b', append(3, 1, 1, []))
    expect(rig.role).toBe('candidate')
  })

  it('a split vote is followed by a random wait and another campaign', () => {
    const rig = new Rig().becomeCandidate()
    for (const peer of ['b', 'c']) rig.hear(peer, voteDenied(2))
    expect(rig.role).toBe('follower')
    expect(rig.context.election.deadlineMs - rig.nowMs).toBeGreaterThanOrEqual(RAFT_TIMING.hintPauseMinMs)
    rig.tick(RAFT_TIMING.electionJitterMs)
    expect(rig.role).toBe('preCandidate')
  })

  it('a candidate without enough answers begins again', () => {
    const rig = new Rig().becomeCandidate()
    rig.timeOut()
    expect(rig.role).toBe('preCandidate')
  })

  it('election timeouts are drawn anew within their bounds', () => {
    const rig = new Rig()
    const drawn = new Set<number>()
    for (let times = 0; times < 10; times++) {
      rig.timeOut()
      drawn.add(rig.context.election.timeoutMs)
    }
    expect(drawn.size).toBe(10)
    const { electionTimeoutMs, electionJitterMs } = RAFT_TIMING
    for (const one of drawn) expect(one >= electionTimeoutMs && one < electionTimeoutMs + electionJitterMs).toBe(true)
  })

  it('a leader sends heartbeats to all at each interval', () => {
    const rig = new Rig().becomeSettledLeader()
    rig.tick(RAFT_TIMING.heartbeatIntervalMs - 1)
    expect(rig.sent()).toEqual([])
    rig.tick(1)
    expect(entriesSent(rig)).toMatchObject([
      { to: 'b', terms: [] },
      { to: 'c', terms: [] },
    ])
  })
})

describe('§5.3 log replication', () => {
  it('a leader appends a command and sends it to all, encoded once', () => {
    const rig = new Rig().becomeSettledLeader()
    rig.propose('x', 'y')
    const [persist, send] = rig.take()
    expect(persist).toMatchObject({ type: 'persist', params: { from: 3, entries: [{ term: 2, timeMs: 77 }, {}] } })
    expect(send).toMatchObject({
      params: { to: [peerId('b'), peerId('c')], message: { prevIndex: 2, entries: [{}, {}] } },
    })
  })

  it('an entry is committed when a majority has it, applied, and followers are told at once', () => {
    const rig = new Rig().becomeSettledLeader()
    rig.propose('x')
    rig.take()
    rig.hear('b', matched(2, 3))
    expect(rig.context.commitIndex).toBe(3)
    const effects = rig.take()
    expect(effects[0]).toMatchObject({ type: 'apply', params: { from: 3, entries: [{ kind: 'commands' }] } })
    expect(effects.slice(1)).toMatchObject([
      { params: { to: [peerId('b'), peerId('c')], message: { commit: 3, entries: [] } } },
    ])
  })

  it('a leader counts its own copy only once it is on its disk (Thesis §10.2.1)', () => {
    const rig = new Rig({ disk: false }).becomeLeader()
    rig.hear('b', matched(2, 2))
    expect(rig.context.commitIndex).toBe(0)
    rig.send({ type: 'raft.persisted', number: rig.context.writes.issued })
    expect(rig.context.commitIndex).toBe(2)
  })

  it('what was cut is on no disk any more, even if a write of it is still to be answered', () => {
    const rig = new Rig({ disk: false, log: [1] })
    expect(rig.context.writes.durableIndex).toBe(2)
    rig.hear('b', append(1, 2, 1, [entry(1), entry(1)]))
    const { issued } = rig.context.writes
    rig.hear('c', append(2, 1, 1, [entry(2), entry(2), entry(2)]))
    expect(rig.context.writes.durableIndex).toBe(1)
    rig.send({ type: 'raft.persisted', number: issued })
    expect(rig.context.writes.durableIndex).toBe(1)
    rig.send({ type: 'raft.persisted', number: rig.context.writes.issued })
    expect(rig.context.writes.durableIndex).toBe(4)
  })

  it('its AppendEntries wait for its term, not for its entries (Thesis §10.2.1)', () => {
    const rig = new Rig({ disk: false }).becomeLeader()
    const { hardState, issued } = rig.context.writes
    expect(issued).toBeGreaterThan(hardState)
    const sent = rig.sent().filter(({ message }) => message.type === 'AppendEntries')
    expect(sent.map(({ after }) => after)).toEqual([hardState])
  })

  it('a follower answers only once the entries are on its disk', () => {
    const rig = new Rig({ disk: false })
    rig.hear('b', append(1, 1, 1, [entry(1)]))
    const [answer] = rig.sent()
    expect(answer).toMatchObject({ after: rig.context.writes.issued, message: { matchIndex: 2 } })
    expect(answer!.after).toBeGreaterThan(0)
  })

  it('a follower applies up to the leader commit index, but only what this message vouched for', () => {
    const rig = new Rig({ log: [1, 1, 1] })
    rig.hear('b', append(2, 2, 1, [], 9))
    expect(rig.context.commitIndex).toBe(2)
    rig.hear('b', append(2, 2, 1, [entry(1)], 9, 2))
    expect(rig.context.commitIndex).toBe(3)
  })

  it('the commit index never falls', () => {
    const rig = new Rig({ log: [1, 1] })
    rig.hear('b', append(2, 3, 1, [], 3))
    rig.hear('b', append(2, 3, 1, [], 1, 2))
    expect(rig.context.commitIndex).toBe(3)
  })

  it.each([
    ['misses entries', [1], 4, 2, { hintIndex: 2, hintTerm: 1 }],
    ['has another term there', [1, 2, 2, 2], 5, 3, { hintIndex: 5, hintTerm: 2 }],
    ['has a whole newer term there', [1, 4, 4, 4], 5, 3, { hintIndex: 2, hintTerm: 1 }],
  ])('a follower that %s rejects, with a hint by term', (_, log, prevIndex, prevTerm, hint) => {
    const rig = new Rig({ log, term: 5 })
    rig.hear('b', append(5, prevIndex, prevTerm, [entry(5)]))
    expect(rig.answer()).toMatchObject({ type: 'AppendEntriesRejection', prevIndex, ...hint })
  })

  it('a conflicting entry and all that follow it are cut, on disk too', () => {
    const rig = new Rig({ log: [1, 2, 2, 2], term: 3 })
    rig.hear('b', append(3, 2, 1, [entry(3)]))
    expect(rig.terms).toEqual([1, 3])
    expect(rig.take()[0]).toMatchObject({ type: 'persist', params: { from: 3, entries: [{ term: 3 }] } })
  })

  it('entries that are there already stay, and so do those behind them', () => {
    const rig = new Rig({ log: [1, 1, 1], term: 2 })
    rig.hear('b', append(2, 1, 1, [entry(1)]))
    expect(rig.terms).toEqual([1, 1, 1])
    expect(rig.answer()).toMatchObject({ type: 'AppendEntriesResponse', matchIndex: 2 })
  })

  it('a committed entry is never replaced: the member stops instead', () => {
    const rig = new Rig({ log: [1, 1], term: 2 })
    rig.hear('b', append(2, 3, 1, [], 3))
    rig.hear('b', append(2, 1, 1, [entry(2)], 3))
    expect(rig.errors).toMatchObject([{ code: 'ProtocolAssertion' }])
  })

  it('a leader looks further back after a rejection, whole terms at a time', () => {
    const rig = new Rig({ log: [1, 1, 4, 4, 4], term: 4 }).becomeLeader()
    rig.take()
    rig.hear('b', rejectedAt(5, 6, 5, 2))
    expect(entriesSent(rig)).toEqual([{ to: 'b', prev: 3, terms: [4, 4, 4, 5], commit: 0 }])
  })

  it('a late rejection changes nothing', () => {
    const rig = new Rig().becomeSettledLeader()
    rig.hear('b', rejectedAt(2, 1, 0, 0))
    expect(rig.sent()).toEqual([])
    expect(rig.context.progress.get(peerId('b'))).toMatchObject({ state: 'replicate', match: 2 })
  })

  it('Figure 7: every kind of follower ends with the log of the leader', () => {
    const leaderLog = [1, 1, 4, 4, 5, 5, 6, 6, 6]
    const figure = {
      a: [1, 1, 4, 4, 5, 5, 6, 6],
      b: [1],
      c: [1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      d: [1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      e: [1, 1, 4, 4, 4, 4],
      f: [1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    }
    for (const log of Object.values(figure)) {
      const leader = new Rig({ log: leaderLog, term: 7 }).becomeLeader()
      const follower = new Rig({ self: 'b', log, term: 7 })
      follower.take()
      for (let messages = leader.sent(), hops = 0; messages.length > 0; messages = leader.sent(), hops++) {
        expect(hops).toBeLessThan(8)
        for (const { to, message } of messages) {
          if (!to.includes('b') || message.type !== 'AppendEntries') continue
          follower.hear('a', message)
          for (const back of follower.sent()) leader.hear('b', back.message)
        }
      }
      expect(follower.terms).toEqual([...leaderLog, 8])
    }
  })

  it('what is under way to one follower is bounded', () => {
    const rig = new Rig().becomeSettledLeader()
    for (let count = 0; count < RAFT.inFlightMessagesMax + 10; count++) rig.propose('x')
    const toB = entriesSent(rig).filter(({ to }) => to === 'b')
    expect(toB).toHaveLength(RAFT.inFlightMessagesMax)
    rig.hear('b', matched(2, 3))
    const more = entriesSent(rig).filter(({ to, terms }) => to === 'b' && terms.length > 0)
    expect(more.map(({ terms }) => terms.length)).toEqual([10])
  })

  it('uncommitted bytes are bounded: past that, Busy, and the commands are handed back', () => {
    const rig = new Rig().becomeSettledLeader()
    const big = 'x'.repeat(RAFT.commandBytesMax)
    for (let count = 0; count <= RAFT.uncommittedBytesMax / RAFT.commandBytesMax; count++) rig.propose(big)
    expect(rig.responses()).toMatchObject([{ kind: 'refused', code: 'Busy', proposals: [{ kind: 'commands' }] }])
    rig.hear('b', matched(2, rig.context.log.lastIndex))
    rig.take()
    rig.propose('y')
    expect(rig.responses()).toEqual([])
  })
})

describe('§5.4.1 election restriction', () => {
  it.each([
    ['an older last term, however long', 9, 1, false],
    ['the same last term, shorter', 3, 2, false],
    ['the same last term, as long', 4, 2, true],
    ['the same last term, longer', 5, 2, true],
    ['a newer last term, however short', 1, 3, true],
  ])('a log with %s: granted is %s', (_, lastIndex, lastTerm, granted) => {
    const rig = new Rig({ log: [1, 2, 2], term: 3 })
    rig.hear('b', requestVote(4, lastIndex, lastTerm))
    expect(rig.answer()).toMatchObject({ granted })
  })
})

describe('§5.4.2 committing entries from previous terms', () => {
  it('Figure 8: an entry of an older term is not committed by its copies', () => {
    const rig = new Rig({ log: [2], term: 3 }).becomeLeader()
    rig.hear('b', matched(4, 2))
    expect(rig.context.commitIndex).toBe(0)
    rig.hear('b', matched(4, 3))
    expect(rig.context.commitIndex).toBe(3)
  })
})

describe('§6 membership', () => {
  it('a configuration is in force as soon as it is in the log, and until it is cut out again', () => {
    const rig = new Rig({ term: 2 })
    const next = { voters: ['a', 'b', 'c'].map(peerId), learners: [peerId('d')] }
    rig.hear('b', append(2, 1, 1, [{ kind: 'configuration', term: term(2), timeMs: 0, configuration: next }]))
    expect(rig.context.configuration).toEqual(next)
    rig.hear('c', append(3, 1, 1, [entry(3)]))
    expect(rig.context.configuration.learners).toEqual([])
  })

  it('newcomers are admitted as learners, one at a time, and only once an entry of this term is committed', () => {
    const rig = new Rig().becomeLeader()
    rig.bond('d', null)
    rig.bond('e', null)
    expect(rig.context.configuration.learners).toEqual([])
    rig.hear('b', matched(2, 2))
    expect(rig.context.configuration.learners.map(nameOf)).toEqual(['d'])
    rig.hear('b', matched(2, 3))
    expect(rig.context.configuration.learners.map(nameOf)).toEqual(['d', 'e'])
  })

  it('a second change waits until the first is committed', () => {
    const rig = new Rig().becomeSettledLeader()
    for (const peer of ['d', 'e']) rig.bond(peer, null)
    expect(rig.context.configuration.learners.map(nameOf)).toEqual(['d'])
    rig.hear('b', matched(2, rig.context.log.lastIndex))
    expect(rig.context.configuration.learners.map(nameOf)).toEqual(['d', 'e'])
  })

  it('a newcomer without a log is sent all of it at once', () => {
    const rig = new Rig({ log: [1, 1] }).becomeSettledLeader()
    rig.bond('d', null)
    const toNewcomer = entriesSent(rig).filter(({ to }) => to === 'd')
    expect(toNewcomer).toEqual([{ to: 'd', prev: 0, terms: [1, 1, 1, 2, 2], commit: 4 }])
  })

  it('a learner counts in no majority', () => {
    const rig = new Rig({ learners: ['l', 'm'] }).becomeLeader()
    for (const peer of ['l', 'm']) rig.hear(peer, matched(2, 2))
    expect(rig.context.commitIndex).toBe(0)
    rig.hear('c', matched(2, 2))
    expect(rig.context.commitIndex).toBe(2)
  })

  it('a learner never campaigns', () => {
    const rig = new Rig({ self: 'l', learners: ['l'] })
    for (let times = 0; times < 5; times++) rig.timeOut()
    rig.follow('b')
    rig.lose('b')
    rig.timeOut()
    expect(rig.role).toBe('follower')
    expect(rig.context.election.deadlineMs).toBe(Number.POSITIVE_INFINITY)
  })

  it.each(['l', 'x'])('nobody votes for %s, who has no vote itself, nor adopts its term', (from) => {
    const rig = new Rig({ learners: ['l'], peers: ['b', 'c', 'l', 'x'], log: [1] })
    rig.hear(from, requestVote(9, 1, 1))
    rig.hear(from, requestVote(9, 2, 1))
    rig.hear(from, preVote(9, 2, 1))
    expect(rig.sent()).toEqual([])
    expect(rig.context.term).toBe(1)
  })

  it.each(['l', 'x'])('unless its log is newer: an entry we lack may have made %s a voter (Thesis §4.1)', (from) => {
    const rig = new Rig({ learners: ['l'], peers: ['b', 'c', 'l', 'x'], log: [1] })
    rig.hear(from, requestVote(2, 3, 1))
    expect(rig.answer()).toEqual({ type: 'RequestVoteResponse', term: 2, granted: true })
  })

  it('what another formation says touches nothing', () => {
    const rig = new Rig({ peers: ['c'] })
    rig.bond('b', 'e'.padEnd(32, '0') as FormationId)
    expect(rig.responses()).toMatchObject([{ kind: 'rivalGroup', peer: peerId('b') }])
    rig.hear('b', append(9, 0, 0, [entry(9)]))
    rig.hear('b', requestVote(9, 9, 9))
    expect(rig.context.term).toBe(1)
    expect(rig.take()).toEqual([])
  })
})

describe('§8 client interaction', () => {
  it('a new leader begins its term with a no-op', () => {
    const rig = new Rig().becomeLeader()
    expect(rig.context.log.entryAt(2)).toMatchObject({ kind: 'noop', term: 2 })
  })

  it('a follower forwards commands to its leader, and refuses them when it knows none', () => {
    const rig = new Rig()
    rig.propose('x')
    expect(rig.responses()).toMatchObject([{ kind: 'refused', code: 'NoLeader', proposals: [{ kind: 'commands' }] }])
    rig.follow('b')
    rig.propose('x')
    expect(rig.sent()).toMatchObject([{ to: ['b'], message: { type: 'Propose', proposals: [{ kind: 'commands' }] } }])
  })

  it('a leader stamps what is forwarded with its own time', () => {
    const rig = new Rig().becomeSettledLeader()
    rig.hear('b', { type: 'Propose', proposals: [{ kind: 'session', nonce: 'n' }] })
    expect(rig.context.log.entryAt(3)).toEqual({ kind: 'session', nonce: 'n', term: 2, timeMs: rig.nowMs })
  })
})
