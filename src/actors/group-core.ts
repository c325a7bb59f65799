/**
 * One joined group in this process: the group actor with its raft, replica and bonds, bound to the node's transport and catalog.
 *
 * Who owns what: the chart owns who is bonded and who is dialled; the raft machine owns the log; the replica owns the state machine;
 * the client owns this member's waiting commands. This file only joins them: raft's outbound messages to the right bond, a bond's
 * inbound ones to raft, committed entries to the replica, results to the client.
 *
 * Lifecycle: created -> started (the actor runs under the node) -> left. Handles (`group.ts`) come and go; the last that leaves ends it.
 */
import { type Atom, createAtom } from '@xstate/store'
import { type ActorRefFrom, enqueueActions, fromPromise, fromTransition } from 'xstate'
import type { Clock } from '../clock.ts'
import { type ErrorCode, TesseraError, traceOf } from '../errors.ts'
import { type GroupId, type NetworkId, short } from '../identity/digest.ts'
import type { GroupKey } from '../identity/group-key.ts'
import type { PeerId } from '../identity/keys.ts'
import type { PeerEntry } from '../identity/peer-entry.ts'
import { judgeTickets, type TicketValidator } from '../identity/ticket.ts'
import type { Compaction, RaftTiming } from '../limits.ts'
import type { TicketInput, TicketVerdict } from '../machines/bond/events.ts'
import { bondMachine } from '../machines/bond/machine.ts'
import type { BondHint, GroupEvent } from '../machines/group/events.ts'
import { groupMachine } from '../machines/group/machine.ts'
import { isMember } from '../machines/raft/configuration.ts'
import type { Apply, Persist, Respond, Send } from '../machines/raft/effects.ts'
import { eventOf, type RaftEvent } from '../machines/raft/machine.ts'
import {
  type FormationId,
  type LeadershipPreference,
  type LogIndex,
  type RaftMessage,
  type Snapshot,
  spanOf,
} from '../machines/raft/messages.ts'
import type { RandomState } from '../machines/random.ts'
import type { AnyStateMachine } from '../machines/state-machine.ts'
import { encodeBond } from '../transport/codec.ts'
import type { Endpoint, Link } from '../transport/transport.ts'
import { bondLogic, type Entries } from './bond.ts'
import { BondBook } from './bond-book.ts'
import { Client } from './client.ts'
import { FormingWatch } from './forming-watch.ts'
import { type GroupStatus, isSame, OFFLINE, roleOf } from './group-status.ts'
import { chunksOf, type RaftActor, raftLogic, Ticker } from './raft.ts'
import { Reads } from './reads.ts'
import { Replica } from './replica.ts'
import { Router } from './router.ts'
import type { RaftStore } from './storage/storage.ts'
import { transferLeadership } from './transfer.ts'
import { until, type WaitOptions } from './when.ts'
import { withInput } from './xstate.ts'

/** What the node gives to each of its groups. */
export interface GroupDeps {
  readonly clock: Clock
  readonly endpoint: Endpoint
  readonly self: PeerId
  readonly network: NetworkId
  readonly id: GroupId
  readonly key: GroupKey
  readonly machine: AnyStateMachine
  readonly voters: number
  readonly votersMax: number
  readonly preference: LeadershipPreference
  readonly timing: RaftTiming
  readonly compaction: Compaction
  readonly validators: readonly TicketValidator[]
  readonly store: RaftStore
  readonly seed: () => RandomState
  readonly nonce: () => string
  readonly inspected: boolean
  readonly entries: Omit<Entries, 'bonded'> & { readonly entryOf: (peer: PeerId) => PeerEntry | undefined }
  readonly accepted: (linkNumber: number) => Link | undefined
  readonly syncWith: (peer: PeerId, addresses: readonly string[]) => Promise<void>
  /** Something a person should hear of: a rival group, a storage that failed, a broken invariant. */
  readonly warn: (code: ErrorCode, detail: string) => void
}

/** What the state machine's actor hears; a transition is told of its actor's end as well. */
type MachineEvent =
  | { readonly type: 'xstate.stop' }
  | { readonly type: 'machine.apply'; readonly batch: Apply }
  | { readonly type: 'machine.restore'; readonly index: LogIndex; readonly chunks: readonly Uint8Array[] }

export type GroupActor = ActorRefFrom<typeof groupMachine>

export class GroupCore {
  readonly deps: GroupDeps
  readonly bonds: BondBook
  readonly status: Atom<GroupStatus> = createAtom<GroupStatus>(OFFLINE)
  readonly replica: Replica
  readonly client: Client
  readonly reads: Reads
  readonly logic: typeof groupMachine
  readonly #router: Router<RaftMessage>
  #actor: GroupActor | null = null
  #raft: RaftActor | null = null
  #ticker: Ticker | null = null
  #reverted = 0
  readonly #forming = new FormingWatch((missing) => {
    this.deps.warn('FormingBlocked', `Missing: ${missing.map(short).join(', ')}.`)
  })
  /** Told once raft has done its step: the group emits them, and may not while another actor acts. */
  readonly #rivals: Extract<GroupEvent, { type: 'raft.rival' }>[] = []
  #closed: Promise<void> = Promise.resolve()

  constructor(deps: GroupDeps) {
    this.deps = deps
    const { clock, nonce, warn } = deps
    this.bonds = new BondBook({
      entryOf: deps.entries.entryOf,
      signedOf: deps.entries.signedOf,
      actorOf: (bond) => this.#actor?.getSnapshot().children[bond],
    })
    this.#router = new Router({
      bonds: this.bonds.registry,
      encode: (message) => encodeBond({ type: 'Raft', messages: [message] }),
      lane: ({ type }) => (type === 'InstallSnapshot' ? 'bulk' : 'prompt'),
      warn,
    })
    this.replica = new Replica({
      machine: deps.machine,
      onSession: (name, index) => this.client.sessionOpened(name, index),
      onApplied: (session, run) => this.client.applied(session, run),
    })
    this.client = new Client({
      clock,
      nonce,
      propose: (proposals) => void this.#tellRaft({ type: 'raft.propose', proposals, timeMs: clock.now() }),
    })
    this.reads = new Reads({
      clock,
      applied: () => this.replica.applied,
      ask: (id) => {
        if (!this.#tellRaft({ type: 'raft.read', id })) this.reads.lost(id)
      },
    })
    this.logic = this.#bind()
    const snapshot = deps.store.persisted?.snapshot
    if (snapshot) this.#begin(snapshot)
  }

  /** Where the log does not begin with entry 1. A state machine that does not take its state back must not go on without it. */
  #begin(snapshot: Snapshot): void {
    const { store } = this.deps
    try {
      this.replica.restore(snapshot.index, chunksOf(store, snapshot))
    } catch (cause) {
      void store.close()
      throw new TesseraError('SnapshotFailed', { detail: 'It did not take back what it had given.', cause })
    }
  }

  get actor(): GroupActor {
    return this.#actor as GroupActor
  }

  get raft(): RaftActor | null {
    return this.#raft
  }

  /** The node has spawned the actor. */
  started(actor: GroupActor): void {
    this.#actor = actor
    const raft = actor.getSnapshot().children.raft as RaftActor | undefined
    if (!raft) return
    this.#raft = raft
    const ticker = new Ticker(this.deps.clock, raft)
    this.#ticker = ticker
    raft.subscribe({
      next: () => {
        ticker.hurry()
        this.#refresh()
      },
      // The group hears of it as its parent, and ends with it; unheard here, XState would end the whole process.
      error: () => {},
    })
    actor.subscribe({
      complete: () => this.#left('NotJoined'),
      error: (error) => {
        this.deps.warn('ProtocolAssertion', traceOf(error))
        this.#left('ProtocolAssertion')
      },
    })
    this.#refresh()
  }

  /** Resolves when the group is left, however it ended, and its store is free for another. */
  async whenLeft(): Promise<void> {
    await until(this.status, ({ left }) => left)
    await this.#closed
  }

  transferLeadership(to?: PeerId, options?: WaitOptions): Promise<PeerId> {
    const { clock, self, timing } = this.deps
    const timeoutMs = 2 * (timing.electionTimeoutMs + timing.electionJitterMs)
    return transferLeadership({ raft: this.#raft, clock, self, timeoutMs }, to, options)
  }

  /** In the raft configuration, as far as this member's log tells. */
  isMember(peer: PeerId): boolean {
    const configuration = this.#raft?.getSnapshot().context.configuration
    return configuration !== undefined && isMember(configuration, peer)
  }

  #bind(): typeof groupMachine {
    const { deps } = this
    const raft = raftLogic({
      clock: deps.clock,
      store: deps.store,
      transmit: (send) => this.#transmit(send),
      apply: (batch) => this.#apply(batch),
      respond: (answer) => this.#respond(answer),
      appended: (write) => this.#appended(write),
      inspected: deps.inspected,
      takeSnapshot: () => this.#takeSnapshot(),
      restore: ({ index }, chunks) => this.#restore(index, chunks),
    })
    const { id: group, self, voters, votersMax, preference, timing, compaction, store } = deps
    const persisted = store.persisted ? { persisted: store.persisted } : {}
    const wishes = { voters, votersMax, preference, timing, compaction }
    const raftInput = { self, ...wishes, seed: deps.seed(), nowMs: deps.clock.now(), ...persisted }
    return groupMachine.provide({
      actors: {
        bond: this.#bondLogic(group),
        raft: withInput(raft, raftInput),
        stateMachine: fromTransition(
          (_, event: MachineEvent) => {
            if (event.type === 'machine.apply') this.replica.apply(event.batch)
            else if (event.type === 'machine.restore') this.#takeBack(event.index, event.chunks)
            return { applied: this.replica.applied }
          },
          { applied: 0 },
        ),
      },
      actions: {
        registerBond: (_, { peer, bond, bondId }) => this.bonds.register(peer, bond, bondId),
        announceBond: (_, { peer, bondId }) => this.bonds.announce(peer, bondId),
        unregisterBond: (_, { peer, reason }) => this.bonds.unregister(peer, reason),
        tellRaft: enqueueActions(({ enqueue }, hint: BondHint) => {
          if (this.#raftLives) enqueue.sendTo('raft', hint)
        }),
        refuseLink: (_, { linkNumber, reason }) => void deps.accepted(linkNumber)?.close(reason),
      },
    })
  }

  #bondLogic(group: GroupId): typeof bondMachine {
    const { clock, endpoint, self, network, key, entries, validators, accepted, syncWith } = this.deps
    const chart = bondMachine.provide({
      guards: { unticketed: ({ context: { peer } }) => validators.length === 0 && entries.knows(peer) },
      actors: {
        checkTickets: fromPromise(({ input }) => checkTickets(input, this.deps)),
        syncCatalog: fromPromise(({ input }) => syncWith(input.peer, input.addresses)),
      },
    })
    return bondLogic(chart, {
      clock,
      endpoint,
      self,
      network,
      group: { id: group, key },
      entries: { ...entries, bonded: () => this.bonds.entries() },
      accepted,
      deliver: (peer, messages) => this.#deliver(peer, messages),
      attach: (id, link) => this.bonds.attach(id, link),
      acquainted: (id, peers) => this.bonds.acquainted(id, peers),
    })
  }

  #transmit({ to, message }: Send): void {
    const [only] = to
    if (to.length === 1 && only) this.#router.sendTo(only, message)
    else this.#router.broadcast(message, to)
  }

  #deliver(peer: PeerId, messages: readonly RaftMessage[]): void {
    for (const message of messages) this.#tellRaft(eventOf(peer, message))
  }

  /** A raft whose disk failed has ended, though its group has not. */
  get #raftLives(): boolean {
    return this.#raft?.getSnapshot().status === 'active'
  }

  /** False where nobody hears it. */
  #tellRaft(event: RaftEvent): boolean {
    if (!this.#raftLives) return false
    this.#raft?.send(event)
    return true
  }

  #apply(batch: Apply): void {
    this.#actor?.getSnapshot().children.machine?.send({ type: 'machine.apply', batch })
    this.reads.advanced()
  }

  /** A state machine that gives none is a person's business; its group goes on, and its log grows. */
  #takeSnapshot(): readonly Uint8Array[] | null {
    try {
      return this.replica.snapshot()
    } catch (error) {
      this.deps.warn('SnapshotFailed', traceOf(error))
      return null
    }
  }

  /** A member whose state is not what its log says must not go on; its person should hear why. */
  #takeBack(index: LogIndex, chunks: readonly Uint8Array[]): void {
    try {
      this.replica.restore(index, chunks)
    } catch (error) {
      this.deps.warn('SnapshotFailed', traceOf(error))
      throw error
    }
  }

  /** Whatever of this member's own commands stood in what the snapshot is of is offered again, and answered from its session. */
  #restore(index: LogIndex, chunks: readonly Uint8Array[]): void {
    this.#actor?.getSnapshot().children.machine?.send({ type: 'machine.restore', index, chunks })
    this.reads.advanced()
    this.client.leaderChanged()
  }

  #appended({ from, entries }: Persist): void {
    if (entries.length === 0) return
    if (from <= this.status.get().lastIndex) this.#reverted++
    let index = from as number
    for (const entry of entries) {
      if (entry.kind === 'commands') this.client.appended(entry, index)
      index += spanOf(entry)
    }
  }

  #respond(answer: Respond): void {
    switch (answer.kind) {
      case 'readReady':
        return this.reads.confirmed(answer.id, answer.index)
      case 'readLost':
        return this.reads.lost(answer.id)
      case 'refused':
        return this.client.refused(answer.proposals, answer.code)
      case 'rivalGroup':
        return this.#rival(answer.peer, answer.formation)
    }
  }

  #rival(peer: PeerId, formation: FormationId): void {
    this.deps.warn('RivalGroup', `Peer ${peer.slice(0, 10)} holds the log ${formation.slice(0, 10)}.`)
    this.#rivals.push({ type: 'raft.rival', peer, formation })
  }

  /** After each raft event: what a watcher of the group may have to know. */
  #refresh(): void {
    const snapshot = this.#raft?.getSnapshot()
    if (!snapshot || this.status.get().left) return
    for (const rival of this.#rivals.splice(0)) this.actor.send(rival)
    const before = this.status.get()
    const { term, leader, formation, commitIndex, log } = snapshot.context
    this.#forming.look(snapshot.context)
    const role = roleOf(snapshot)
    const formed = formation.status === 'formed'
    const now: GroupStatus = {
      role,
      term,
      leader,
      formed,
      committed: commitIndex,
      applied: this.replica.applied,
      lastIndex: log.lastIndex,
      reverted: this.#reverted,
      left: before.left,
    }
    if (isSame(before, now)) return
    this.status.set(now)
    const sameReign = before.leader === leader && before.term === term
    if (sameReign && before.role === role && before.formed === formed) return
    this.actor.send({ type: 'raft.status', role, term, leader, formed })
    if (!sameReign && leader) {
      this.client.leaderChanged()
      this.reads.leaderChanged()
    }
    if (role === 'failed') this.deps.warn('StorageFailed', 'The storage refused a write.')
  }

  #left(code: 'NotJoined' | 'ProtocolAssertion'): void {
    this.#ticker?.stop()
    this.client.stop(code)
    this.reads.stop(code)
    this.bonds.clear()
    this.#closed = this.deps.store.close().catch((error: unknown) => this.deps.warn('StorageFailed', traceOf(error)))
    this.status.set({ ...this.status.get(), left: true, leader: null })
  }
}

/** A member that was away for longer than its entry was kept is asked for a new one first. */
async function checkTickets(
  { peer, addresses }: TicketInput,
  { entries, syncWith, validators, clock }: GroupDeps,
): Promise<TicketVerdict> {
  if (!entries.entryOf(peer) && addresses.length > 0) await syncWith(peer, addresses).catch(() => {})
  const entry = entries.entryOf(peer)
  if (!entry) return { granted: false, unknown: true }
  const nowMs = clock.now()
  const verdict = await judgeTickets(entry, validators, nowMs)
  return verdict.granted ? { granted: true, expires: verdict.expires, nowMs } : { granted: false }
}
