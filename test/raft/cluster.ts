/**
 * A deliberately dumb cluster: raft machines as actors, FIFO links in arrays, a clock that moves when told to. Nothing happens
 * unless a test steps it, so a run is its seed and its steps. It checks one thing by itself: no message leaves before the
 * write it waits for is on disk.
 */

import { type Actor, createActor } from 'xstate'
import { chunkOf, type Kept, keep, keepOwn, nothingKept, persistedOf } from '../../src/actors/storage/kept.ts'
import { FORGOTTEN } from '../../src/actors/storage/storage.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import { COMPACTION, type Compaction, RAFT_TIMING, type RaftTiming } from '../../src/limits.ts'
import type { Persist, Respond, Send } from '../../src/machines/raft/effects.ts'
import { eventOf } from '../../src/machines/raft/events.ts'
import { nextDeadlineMs, type RaftContext, raftMachine } from '../../src/machines/raft/machine.ts'
import type {
  Commands,
  Entry,
  LeadershipPreference,
  Proposal,
  RaftMessage,
  Snapshot,
  SnapshotPoint,
} from '../../src/machines/raft/messages.ts'
import { nextUint32, type RandomState, randomFrom } from '../../src/machines/random.ts'
import { pack } from '../../src/transport/packed.ts'
import { unpack } from '../transport/unpack.ts'

export type Name = string
export type Role = 'unformed' | 'follower' | 'preCandidate' | 'candidate' | 'leader' | 'failed'

export const peerId = (name: Name): PeerId => name.padEnd(64, '0') as PeerId
export const nameOf = (peer: PeerId): Name => peer.replace(/0+$/, '')

export interface ClusterOptions {
  readonly voters?: number
  /** Voters the group may grow to; default: as many as formed it. */
  readonly votersMax?: number
  readonly seed?: number
  readonly timing?: RaftTiming
  /** False: writes wait until `flush` is called. */
  readonly disk?: boolean
  readonly compaction?: Partial<Compaction>
}

/** What is under way to a node's disk: a numbered write, or a snapshot of its own. */
type Write = Persist | { readonly snapshot: Snapshot; readonly chunks: readonly Uint8Array[] }

/** So many to a snapshot, so that one can be half there. */
const CHUNKS = 3

export class Node {
  readonly name: Name
  readonly peer: PeerId
  readonly applied: Entry[] = []
  readonly responses: Respond[] = []
  readonly sent: { to: Name; message: RaftMessage }[] = []
  readonly disk: Kept = nothingKept()
  /** The newest write that is on disk. */
  durable = 0
  /** Writes that are not on disk yet, and sends that wait for them. */
  readonly writes: Write[] = []
  readonly held: Send[] = []
  actor!: Actor<typeof raftMachine>
  autoFlush = true
  alive = true
  preference: LeadershipPreference = 'normal'

  constructor(name: Name) {
    this.name = name
    this.peer = peerId(name)
  }

  get context(): RaftContext {
    return this.actor.getSnapshot().context
  }
  get role(): Role {
    const { value } = this.actor.getSnapshot()
    return (typeof value === 'string' ? value : Object.keys(value)[0]) as Role
  }
  get term(): number {
    return this.context.term
  }
  get commit(): number {
    return this.context.commitIndex
  }
  /** The commands applied, as text. */
  get commands(): string[] {
    return this.applied.flatMap((entry) => (entry.kind === 'commands' ? textsOf(entry) : []))
  }
  ofKind<K extends Respond['kind']>(kind: K): Extract<Respond, { kind: K }>[] {
    return this.responses.filter((one): one is Extract<Respond, { kind: K }> => one.kind === kind)
  }
}

export function commands(texts: readonly string[], sequence = 1): Commands {
  const packed = pack(texts.map((text) => new TextEncoder().encode(text)))
  return { kind: 'commands', session: 1, sequence, acknowledged: 0, count: texts.length, packed }
}

export function textsOf({ packed }: Commands): string[] {
  return unpack(packed).map((command) => new TextDecoder().decode(command))
}

export function command(text: string, sequence = 1): Proposal {
  return commands([text], sequence)
}

export class Cluster {
  readonly nodes = new Map<Name, Node>()
  nowMs = 1_000
  readonly #links = new Map<string, RaftMessage[]>()
  readonly #cut = new Set<string>()
  readonly #options: Required<ClusterOptions>
  #random: RandomState

  constructor(names: readonly Name[], options: ClusterOptions = {}) {
    const { voters = names.length, votersMax = voters, seed = 1, timing = RAFT_TIMING, disk = true } = options
    this.#options = { voters, votersMax, seed, timing, disk, compaction: options.compaction ?? {} }
    this.#random = randomFrom([seed, 2, 3, 4])
    for (const name of names) this.add(name)
  }

  /** A new process, bonded with all it can reach. */
  add(name: Name, voters = this.#options.voters, bonded = true, preference: LeadershipPreference = 'normal'): Node {
    const node = new Node(name)
    node.preference = preference
    node.autoFlush = this.#options.disk
    this.nodes.set(name, node)
    this.#start(node, voters)
    if (bonded) for (const other of this.alive) if (other !== node) this.#bond(name, other.name)
    return node
  }

  #start(node: Node, voters: number): void {
    const held = persistedOf(node.disk)
    const persisted = held === null ? {} : { persisted: structuredClone(held) }
    if (held?.snapshot) this.#restore(node, held.snapshot)
    const machine = raftMachine.provide({
      actions: {
        persist: (_, write) => this.#persist(node, write),
        send: (_, send) => this.#send(node, send),
        apply: (_, { entries }) => void node.applied.push(...entries),
        respond: (_, response) => void node.responses.push(response),
        takeSnapshot: (_, point) => this.#takeSnapshot(node, point),
        sendChunk: (_, { to, term, snapshot, chunk, after }) => {
          const data = chunkOf(node.disk, snapshot.index, chunk)
          if (data)
            this.#send(node, { to: [to], message: { type: 'InstallSnapshot', term, snapshot, chunk, data }, after })
        },
        restore: (_, { snapshot }) => {
          this.installed++
          this.#restore(node, snapshot)
        },
      },
    })
    const input = {
      self: node.peer,
      voters,
      votersMax: this.#options.votersMax,
      preference: node.preference,
      timing: this.#options.timing,
      compaction: { ...COMPACTION, ...this.#options.compaction },
      seed: [this.#options.seed, node.name.charCodeAt(0), node.name.length, this.#starts++] as const,
      nowMs: this.nowMs,
      ...persisted,
    }
    node.actor = createActor(machine, { input })
    node.actor.subscribe({ error: (error) => this.errors.push(error) })
    node.actor.start()
  }

  readonly errors: unknown[] = []
  /** How many snapshots came over the network and became a member's own. */
  installed = 0
  #starts = 0

  /** A process that died comes back with what was on its disk. */
  restart(name: Name, voters = this.#options.voters): Node {
    const node = this.get(name)
    node.alive = true
    node.applied.length = 0
    node.writes.length = 0
    node.held.length = 0
    node.durable = 0
    this.#start(node, voters)
    for (const other of this.alive) if (other !== node) this.#bond(name, other.name)
    return node
  }

  kill(name: Name): void {
    const node = this.get(name)
    node.alive = false
    node.actor.stop()
    for (const other of this.alive) this.#lose(name, other.name)
  }

  /** It says goodbye to all it is bonded with, and ends. */
  depart(name: Name): void {
    const node = this.get(name)
    node.alive = false
    node.actor.stop()
    for (const other of this.alive) this.#lose(name, other.name, true)
  }

  get(name: Name): Node {
    return this.nodes.get(name)!
  }
  get alive(): Node[] {
    return [...this.nodes.values()].filter(({ alive }) => alive)
  }
  leaders(): Node[] {
    return this.alive.filter(({ role }) => role === 'leader')
  }
  leader(): Node {
    const [leader, ...more] = this.leaders()
    if (leader === undefined || more.length > 0) throw new Error(`leaders: ${this.leaders().map(({ name }) => name)}`)
    return leader
  }

  // disk

  #persist(node: Node, write: Persist): void {
    node.writes.push(write)
    if (node.autoFlush) this.flush(node.name)
  }

  /** `count` writes reach the disk. */
  flush(name: Name, count = Number.POSITIVE_INFINITY): void {
    const node = this.get(name)
    if (!node.alive) return
    for (const write of node.writes.splice(0, count)) {
      if ('chunks' in write) {
        keepOwn(node.disk, write.snapshot, write.chunks)
        node.actor.send({ type: 'raft.snapshotSaved', snapshot: write.snapshot })
        continue
      }
      keep(node.disk, write)
      node.durable = write.number
      node.actor.send({ type: 'raft.persisted', number: write.number })
      const { snapshot: part } = write
      if (part?.kind !== 'chunk' || part.chunk < CHUNKS - 1) continue
      for (const send of node.held.splice(0)) this.#send(node, send)
      node.actor.send({ type: 'raft.snapshotReceived', index: part.snapshot.index, intact: this.intact(name) })
    }
    for (const send of node.held.splice(0)) this.#send(node, send)
  }

  /** What came over the network as a snapshot is what was sent; a test may say otherwise. */
  intact: (name: Name) => boolean = () => true

  /** What was applied, by the checksum of the snapshot that stands for it. Its chunks hold nothing but that, in pieces. */
  readonly #snapshots = new Map<string, readonly Entry[]>()

  #takeSnapshot(node: Node, point: SnapshotPoint): void {
    const checksum = `${point.index}:${point.term}:${node.name}`
    this.#snapshots.set(checksum, [...node.applied])
    const chunks = Array.from({ length: CHUNKS }, (_, at) => new TextEncoder().encode(`${checksum} ${at}`))
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0)
    node.writes.push({ snapshot: { ...point, chunks: CHUNKS, bytes, checksum }, chunks })
    if (node.autoFlush) this.flush(node.name)
  }

  #restore(node: Node, { checksum, index }: Snapshot): void {
    const applied = this.#snapshots.get(checksum) ?? []
    for (let at = 0; at < CHUNKS; at++) {
      const chunk = new TextDecoder().decode(chunkOf(node.disk, index, at) ?? undefined)
      if (chunk !== `${checksum} ${at}`) throw new Error(`${node.name} restores chunk ${at} from '${chunk}'`)
    }
    node.applied.splice(0, Number.POSITIVE_INFINITY, ...applied)
  }

  // network

  #send(node: Node, send: Send): void {
    if (send.after > node.durable) return void node.held.push(send)
    for (const to of send.to) {
      assertOnDisk(node, to, send.message)
      node.sent.push({ to: nameOf(to), message: send.message })
      this.#links.get(link(node.name, nameOf(to)))?.push(send.message)
    }
  }

  #bond(a: Name, b: Name): void {
    if (this.#cut.has(pair(a, b)) || this.#links.has(link(a, b))) return
    this.#links.set(link(a, b), [])
    this.#links.set(link(b, a), [])
    this.get(a).actor.send({ type: 'raft.bondFormed', peer: peerId(b) })
    this.get(b).actor.send({ type: 'raft.bondFormed', peer: peerId(a) })
  }

  #lose(a: Name, b: Name, departed = false): void {
    if (!this.#links.delete(link(a, b))) return
    this.#links.delete(link(b, a))
    for (const [at, peer] of [
      [a, b],
      [b, a],
    ] as const) {
      if (this.get(at).alive) this.get(at).actor.send({ type: 'raft.bondLost', peer: peerId(peer), departed })
    }
  }

  /** The bond breaks, both ends notice, and no new one forms until it heals. */
  cut(a: Name, b: Name): void {
    this.#cut.add(pair(a, b))
    this.#lose(a, b)
  }

  heal(a: Name, b: Name): void {
    this.#cut.delete(pair(a, b))
    if (this.get(a).alive && this.get(b).alive) this.#bond(a, b)
  }

  /** Each side keeps its bonds inside and loses those across. */
  partition(...sides: readonly (readonly Name[])[]): void {
    this.#eachPair((a, b) => {
      if (!sides.some((side) => side.includes(a) && side.includes(b))) this.cut(a, b)
    })
  }

  healAll(): void {
    this.#eachPair((a, b) => this.heal(a, b))
  }

  #eachPair(visit: (a: Name, b: Name) => void): void {
    const names = [...this.nodes.keys()]
    names.forEach((a, place) => {
      for (const b of names.slice(place + 1)) visit(a, b)
    })
  }

  /** Links with something under way. */
  busy(): string[] {
    return [...this.#links].filter(([, queue]) => queue.length > 0).map(([name]) => name)
  }

  /** The oldest message of one link arrives, or is lost. */
  deliver(name: string, lost = false): void {
    const message = this.#links.get(name)?.shift()
    const [from, to] = name.split('>') as [Name, Name]
    if (message !== undefined && !lost) this.get(to).actor.send(eventOf(peerId(from), message))
  }

  /** The next message of a random link arrives. */
  deliverOne(): boolean {
    const busy = this.busy()
    if (busy.length === 0) return false
    const [bits, next] = nextUint32(this.#random)
    this.#random = next
    this.deliver(busy[bits % busy.length]!)
    return true
  }

  /** Everything under way arrives, and what it causes, in a random order that keeps each link's own. */
  settle(): void {
    for (let count = 0; this.deliverOne(); count++) if (count > 100_000) throw new Error('the cluster never settles')
    if (this.errors.length > 0) throw this.errors[0]
  }

  // time

  tick(ms: number = RAFT_TIMING.tickMs, names: readonly Name[] = this.alive.map(({ name }) => name)): void {
    this.nowMs += ms
    for (const name of names) {
      if (this.get(name).alive) this.get(name).actor.send({ type: 'raft.tick', nowMs: this.nowMs })
    }
  }

  /** A regular tick, or a sooner one at the next deadline, as the raft actor does it. */
  #step(): void {
    const deadlineMs = Math.min(...this.alive.map(({ context }) => nextDeadlineMs(context)))
    this.tick(Math.max(1, Math.min(RAFT_TIMING.tickMs, Math.ceil(deadlineMs - this.nowMs))))
    this.settle()
  }

  /** Time passes; messages take none. */
  run(ms: number): void {
    this.settle()
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) this.#step()
  }

  /** Time passes until something is so; a failure says what the members were doing. */
  until(what: string, test: () => boolean, ms = 20_000): void {
    this.settle()
    for (const endMs = this.nowMs + ms; !test(); this.#step()) {
      if (this.nowMs > endMs) throw new Error(`not within ${ms} ms: ${what}\n${this.describe()}`)
    }
  }

  electLeader(): Node {
    this.until('a leader that all follow', () => {
      const [leader] = this.leaders()
      return leader !== undefined && this.alive.every(({ context }) => context.leader === leader.peer)
    })
    return this.leader()
  }

  propose(name: Name, ...texts: readonly string[]): void {
    const proposals = texts.map((text) => command(text))
    this.get(name).actor.send({ type: 'raft.propose', proposals, timeMs: this.nowMs })
  }

  read(name: Name, id: number): void {
    this.get(name).actor.send({ type: 'raft.read', id })
  }

  describe(): string {
    const rows = this.alive.map(({ name, role, term, commit, context }) => {
      const leader = context.leader === null ? '-' : nameOf(context.leader)
      return `${name}: ${role} term ${term} leader ${leader} last ${context.log.lastIndex} commit ${commit}`
    })
    return `seed ${this.#options.seed}\n${rows.join('\n')}`
  }
}

/** Figure 2, persistent state, asked of the disk itself: whatever a message says of its sender must be on it. */
function assertOnDisk({ name, peer, disk }: Node, to: PeerId, message: RaftMessage): void {
  const { term, votedFor, formation } = disk.hardState ?? FORGOTTEN
  const holds = ((): boolean => {
    switch (message.type) {
      case 'AppendEntries':
      case 'AppendEntriesRejection':
      case 'NewerTerm':
      case 'InstallSnapshot':
      case 'TimeoutNow':
        return term >= message.term
      case 'AppendEntriesResponse':
        return (
          term > message.term || (term === message.term && disk.base.index + disk.entries.length >= message.matchIndex)
        )
      case 'InstallSnapshotResponse':
        return term >= message.term && (message.next === 0 || (disk.receiving?.chunks.length ?? 0) >= message.next)
      case 'RequestVote':
        return term > message.term || (term === message.term && votedFor === peer)
      case 'RequestVoteResponse':
        return term > message.term || (term === message.term && (!message.granted || votedFor === to))
      case 'PreVote':
        return term >= message.term - 1
      case 'PreVoteResponse':
        return message.granted || term >= message.term
      case 'Introduce':
        return message.formation === null || (formation.status === 'formed' && formation.id === message.formation)
      case 'FormationProposal':
        return formation.id === message.formation || formation.refused.includes(message.formation)
      case 'FormationAnswer':
        return (
          formation.status === 'formed' ||
          formation.refused.includes(message.formation) ||
          (message.accepted && formation.id === message.formation)
        )
      default:
        return true
    }
  })()
  if (!holds) throw new Error(`${name} tells before it is on disk: ${JSON.stringify({ message, disk })}`)
}

const link = (from: Name, to: Name): string => `${from}>${to}`
const pair = (a: Name, b: Name): string => [a, b].sort().join('-')
