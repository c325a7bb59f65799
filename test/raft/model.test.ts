/**
 * Model-based: `xstate/graph` walks the chart with every kind of event from every state it finds, and every state and every
 * transition, each guarded branch and each eventless one by itself, must be taken by some path.
 */
import { describe, expect, it } from 'vitest'
import { transition } from 'xstate'
import { getShortestPaths } from 'xstate/graph'
import { BEGINNING } from '../../src/actors/storage/storage.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import { RAFT_TIMING } from '../../src/limits.ts'
import { eventOf, type RaftEvent } from '../../src/machines/raft/events.ts'
import { inPlace } from '../../src/machines/raft/in-place.ts'
import { type RaftContext, type RaftInput, raftMachine } from '../../src/machines/raft/machine.ts'
import type {
  ConfigurationEntry,
  Entry,
  FormationId,
  LogIndex,
  RaftMessage,
  Snapshot,
  Term,
} from '../../src/machines/raft/messages.ts'
import { Coverage } from '../model/coverage.ts'
import { command, peerId } from './cluster.ts'

const [A, B, C, LEARNER, STRANGER] = ['a', 'b', 'c', 'l', 's'].map(peerId) as [PeerId, PeerId, PeerId, PeerId, PeerId]
const VOTERS = [A, B, C]
const GROUP = 'f'.padEnd(32, '0') as FormationId
const TERM_MAX = 2
const LOG_MAX = 3

const first: ConfigurationEntry = {
  kind: 'configuration',
  term: 1 as Term,
  timeMs: 0,
  configuration: { voters: VOTERS, learners: [] },
}
const SNAPSHOT: Snapshot = {
  index: 1 as LogIndex,
  term: 1 as Term,
  configuration: { index: 1 as LogIndex, configuration: first.configuration },
  founders: VOTERS,
  chunks: 1,
  bytes: 1,
  checksum: 'c'.repeat(64),
}
const fresh: RaftInput = { self: A, voters: 3, timing: RAFT_TIMING, seed: [1, 2, 3, 4], nowMs: 0 }
const restarted: RaftInput = {
  ...fresh,
  persisted: {
    hardState: { term: 1 as Term, votedFor: null, formation: { status: 'formed', id: GROUP, voters: [], refused: [] } },
    base: BEGINNING,
    entries: [first],
    snapshot: null,
    receiving: null,
  },
}

/**
 * What could happen to a member in this state. `B` says everything, at the member's term and one away; the second voter
 * introduces itself and votes, the learner asks for what it may not have, and the stranger says it all once.
 */
function eventsOf(context: RaftContext): RaftEvent[] {
  const fromLeader = new Set<RaftMessage['type']>(['AppendEntries', 'InstallSnapshot'])
  const { term } = context
  const heard = (from: PeerId, messages: RaftMessage[]) => messages.map((message) => eventOf(from, message))
  const now = [...messagesOfTerm(context, term), ...messagesWithoutTerm(context)]
  const newer = messagesOfTerm(context, (term + 1) as Term)
  const older = messagesOfTerm(context, (term - 1) as Term).filter(({ type }) => fromLeader.has(type))
  const isVote = ({ type }: RaftMessage): boolean => type.endsWith('VoteResponse') || type === 'FormationAnswer'
  const votes = [...now, ...newer].filter((message) => isVote(message) || message.type === 'Introduce')
  const asked = now.filter(({ type }) => type.endsWith('Vote') || type === 'Introduce')
  const events = [...heard(B, [...older, ...now, ...newer]), ...heard(C, votes), ...heard(LEARNER, asked)]
  const strange = heard(STRANGER, now).filter(({ type }) => type !== 'raft.introduce')
  return [...localEvents(context), ...events.filter((event) => isPossible(context, event)), ...strange]
}

function localEvents({ nowMs, writes }: RaftContext): RaftEvent[] {
  return [
    ...[RAFT_TIMING.tickMs, 3_000].map((ms) => ({ type: 'raft.tick', nowMs: nowMs + ms }) as const),
    { type: 'raft.bondFormed', peer: B },
    { type: 'raft.bondLost', peer: B, departed: false },
    { type: 'raft.propose', proposals: [command('x')], timeMs: 1 },
    { type: 'raft.read', id: 1 },
    { type: 'raft.persisted', number: writes.issued },
    // Of nothing yet: the rest of what a snapshot does to a log has tests of its own (snapshots.test.ts).
    { type: 'raft.snapshotSaved', snapshot: { ...SNAPSHOT, index: 0 as LogIndex } },
    { type: 'raft.snapshotAbandoned' },
    { type: 'raft.snapshotReceived', index: SNAPSHOT.index, intact: false },
    { type: 'raft.storageFailed' },
    { type: 'raft.transferLeadership' },
  ]
}

function messagesOfTerm({ log }: RaftContext, term: Term): RaftMessage[] {
  const place = { lastIndex: log.lastIndex, lastTerm: log.lastTerm }
  const matchIndex = log.lastIndex
  const append = { type: 'AppendEntries', term, round: 1, commit: 1 as LogIndex } as const
  const noop: Entry = { kind: 'noop', term, timeMs: 0 }
  return [
    { ...append, prevIndex: 0 as LogIndex, prevTerm: 0 as Term, entries: [first] },
    ...(log.lastIndex > log.offset && term >= log.lastTerm
      ? [{ ...append, prevIndex: log.lastIndex, prevTerm: log.lastTerm, entries: [noop] }]
      : []),
    { type: 'AppendEntriesResponse', term, matchIndex, round: 1 },
    { type: 'AppendEntriesRejection', term, prevIndex: matchIndex, hintIndex: 0 as LogIndex, hintTerm: term, round: 1 },
    { type: 'NewerTerm', term },
    { type: 'PreVote', term, ...place },
    { type: 'PreVote', term, ...place, lastIndex: (log.lastIndex + 1) as LogIndex },
    ...[true, false].map((granted) => ({ type: 'PreVoteResponse', term, granted }) as const),
    ...[true, false].map((transfer) => ({ type: 'RequestVote', term, ...place, transfer }) as const),
    ...[true, false].map((granted) => ({ type: 'RequestVoteResponse', term, granted }) as const),
    { type: 'TimeoutNow', term },
    { type: 'InstallSnapshot', term, snapshot: SNAPSHOT, chunk: 0, data: Uint8Array.of(1) },
    { type: 'InstallSnapshotResponse', term, index: SNAPSHOT.index, next: 1 },
  ]
}

function messagesWithoutTerm({ formation }: RaftContext): RaftMessage[] {
  const offer = { formation: formation.id ?? GROUP, voters: VOTERS }
  return [
    { type: 'Introduce', formation: null, voters: 3, preference: 'normal' },
    { type: 'Introduce', formation: formation.id ?? GROUP, voters: 3, preference: 'normal' },
    { type: 'FormationProposal', ...offer },
    ...[true, false].map((accepted) => ({ type: 'FormationAnswer', ...offer, accepted }) as const),
    { type: 'Propose', proposals: [command('y')] },
    { type: 'ReadIndex', id: 1 },
    { type: 'ReadIndexResponse', id: 1, index: 1 as LogIndex },
  ]
}

/** Election Safety rules out a second leader in one term. */
function isPossible({ leader, term }: RaftContext, { type, from, message }: ReturnType<typeof eventOf>): boolean {
  const leads = type === 'raft.appendEntries' || type === 'raft.installSnapshot'
  return !(leads && 'term' in message && message.term === term && (leader ?? from) !== from)
}

type Walked = ReturnType<typeof raftMachine.transition>

/** What the chart's guards can tell apart, coarsely: of snapshots that agree in it one is walked. */
function essence({ value, context }: Walked): string {
  const { term, leader, election, votedFor, formation, founding, peers, commitIndex, writes } = context
  const knows = (peer: PeerId): boolean => peers.get(peer)?.formation === formation.id
  const voters = [B, C].filter(knows).length
  if (value === 'failed') return value
  if (typeof value === 'object') return JSON.stringify([value, founding.accepted.size, founding.joinsOnly, voters])
  const count = [...election.votes.values()].filter((granted) => !granted).length
  // A candidate's own vote counts once it is on its disk.
  const isVoteKept = value === 'candidate' && writes.pending.every(({ number }) => number > writes.hardState)
  const role = value === 'leader' ? commitIndex > 1 : [count, leader, votedFor === null, isVoteKept]
  return JSON.stringify([value, Math.min(term, TERM_MAX + 1), role, voters, knows(LEARNER)])
}

function pathsFrom(input: RaftInput) {
  return getShortestPaths(raftMachine, {
    input,
    events: (snapshot) => eventsOf(snapshot.context),
    // The library types the key as its own brand of string.
    serializeState: essence as (snapshot: Walked) => never,
    stopWhen: ({ context }) => context.term > TERM_MAX || context.log.lastIndex > LOG_MAX,
  })
}

/** The shortest path to each state, and from there each event that may take what was not taken yet. */
function walkAll(coverage: Coverage<typeof raftMachine>, input: RaftInput): void {
  const paths = pathsFrom(input)
  for (const path of paths) coverage.walk(path, input)
  let missing = coverage.uncovered()
  for (const { steps, state } of paths.filter(({ state }) => state.status === 'active')) {
    for (const event of eventsOf(state.context)) {
      const mayTake = (name: string): boolean => name.includes(` on ${event.type} `) || name.includes(' on always ')
      if (!missing.some(mayTake)) continue
      coverage.walk({ steps: [...steps, { event }] }, input)
      missing = coverage.uncovered()
    }
  }
}

describe('the chart', () => {
  it('has no state and no transition that generated paths do not reach', () => {
    const coverage = new Coverage(raftMachine)
    for (const input of [fresh, restarted]) walkAll(coverage, input)
    expect(coverage.unreached()).toEqual([])
    expect(coverage.uncovered()).toEqual([])
  })
})

describe('a step in place', () => {
  const whole = (context: RaftContext) => ({ ...context, log: context.log.between(1, context.log.lastIndex) })
  const states = [fresh, restarted]
    .flatMap(pathsFrom)
    .map(({ state }) => state)
    .filter(({ status }) => status === 'active')

  it('is the one that the chart takes, in every state and for every event', () => {
    const taken = new Set<string>()
    for (const state of states) {
      for (const event of eventsOf(state.context)) {
        const step = inPlace(state.value, state.context, event)
        if (step === null) continue
        const [next, actions] = transition(raftMachine, state, event)
        expect({ value: next.value, ...whole(next.context) }).toEqual({ value: state.value, ...whole(step[0]) })
        expect(actions.map(({ type, params }) => ({ type, params }))).toEqual(step[1])
        taken.add(`${JSON.stringify(state.value)} ${event.type}`)
      }
    }
    expect([...taken]).toEqual(
      expect.arrayContaining([
        '"leader" raft.propose',
        '"leader" raft.forwardedPropose',
        '"leader" raft.persisted',
        '"leader" raft.appendEntriesResponse',
        '"follower" raft.propose',
        '"follower" raft.persisted',
        '"follower" raft.appendEntries',
      ]),
    )
  })

  it('is never one into another state, nor one of a state that moves by itself', () => {
    for (const state of states) {
      for (const event of eventsOf(state.context)) {
        const [next] = transition(raftMachine, state, event)
        const moves = JSON.stringify(next.value) !== JSON.stringify(state.value)
        const still = state.value === 'leader' || state.value === 'follower'
        if (moves || !still) expect(inPlace(state.value, state.context, event)).toBeNull()
      }
    }
  })
})
