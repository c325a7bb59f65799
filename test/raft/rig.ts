/** One member whose peers are played by the test: what it hears is said by hand, what it does is recorded. */

import { type Actor, createActor } from 'xstate'
import { BEGINNING } from '../../src/actors/storage/storage.ts'
import { COMPACTION, type Compaction, RAFT_TIMING } from '../../src/limits.ts'
import type { Apply, Persist, Persisted, Respond, Send } from '../../src/machines/raft/effects.ts'
import { eventOf } from '../../src/machines/raft/events.ts'
import { type RaftContext, type RaftInput, raftMachine } from '../../src/machines/raft/machine.ts'
import type {
  AppendEntries,
  Configuration,
  Entry,
  FormationId,
  LeadershipPreference,
  LogIndex,
  RaftMessage,
  Term,
} from '../../src/machines/raft/messages.ts'
import type { Effect } from '../../src/machines/raft/step.ts'
import { pack } from '../../src/transport/packed.ts'
import { command, type Name, nameOf, peerId } from './cluster.ts'

export const GROUP = 'f'.padEnd(32, '0') as FormationId
export const term = (value: number): Term => value as Term
export const index = (value: number): LogIndex => value as LogIndex
const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

export interface RigOptions {
  readonly self?: Name
  readonly voters?: readonly Name[]
  readonly learners?: readonly Name[]
  readonly term?: number
  readonly votedFor?: Name | null
  /** Terms of the entries after the first, which is the configuration of term 1. */
  readonly log?: readonly number[]
  /** False: writes wait for `persisted`. */
  readonly disk?: boolean
  readonly peers?: readonly Name[]
  /** Voters the group may grow to; default: as many as there are. */
  readonly votersMax?: number
  readonly preference?: LeadershipPreference
  readonly compaction?: Partial<Compaction>
  /** What else was on disk. */
  readonly persisted?: Partial<Persisted>
}

/** An entry that shows where it stands. */
export function entry(atTerm: number, text = `${atTerm}`): Entry {
  return entryOf(atTerm, text)
}

/** An entry of several commands, each of which takes an index. */
export function entryOf(atTerm: number, ...texts: string[]): Entry {
  return {
    kind: 'commands',
    term: term(atTerm),
    timeMs: 0,
    session: 1,
    sequence: 1,
    acknowledged: 0,
    count: texts.length,
    packed: pack(texts.map(encode)),
  }
}

export class Rig {
  readonly effects: Effect[] = []
  readonly errors: unknown[] = []
  readonly #actor: Actor<typeof raftMachine>
  nowMs = 1_000

  constructor(options: RigOptions = {}) {
    const { voters = ['a', 'b', 'c'], learners = [], self = 'a', disk = true } = options
    const configuration: Configuration = { voters: voters.map(peerId), learners: learners.map(peerId) }
    const first: Entry = { kind: 'configuration', term: term(1), timeMs: 0, configuration }
    const entries = [first, ...(options.log ?? []).map((one) => entry(one))]
    const note = (effect: Effect) => {
      this.effects.push(effect)
    }
    const machine = raftMachine.provide({
      actions: {
        persist: ({ self: actor }, params: Persist) => {
          note({ type: 'persist', params })
          if (disk) actor.send({ type: 'raft.persisted', number: params.number })
        },
        send: (_, params: Send) => note({ type: 'send', params }),
        apply: (_, params: Apply) => note({ type: 'apply', params }),
        respond: (_, params: Respond) => note({ type: 'respond', params }),
        takeSnapshot: (_, params) => note({ type: 'takeSnapshot', params }),
        sendChunk: (_, params) => note({ type: 'sendChunk', params }),
        restore: (_, params) => note({ type: 'restore', params }),
      },
    })
    const input: RaftInput = {
      self: peerId(self),
      voters: 3,
      votersMax: options.votersMax ?? voters.length,
      preference: options.preference ?? 'normal',
      timing: RAFT_TIMING,
      compaction: { ...COMPACTION, ...options.compaction },
      seed: [1, 2, 3, 4],
      nowMs: this.nowMs,
      persisted: {
        hardState: {
          term: term(options.term ?? entries.at(-1)!.term),
          votedFor: options.votedFor ? peerId(options.votedFor) : null,
          formation: { status: 'formed', id: GROUP, voters: [], refused: [] },
        },
        base: BEGINNING,
        entries,
        snapshot: null,
        receiving: null,
        ...options.persisted,
      },
    }
    this.#actor = createActor(machine, { input })
    this.#actor.subscribe({ error: (error) => this.errors.push(error) })
    this.#actor.start()
    for (const peer of options.peers ?? [...voters, ...learners]) if (peer !== self) this.bond(peer)
    this.take()
  }

  get context(): RaftContext {
    return this.#actor.getSnapshot().context
  }
  get role(): string {
    return this.#actor.getSnapshot().value as string
  }
  get terms(): number[] {
    const { log } = this.context
    return log.between(2, log.lastIndex).map((one) => one.term)
  }

  send(event: Parameters<Actor<typeof raftMachine>['send']>[0]): void {
    this.#actor.send(event)
  }
  bond(peer: Name, formation: FormationId | null = GROUP, preference: LeadershipPreference = 'normal'): void {
    this.send({ type: 'raft.bondFormed', peer: peerId(peer) })
    this.hear(peer, { type: 'Introduce', formation, voters: 3, preference })
  }
  lose(peer: Name, departed = false): void {
    this.send({ type: 'raft.bondLost', peer: peerId(peer), departed })
  }
  hear(from: Name, message: RaftMessage): void {
    this.send(eventOf(peerId(from), message))
  }
  tick(ms: number): void {
    this.nowMs += ms
    this.send({ type: 'raft.tick', nowMs: this.nowMs })
  }
  /** Longer than any election timeout. */
  timeOut(): void {
    this.tick(RAFT_TIMING.electionTimeoutMs + RAFT_TIMING.electionJitterMs)
  }
  propose(...texts: string[]): void {
    this.send({ type: 'raft.propose', proposals: texts.map((text) => command(text)), timeMs: 77 })
  }

  /** What was done since last asked. */
  take(): Effect[] {
    return this.effects.splice(0)
  }
  /** The messages since last asked, as `to: Type` and the message. */
  sent(): { to: Name[]; message: RaftMessage; after: number }[] {
    return this.take().flatMap((effect) =>
      effect.type === 'send' ? [{ ...effect.params, to: effect.params.to.map(nameOf) }] : [],
    )
  }
  responses(): Respond[] {
    return this.take().flatMap((effect) => (effect.type === 'respond' ? [effect.params] : []))
  }
  /** The one message that was sent since last asked. */
  answer(): RaftMessage {
    const sent = this.sent()
    if (sent.length !== 1) throw new Error(`expected one message, not ${JSON.stringify(sent)}`)
    return sent[0]!.message
  }

  // Into a role, the long way.

  becomePreCandidate(): this {
    this.timeOut()
    return this
  }
  becomeCandidate(): this {
    this.becomePreCandidate()
    for (const peer of ['b', 'c', 'd']) this.hear(peer, preVoteGranted(this.context.term + 1))
    return this
  }
  becomeLeader(): this {
    this.becomeCandidate()
    for (const peer of ['b', 'c', 'd']) this.hear(peer, voteGranted(this.context.term))
    return this
  }
  /** A leader whose no-op is committed, everyone at the end of its log. */
  becomeSettledLeader(): this {
    this.becomeLeader()
    for (const peer of [...this.context.progress.keys()].map(nameOf)) {
      this.hear(peer, matched(this.context.term, this.context.log.lastIndex))
    }
    this.take()
    return this
  }
  follow(leader: Name, atTerm = this.context.term as number): this {
    const { log } = this.context
    this.hear(leader, append(atTerm, log.lastIndex, log.lastTerm, []))
    this.take()
    return this
  }
}

export const preVoteGranted = (at: number): RaftMessage => ({ type: 'PreVoteResponse', term: term(at), granted: true })
export const preVoteDenied = (at: number): RaftMessage => ({ type: 'PreVoteResponse', term: term(at), granted: false })
export const voteGranted = (at: number): RaftMessage => ({ type: 'RequestVoteResponse', term: term(at), granted: true })
export const voteDenied = (at: number): RaftMessage => ({ type: 'RequestVoteResponse', term: term(at), granted: false })
export const matched = (at: number, matchIndex: number, round = 1): RaftMessage => ({
  type: 'AppendEntriesResponse',
  term: term(at),
  matchIndex: index(matchIndex),
  round,
})
export const rejectedAt = (at: number, prevIndex: number, hintIndex: number, hintTerm: number): RaftMessage => ({
  type: 'AppendEntriesRejection',
  term: term(at),
  prevIndex: index(prevIndex),
  hintIndex: index(hintIndex),
  hintTerm: term(hintTerm),
  round: 1,
})
export const requestVote = (at: number, lastIndex: number, lastTerm: number, transfer = false): RaftMessage => ({
  type: 'RequestVote',
  term: term(at),
  lastIndex: index(lastIndex),
  lastTerm: term(lastTerm),
  transfer,
})
export const preVote = (at: number, lastIndex: number, lastTerm: number): RaftMessage => ({
  type: 'PreVote',
  term: term(at),
  lastIndex: index(lastIndex),
  lastTerm: term(lastTerm),
})
export function append(
  at: number,
  prevIndex: number,
  prevTerm: number,
  entries: readonly Entry[],
  commit = 0,
  round = 1,
): AppendEntries {
  return {
    type: 'AppendEntries',
    term: term(at),
    prevIndex: index(prevIndex),
    prevTerm: term(prevTerm),
    commit: index(commit),
    round,
    entries,
  }
}
