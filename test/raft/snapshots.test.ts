/** Log compaction: Raft §7 and figure 13, clause by clause, and what this project adds for those who catch up under load. */
import { describe, expect, it } from 'vitest'
import { BEGINNING } from '../../src/actors/storage/storage.ts'
import { RAFT, RAFT_TIMING } from '../../src/limits.ts'
import type { FormationId, RaftMessage, Snapshot } from '../../src/machines/raft/messages.ts'
import type { Effect } from '../../src/machines/raft/step.ts'
import { Cluster, type Node, nameOf, peerId } from './cluster.ts'
import { append, entry, GROUP, index, matched, Rig, rejectedAt, requestVote, term } from './rig.ts'

const VOTERS = ['a', 'b', 'c'].map(peerId)
const AT_FIRST = { index: index(1), configuration: { voters: VOTERS, learners: [] } }

function snapshot(at: number, changes: Partial<Snapshot> = {}): Snapshot {
  const checksum = `${at}`.padStart(64, '0')
  const place = { index: index(at), term: term(1), configuration: AT_FIRST, founders: VOTERS }
  return { ...place, chunks: 3, bytes: 10, checksum, ...changes }
}

const chunk = (at: number, of: Snapshot, inTerm = 1): RaftMessage => {
  return { type: 'InstallSnapshot', term: term(inTerm), snapshot: of, chunk: at, data: Uint8Array.of(at) }
}
const chunksHeld = (at: number, next: number, inTerm = 1): RaftMessage => {
  return { type: 'InstallSnapshotResponse', term: term(inTerm), index: index(at), next }
}

type Params<T extends Effect['type']> = Extract<Effect, { readonly type: T }>['params']
function only<T extends Effect['type']>(effects: readonly Effect[], type: T): Params<T>[] {
  return effects.flatMap((effect) => (effect.type === type ? [effect.params as Params<T>] : []))
}
const writes = (rig: Rig) => only(rig.take(), 'persist').flatMap((write) => write.snapshot ?? [])

/** A leader of `a`, `b`, `c` that is told to compact early; all that it proposes is answered by `b` at once. */
function leaderWith(compaction: object, peers = ['b', 'c']): Rig {
  const rig = new Rig({ compaction: { trailingMax: 0, ...compaction }, peers })
  rig.becomeLeader()
  for (const peer of peers) rig.hear(peer, matched(rig.context.term, rig.context.log.lastIndex))
  rig.take()
  return rig
}
function commit(rig: Rig, count: number, by: readonly string[] = ['b', 'c']): void {
  for (let i = 0; i < count; i++) {
    rig.propose('x')
    const { lastIndex } = rig.context.log
    for (const peer of by)
      if (rig.context.progress.has(peerId(peer)) && rig.context.peers.has(peerId(peer)))
        rig.hear(peer, matched(rig.context.term, lastIndex))
  }
}
/** The snapshot that was asked for last is on disk. */
function save(rig: Rig, changes: Partial<Snapshot> = {}): Snapshot {
  const point = only(rig.take(), 'takeSnapshot').at(-1)
  if (point === undefined) throw new Error('no snapshot was asked for')
  const saved = snapshot(point.index, { ...point, ...changes })
  rig.send({ type: 'raft.snapshotSaved', snapshot: saved })
  return saved
}

describe('§7 a member takes a snapshot', () => {
  it('after so many applied entries, of exactly what is applied', () => {
    const rig = leaderWith({ entriesMax: 5 })
    commit(rig, 2)
    expect(only(rig.take(), 'takeSnapshot')).toEqual([])
    commit(rig, 1)
    const { term: now, commitIndex } = rig.context
    expect(only(rig.take(), 'takeSnapshot')).toEqual([
      { index: commitIndex, term: now, configuration: AT_FIRST, founders: rig.context.formation.voters },
    ])
    expect(commitIndex).toBe(5)
  })

  it('after what it applied, before anything else is', () => {
    const rig = leaderWith({ entriesMax: 3 })
    commit(rig, 1)
    const types = rig.take().map(({ type }) => type)
    expect(types.indexOf('takeSnapshot')).toBe(types.indexOf('apply') + 1)
  })

  it('after so many bytes, however few the entries', () => {
    const rig = leaderWith({ entriesMax: 1_000, bytesMax: 3_000 })
    rig.propose('y'.repeat(3_000))
    rig.hear('b', matched(rig.context.term, rig.context.log.lastIndex))
    expect(only(rig.take(), 'takeSnapshot')).toHaveLength(1)
  })

  it('not before the log has grown by as much as the last snapshot was large (Thesis §5.1.2)', () => {
    const rig = leaderWith({ entriesMax: 3 })
    commit(rig, 1)
    save(rig, { bytes: 400 })
    commit(rig, 3)
    expect(only(rig.take(), 'takeSnapshot')).toEqual([])
    commit(rig, 6)
    expect(only(rig.take(), 'takeSnapshot')).toHaveLength(1)
  })

  it('one at a time', () => {
    const rig = leaderWith({ entriesMax: 3 })
    commit(rig, 10)
    expect(only(rig.take(), 'takeSnapshot')).toHaveLength(1)
  })

  it('and where that came to nothing keeps its log and takes the next one', () => {
    const rig = leaderWith({ entriesMax: 3 })
    commit(rig, 1)
    rig.send({ type: 'raft.snapshotAbandoned' })
    expect(rig.context.log.offset).toBe(0)
    rig.take()
    commit(rig, 3)
    expect(only(rig.take(), 'takeSnapshot')).toHaveLength(1)
  })

  it('as a follower too, of what it has applied', () => {
    const rig = new Rig({ self: 'b', compaction: { entriesMax: 3 } })
    rig.hear('a', append(1, 1, 1, [entry(1), entry(1)], 3))
    expect(only(rig.take(), 'takeSnapshot')).toMatchObject([{ index: 3, term: 1 }])
  })
})

describe('§7 the log', () => {
  it('is cut only once the snapshot is on disk, and never past it', () => {
    const rig = leaderWith({ entriesMax: 3 })
    commit(rig, 1)
    expect(rig.context.log.offset).toBe(0)
    rig.propose('behind the snapshot')
    const { index: at } = save(rig)
    expect(rig.context.log.offset).toBe(at)
    expect(rig.context.log.lastIndex).toBe(at + 1)
    expect(writes(rig)).toEqual([{ kind: 'compact', base: { index: at, term: rig.context.term } }])
  })

  it('keeps a tail for those who are a little behind', () => {
    const rig = leaderWith({ entriesMax: 10, trailingMax: 4 })
    commit(rig, 8)
    const { index: at } = save(rig)
    expect(rig.context.log.offset).toBe(at - 4)
  })

  it('keeps no tail of more than so many bytes', () => {
    const rig = leaderWith({ entriesMax: 10, trailingMax: 8, trailingBytesMax: 120 })
    commit(rig, 8)
    const { index: at } = save(rig)
    expect(rig.context.log.offset).toBe(at - 2)
  })

  it('still tells the term of the last entry it lost, and answers as before', () => {
    const rig = leaderWith({ entriesMax: 3 })
    commit(rig, 1)
    const { index: at } = save(rig)
    expect(rig.context.log.termAt(at)).toBe(rig.context.term)
    expect(rig.context.log.termAt(at - 1)).toBeUndefined()
    rig.take()
    commit(rig, 1)
    expect(rig.context.commitIndex).toBe(at + 1)
  })

  it('keeps what a follower that answers still lacks, but not for one that is silent', () => {
    const rig = leaderWith({ entriesMax: 10 })
    commit(rig, 8, ['b'])
    save(rig)
    // c has answered a moment ago, up to 2.
    expect(rig.context.log.offset).toBe(2)
    for (let passed = 0; passed < RAFT_TIMING.electionTimeoutMs; passed += 500) {
      rig.tick(500)
      rig.hear('b', matched(rig.context.term, rig.context.log.lastIndex, rig.context.reads.round))
    }
    commit(rig, 10, ['b'])
    const { index: at } = save(rig)
    expect(rig.context.log.offset).toBe(at)
  })

  it('and not more of it than a snapshot is taken after', () => {
    const rig = leaderWith({ entriesMax: 10, bytesMax: 300 })
    commit(rig, 8, ['b'])
    save(rig)
    commit(rig, 8, ['b'])
    const { index: at } = save(rig)
    expect(rig.context.log.offset).toBeGreaterThan(2)
    expect(rig.context.log.offset).toBeLessThan(at)
  })
})

/** `c` was away while the log was cut past all it has. */
function leaderWithoutTheEntriesOfC(changes: Partial<Snapshot> = {}): { rig: Rig; saved: Snapshot } {
  const rig = leaderWith({ entriesMax: 5 }, ['b'])
  commit(rig, 3)
  const saved = save(rig, changes)
  rig.take()
  rig.bond('c')
  rig.hear('c', rejectedAt(rig.context.term, rig.context.log.lastIndex, 1, 1))
  return { rig, saved }
}
const chunksSent = (rig: Rig) => only(rig.take(), 'sendChunk').map((one) => one.chunk)

describe('figure 13 a leader sends its snapshot', () => {
  it('to a follower whose next entry is gone, so many chunks at a time', () => {
    const { rig, saved } = leaderWithoutTheEntriesOfC({ chunks: 10 })
    const sent = only(rig.take(), 'sendChunk')
    expect(sent.map((one) => one.chunk)).toEqual([0, 1, 2, 3])
    expect(sent[0]).toMatchObject({ to: peerId('c'), term: rig.context.term, snapshot: saved })
    expect(RAFT.snapshotChunksInFlightMax).toBe(4)
  })

  it('to a newcomer that holds no log', () => {
    const rig = leaderWith({ entriesMax: 5 }, ['b'])
    commit(rig, 3)
    save(rig)
    rig.take()
    rig.bond('d', null)
    commit(rig, 1, ['b'])
    expect(only(rig.take(), 'sendChunk').map(({ to }) => nameOf(to))).toEqual(['d', 'd', 'd'])
  })

  it('on as the follower takes it, and then the entries after it', () => {
    const { rig, saved } = leaderWithoutTheEntriesOfC({ chunks: 6 })
    rig.take()
    rig.hear('c', chunksHeld(saved.index, 1, rig.context.term))
    expect(chunksSent(rig)).toEqual([4])
    rig.hear('c', chunksHeld(saved.index, 6, rig.context.term))
    expect(chunksSent(rig)).toEqual([])
    rig.propose('after it')
    rig.take()
    rig.hear('c', matched(rig.context.term, saved.index))
    expect(rig.context.progress.get(peerId('c'))).toMatchObject({ state: 'replicate', match: saved.index })
    expect(rig.sent().map(({ to, message }) => [to, message])).toMatchObject([
      [['c'], { type: 'AppendEntries', prevIndex: saved.index, entries: [{}] }],
    ])
  })

  it('from where an earlier bond left off', () => {
    const { rig, saved } = leaderWithoutTheEntriesOfC({ chunks: 60 })
    rig.take()
    rig.hear('c', chunksHeld(saved.index, 57, rig.context.term))
    expect(chunksSent(rig)).toEqual([57, 58, 59])
  })

  it('from the beginning where the follower found it damaged', () => {
    const { rig, saved } = leaderWithoutTheEntriesOfC()
    rig.hear('c', chunksHeld(saved.index, 3, rig.context.term))
    rig.take()
    rig.hear('c', chunksHeld(saved.index, 0, rig.context.term))
    expect(chunksSent(rig)).toEqual([0, 1, 2])
  })

  it('again, when nothing came of it for an election timeout', () => {
    const { rig, saved } = leaderWithoutTheEntriesOfC({ chunks: 10 })
    rig.hear('c', chunksHeld(saved.index, 2, rig.context.term))
    rig.take()
    const beat = () => {
      rig.tick(RAFT_TIMING.heartbeatIntervalMs)
      rig.hear('b', matched(rig.context.term, rig.context.log.lastIndex, rig.context.reads.round))
    }
    for (let passed = 0; passed < RAFT_TIMING.electionTimeoutMs - 500; passed += 500) beat()
    expect(chunksSent(rig)).toEqual([])
    beat()
    expect(chunksSent(rig)).toEqual([2, 3, 4, 5])
  })

  it('with heartbeats beside it, whose rejection is an answer and nothing else', () => {
    const { rig } = leaderWithoutTheEntriesOfC()
    rig.take()
    rig.tick(RAFT_TIMING.heartbeatIntervalMs)
    const beats = rig.sent().filter(({ message }) => message.type === 'AppendEntries')
    expect(beats.flatMap(({ to }) => to).sort()).toEqual(['b', 'c'])
    rig.hear('c', { ...rejectedAt(rig.context.term, 5, 1, 1), round: rig.context.reads.round } as RaftMessage)
    expect(rig.context.progress.get(peerId('c'))).toMatchObject({
      state: 'snapshot',
      lastContactMs: rig.nowMs,
      round: rig.context.reads.round,
    })
    expect(chunksSent(rig)).toEqual([])
  })

  it('and takes no other meanwhile, while the follower answers and the log is not too long', () => {
    const { rig, saved } = leaderWithoutTheEntriesOfC()
    rig.take()
    commit(rig, 20, ['b'])
    expect(only(rig.take(), 'takeSnapshot')).toEqual([])
    rig.hear('c', matched(rig.context.term, saved.index))
    commit(rig, 1)
    expect(only(rig.take(), 'takeSnapshot')).toHaveLength(1)
  })

  it('but the newest, where it had to take another all the same', () => {
    const rig = leaderWith({ entriesMax: 5, bytesMax: 500 }, ['b'])
    commit(rig, 3)
    save(rig)
    rig.bond('c')
    rig.hear('c', rejectedAt(rig.context.term, rig.context.log.lastIndex, 1, 1))
    rig.take()
    commit(rig, 30, ['b'])
    const { index: newer } = save(rig)
    const sent = only(rig.take(), 'sendChunk')
    expect(sent.map((one) => [one.snapshot.index, one.chunk])).toEqual([
      [newer, 0],
      [newer, 1],
      [newer, 2],
    ])
  })
})

describe('figure 13 a follower', () => {
  const of = snapshot(40)
  const follower = (options: ConstructorParameters<typeof Rig>[0] = {}) =>
    new Rig({ self: 'b', ...options }).follow('a')

  it('refuses what an older term sends, and tells the newer one', () => {
    const rig = new Rig({ self: 'b', term: 5 })
    rig.hear('a', chunk(0, of, 4))
    expect(rig.answer()).toEqual({ type: 'NewerTerm', term: 5 })
    expect(rig.context.snapshots.receiving).toBeNull()
  })

  it('keeps each chunk on its disk before it says so', () => {
    const rig = follower({ disk: false })
    rig.hear('a', chunk(0, of))
    const effects = rig.take()
    const [write] = only(effects, 'persist')
    expect(write?.snapshot).toEqual({ kind: 'chunk', snapshot: of, chunk: 0, data: Uint8Array.of(0) })
    expect(only(effects, 'send')).toEqual([{ to: [peerId('a')], message: chunksHeld(40, 1), after: write?.number }])
  })

  it('says what it has where a chunk is missing, or comes twice', () => {
    const rig = follower()
    rig.hear('a', chunk(0, of))
    rig.take()
    rig.hear('a', chunk(2, of))
    expect(rig.answer()).toEqual(chunksHeld(40, 1))
    rig.hear('a', chunk(0, of))
    expect(rig.answer()).toEqual(chunksHeld(40, 1))
  })

  it('begins anew with another snapshot', () => {
    const rig = follower()
    rig.hear('a', chunk(0, of))
    rig.hear('a', chunk(1, of))
    rig.hear('a', chunk(0, snapshot(44)))
    expect(rig.context.snapshots.receiving).toEqual({ snapshot: snapshot(44), next: 1 })
  })

  it('begins anew with one of the same state at another place', () => {
    const rig = follower()
    rig.hear('a', chunk(0, of))
    rig.take()
    rig.hear('a', chunk(1, snapshot(44, { checksum: of.checksum })))
    expect(rig.answer()).toEqual(chunksHeld(44, 0))
  })

  it('goes on after a restart with what had come', () => {
    const rig = new Rig({ self: 'b', persisted: { receiving: { snapshot: of, next: 2 } } })
    rig.hear('a', chunk(0, of))
    expect(rig.answer()).toEqual(chunksHeld(40, 2))
  })

  it('asks for the last chunk again where it ended with all of them, but had not installed them', () => {
    const rig = new Rig({ self: 'b', persisted: { receiving: { snapshot: of, next: of.chunks } } })
    rig.hear('a', chunk(0, of))
    expect(rig.answer()).toEqual(chunksHeld(40, of.chunks - 1))
    rig.hear('a', chunk(of.chunks - 1, of))
    expect(rig.answer()).toEqual(chunksHeld(40, of.chunks))
    rig.send({ type: 'raft.snapshotReceived', index: of.index, intact: true })
    expect(rig.context).toMatchObject({ commitIndex: 40, snapshots: { saved: of, receiving: null } })
  })

  it('has no use for a snapshot of what it has committed', () => {
    const rig = new Rig({ self: 'b', log: [1, 1, 1] })
    rig.hear('a', append(1, 4, 1, [], 4))
    rig.take()
    rig.hear('a', chunk(0, snapshot(3)))
    expect(rig.answer()).toMatchObject({ type: 'AppendEntriesResponse', matchIndex: 3 })
    expect(rig.context.snapshots.receiving).toBeNull()
  })

  const receive = (rig: Rig, what: Snapshot, intact = true) => {
    for (let at = 0; at < what.chunks; at++) rig.hear('a', chunk(at, what, rig.context.term))
    rig.take()
    rig.send({ type: 'raft.snapshotReceived', index: what.index, intact })
  }

  it('becomes what the snapshot is of, on disk before it says so, and drops a log that ends before it', () => {
    const rig = follower({ log: [1, 1], disk: false })
    receive(rig, of)
    const effects = rig.take()
    const [write] = only(effects, 'persist')
    expect(write).toMatchObject({ from: 41, entries: [], snapshot: { kind: 'install', snapshot: of } })
    expect(only(effects, 'restore')).toEqual([{ snapshot: of }])
    expect(only(effects, 'send')).toMatchObject([
      { message: { type: 'AppendEntriesResponse', matchIndex: 40 }, after: write?.number },
    ])
    const { log, commitIndex, snapshots } = rig.context
    expect([log.offset, log.lastIndex, log.lastTerm, commitIndex]).toEqual([40, 40, 1, 40])
    expect(snapshots).toMatchObject({ saved: of, receiving: null })
  })

  it('keeps the entries after it where its log agrees with it there', () => {
    const rig = follower({ log: [1, 1, 1, 1] })
    receive(rig, snapshot(3))
    const { log, commitIndex } = rig.context
    expect([log.offset, log.lastIndex, commitIndex]).toEqual([3, 5, 3])
  })

  it('drops all of its log where that holds another entry there', () => {
    const rig = follower({ log: [1, 1, 1, 1], term: 2 })
    rig.hear('a', append(2, 1, 1, []))
    receive(rig, snapshot(3, { term: term(2) }))
    const { log } = rig.context
    expect([log.offset, log.lastIndex, log.lastTerm]).toEqual([3, 3, 2])
  })

  it('that has become leader meanwhile counts what it stands for as committed', () => {
    const rig = follower()
    for (let at = 0; at < 3; at++) rig.hear('a', chunk(at, snapshot(3)))
    rig.hear('a', append(1, 1, 1, [entry(1), entry(1)], 1))
    rig.becomeLeader()
    rig.send({ type: 'raft.snapshotReceived', index: index(3), intact: true })
    expect(rig.role).toBe('leader')
    expect(rig.context).toMatchObject({ commitIndex: 3, log: { offset: 3, lastIndex: 4 } })
    for (const peer of ['a', 'c']) rig.hear(peer, matched(rig.context.term, rig.context.log.lastIndex))
    expect(rig.context).toMatchObject({ commitIndex: 4, uncommittedBytes: 0 })
  })

  it('takes over who is a member', () => {
    const rig = follower()
    const configuration = { index: index(30), configuration: { voters: [peerId('a')], learners: [peerId('b')] } }
    receive(rig, snapshot(40, { configuration }))
    expect(rig.context.configuration).toEqual(configuration.configuration)
    rig.timeOut()
    expect(rig.role).toBe('follower')
  })

  it('asks for it once more where its checksum does not hold', () => {
    const rig = follower()
    receive(rig, of, false)
    expect(rig.answer()).toEqual(chunksHeld(40, 0))
    expect(rig.context).toMatchObject({ commitIndex: 0, snapshots: { saved: null, receiving: null } })
  })

  it('leaves it where the log has overtaken it', () => {
    const rig = follower({ log: [1, 1, 1] })
    for (let at = 0; at < 3; at++) rig.hear('a', chunk(at, snapshot(3)))
    rig.hear('a', append(1, 4, 1, [], 4))
    rig.take()
    rig.send({ type: 'raft.snapshotReceived', index: index(3), intact: true })
    expect(rig.take()).toEqual([])
    expect(rig.context.commitIndex).toBe(4)
  })

  it('that its own snapshot reaches the disk after the one that was installed keeps the newer', () => {
    const rig = follower({ log: [1, 1], compaction: { entriesMax: 3 } })
    rig.hear('a', append(1, 3, 1, [], 3))
    receive(rig, of)
    rig.send({ type: 'raft.snapshotSaved', snapshot: snapshot(3) })
    expect(rig.context.snapshots).toMatchObject({ saved: of, taking: false })
    expect(rig.context.log.offset).toBe(40)
  })

  it('tells who asks about what it compacted that all of it is there', () => {
    const rig = new Rig({
      self: 'b',
      persisted: { base: { index: index(40), term: term(1) }, entries: [], snapshot: of },
    })
    rig.hear('a', append(1, 12, 1, [entry(1)]))
    expect(rig.answer()).toMatchObject({ type: 'AppendEntriesResponse', matchIndex: 40 })
  })

  it.each(['preCandidate', 'candidate'] as const)('that is %s finds its leader in it', (role) => {
    const rig = new Rig({ self: 'b' })
    if (role === 'candidate') rig.becomeCandidate()
    else rig.becomePreCandidate()
    expect(rig.role).toBe(role)
    rig.hear('a', chunk(0, of, rig.context.term))
    expect(rig.role).toBe('follower')
    expect(rig.context).toMatchObject({ leader: peerId('a'), snapshots: { receiving: { next: 1 } } })
  })
})

describe('a restart', () => {
  const of = snapshot(40)
  const restarted = () => {
    const later = {
      ...entry(3),
      kind: 'configuration',
      configuration: { voters: VOTERS, learners: [peerId('d')] },
    } as const
    const persisted = { base: { index: index(38), term: term(1) }, snapshot: of }
    return new Rig({ self: 'b', term: 3, persisted: { ...persisted, entries: [entry(1), entry(1), entry(2), later] } })
  }

  it('begins at the snapshot: what it stands for is committed, what comes after it is not known to be', () => {
    const { log, commitIndex, snapshots } = restarted().context
    expect([log.offset, log.lastIndex, commitIndex]).toEqual([38, 42, 40])
    expect(snapshots).toMatchObject({ saved: of, takenAt: 40 })
  })

  it('knows the configuration of the snapshot, and of the entries after it', () => {
    const { configuration, configurations } = restarted().context
    expect(configuration.learners).toEqual([peerId('d')])
    expect(configurations.map((one) => one.index)).toEqual([1, 42])
  })

  it('votes by its whole log', () => {
    const rig = restarted()
    rig.hear('c', requestVote(4, 41, 3))
    expect(rig.answer()).toMatchObject({ granted: false })
  })
})

describe('a newcomer', () => {
  const of = snapshot(40)
  const unformed = (bound: boolean) => {
    const formation = bound
      ? {
          status: 'accepted' as const,
          id: 'e'.repeat(32) as FormationId,
          voters: [peerId('x'), peerId('y')],
          refused: [],
        }
      : { status: 'none' as const, id: null, voters: [], refused: [] }
    const hardState = { term: term(0), votedFor: null, formation }
    const nothing = { hardState, base: BEGINNING, entries: [] }
    return new Rig({ self: 'x', voters: [], peers: ['a'], persisted: nothing })
  }

  it('follows the log that a snapshot begins', () => {
    const rig = unformed(false)
    rig.hear('a', chunk(0, of))
    expect(rig.role).toBe('follower')
    expect(rig.context).toMatchObject({
      formation: { status: 'formed', id: GROUP, voters: VOTERS },
      snapshots: { receiving: { snapshot: of, next: 1 } },
    })
  })

  it('that accepted another first configuration follows only one that shares a founder with it', () => {
    const rig = unformed(true)
    rig.hear('a', chunk(0, of))
    expect(rig.role).toEqual({ unformed: 'accepted' })
    rig.hear('a', chunk(0, snapshot(40, { founders: [...VOTERS, peerId('y')] })))
    expect(rig.role).toBe('follower')
  })
})

describe('a group that compacts', () => {
  const compaction = { entriesMax: 5, trailingMax: 2 }
  const words = (count: number) => Array.from({ length: count }, (_, at) => `word ${at}`)

  function propose(cluster: Cluster, { name }: Node, count: number): void {
    for (const word of words(count)) {
      cluster.propose(name, word)
      cluster.settle()
    }
  }

  /** One of three was down while the others committed `count` commands. */
  function oneAway(count: number) {
    const cluster = new Cluster(['a', 'b', 'c'], { compaction })
    const leader = cluster.electLeader()
    const away = cluster.alive.find((node) => node !== leader)!
    cluster.kill(away.name)
    cluster.run(RAFT_TIMING.electionTimeoutMs)
    propose(cluster, leader, count)
    return { cluster, leader, away }
  }

  it('brings back a member that was away for longer than the log reaches', () => {
    const { cluster, leader, away } = oneAway(40)
    expect(leader.context.log.offset).toBeGreaterThan(30)
    cluster.restart(away.name)
    cluster.until('it has caught up', () => away.commit === leader.commit)
    expect(away.commands).toEqual(words(40))
    expect(cluster.installed).toBe(1)
  })

  it('goes on where a transfer was cut off', () => {
    const { cluster, leader, away } = oneAway(40)
    cluster.restart(away.name)
    away.autoFlush = false
    cluster.until('it has chunks to write', () => away.writes.length > 1)
    cluster.flush(away.name, 2)
    const kept = away.disk.receiving?.chunks.length
    cluster.kill(away.name)
    cluster.restart(away.name)
    expect(away.context.snapshots.receiving?.next).toBe(kept)
    away.autoFlush = true
    leader.sent.length = 0
    cluster.until('it has caught up', () => away.commit === leader.commit)
    expect(away.commands).toEqual(words(40))
    expect(kept).toBeGreaterThan(0)
  })

  it('sends a damaged snapshot once more', () => {
    const { cluster, leader, away } = oneAway(20)
    let checked = 0
    cluster.intact = () => ++checked > 1
    cluster.restart(away.name)
    cluster.until('it has caught up', () => away.commit === leader.commit)
    expect([away.commands, checked]).toEqual([words(20), 2])
  })

  it('comes back whole when all of it was down', () => {
    const cluster = new Cluster(['a', 'b', 'c'], { compaction })
    const leader = cluster.electLeader()
    propose(cluster, leader, 23)
    for (const name of ['a', 'b', 'c']) cluster.kill(name)
    for (const name of ['a', 'b', 'c']) cluster.restart(name)
    cluster.electLeader()
    cluster.until('all is applied', () => cluster.alive.every(({ commands }) => commands.length === 23))
    for (const { commands } of cluster.alive) expect(commands).toEqual(words(23))
  })
})
