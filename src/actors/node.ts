/**
 * A node: this process in one network. It binds `nodeMachine` and `discoveryMachine` to a transport, owns the own entry, hands accepted
 * links to the group they ask for, and keeps every group told of the peers that name it.
 *
 * Lifecycle: `createNode` listens, then resolves -> groups are joined and left -> `stop` closes everything.
 */
import { type ActorRefFrom, createActor, enqueueActions, fromPromise, toPromise } from 'xstate'
import { TesseraError, traceOf } from '../errors.ts'
import { type GroupId, type NetworkId, short } from '../identity/digest.ts'
import { groupId } from '../identity/group-id.ts'
import type { PeerId } from '../identity/keys.ts'
import type { PeerEntry } from '../identity/peer-entry.ts'
import {
  type Catalog,
  type CatalogRecord,
  emptyCatalog,
  isNews,
  neighbours,
  recordOf,
} from '../machines/discovery/catalog.ts'
import { discoveryMachine } from '../machines/discovery/machine.ts'
import { nodeMachine } from '../machines/node/machine.ts'
import { nextHex, type RandomState, randomFrom } from '../machines/random.ts'
import type { AnyStateMachine } from '../machines/state-machine.ts'
import type { Endpoint, Link, Listener, Protocol } from '../transport/transport.ts'
import { abortable } from './abortable.ts'
import { AcceptedLinks } from './accepted-links.ts'
import { catalogNews } from './catalog-news.ts'
import { answerDiscovery, type DiscoveryDeps, discoveryExchanges, genuine, syncCatalogs, viewOf } from './discovery.ts'
import { Group } from './group.ts'
import { type GroupActor, GroupCore, type GroupDeps } from './group-core.ts'
import { checkedJoinOptions, checkedNodeOptions, type JoinOptions, type NodeOptions } from './options.ts'
import { OwnEntry } from './own-entry.ts'
import { strayInput, strayLogic } from './stray.ts'
import type { WaitOptions } from './when.ts'
import { inspectorOf, spawnBound } from './xstate.ts'

type CheckedOptions = ReturnType<typeof checkedNodeOptions>
type DiscoveryActor = ActorRefFrom<typeof discoveryMachine>

interface Joined {
  readonly core: GroupCore
  /** The id of its actor. */
  readonly actor: string
  handles: number
}

const PROTOCOLS: readonly Protocol[] = ['tessera.groups.1', 'tessera.discovery.1']

/**
 * Starts a node; resolves once it listens. Rejects `InvalidOption`, `UnsafeStorage`, `ListenFailed`, or `Aborted` where `signal` fires first;
 * nothing of a node that did not start is left behind.
 */
export async function createNode(options: NodeOptions): Promise<TesseraNode> {
  const checked = checkedNodeOptions(options)
  if (options.signal?.aborted) throw new TesseraError('Aborted', { cause: options.signal.reason })
  const node = new TesseraNode(checked)
  try {
    await abortable(node.listening, options.signal)
    return node
  } catch (error) {
    void node.stop()
    throw error
  }
}

export class TesseraNode {
  readonly id: PeerId
  readonly network: NetworkId
  /** The XState actor of the node: discovery and groups are its children. */
  readonly actor: ActorRefFrom<typeof nodeMachine>
  /** Settles when the node listens, or rejects `ListenFailed`. */
  readonly listening: Promise<void>
  readonly #options: CheckedOptions
  readonly #endpoint: Endpoint
  readonly #own: OwnEntry
  readonly #exchanges: DiscoveryDeps
  readonly #groups = new Map<GroupId, Joined>()
  readonly #accepted = new AcceptedLinks()
  #listeners: Listener[] = []
  #failure: TesseraError | null = null
  #stopped: Promise<void> | null = null
  /** It stopped as a member that comes back, so nobody is told that it left. */
  #suspended = false
  /** Groups that were left, whose stores may still be closing. */
  readonly #closing = new Set<Promise<void>>()

  constructor(options: CheckedOptions) {
    const { identity, network, clock, transport, inspect } = options
    this.#options = options
    this.id = identity.peer
    this.network = network
    this.#endpoint = transport.endpoint({ identity, clock })
    this.#own = new OwnEntry(identity, network, clock, { addresses: [], tags: options.tags, tickets: options.tickets })
    this.#exchanges = {
      clock,
      endpoint: this.#endpoint,
      network,
      self: this.id,
      outlive: (earlier) => {
        if (this.#own.outlive(earlier)) this.#announceGroups(this.#own.record)
      },
      catalog: viewOf(
        () => this.#own.record.signed,
        () => this.#catalog,
      ),
      overBond: (peer, own) => [...this.#groups.values()].some(({ core }) => core.bonds.tell(peer, own)),
      received: (records) => this.#received(records),
    }
    const blind = (error: unknown) => options.warn('Unexpected', `The inspector threw, and is told no more: ${error}`)
    const inspection = inspect ? { inspect: inspectorOf(inspect, short(this.id), blind) } : {}
    const id = `node:${short(this.id)}`
    this.actor = createActor(this.#bind(), { input: { self: this.id }, id, clock, ...inspection })
    this.listening = this.#running()
    this.actor.start()
  }

  /** Where this node really listens, ports filled in. */
  get addresses(): readonly string[] {
    return this.#listeners.flatMap((listener) => listener.addresses)
  }

  /** This node's own newest entry. */
  get entry(): PeerEntry {
    return this.#own.record.entry
  }

  /** Newest entries of all other peers that are known and have not departed, in peer-id order. */
  get peers(): readonly PeerEntry[] {
    return this.#neighbours().map(({ entry }) => entry)
  }

  /**
   * Joins a group; joining the same again gives another handle to the same. Returns at once: `group.when.online()` tells when it
   * can be used. Throws `InvalidOption`, `NodeStopped`, `StorageFailed`, or `Leaving` while its last handle is still leaving.
   */
  join<M extends AnyStateMachine>(options: JoinOptions<M>): Group<M> {
    if (this.#stopped) throw new TesseraError('NodeStopped')
    const checked = checkedJoinOptions(options)
    const id = groupId(checked.key, checked)
    const known = this.#groups.get(id)
    // Its last handle was given up: it says goodbye, and cannot be taken back.
    if (known?.handles === 0) throw new TesseraError('Leaving')
    const joined = known ?? this.#start(id, checked)
    joined.handles++
    return new Group<M>(joined.core, () => this.#release(joined))
  }

  /**
   * Hands leadership over, tells the peers, closes every link, listener and store. Resolves when nothing is left; rejects `Aborted` only.
   *
   * With a fixed identity and durable storage it stays a member of its groups, for a process that comes back as the same; to depart,
   * leave them first. Any other cannot come back, so it leaves its groups and the network.
   */
  stop({ signal }: WaitOptions = {}): Promise<void> {
    this.#stopped ??= this.#stop()
    return abortable(this.#stopped, signal)
  }

  async #stop(): Promise<void> {
    try {
      await this.listening
      this.actor.send({ type: 'node.stop' })
      await toPromise(this.actor)
    } catch {
      // It did not start, or it failed: `listening` and `warn` have told why, and the endpoint is closed.
    }
    await Promise.all(this.#closing)
  }

  /** In a log or a snapshot it shows its names only. */
  toJSON(): { id: PeerId; network: NetworkId } {
    return { id: this.id, network: this.network }
  }

  #running(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.actor.subscribe({
        next: (snapshot) => {
          if (snapshot.matches('running')) resolve()
        },
        complete: () => {
          const failure = this.#failure
          if (!failure) return reject(new TesseraError('NodeStopped'))
          // Of several addresses some may be listened on already.
          void this.#endpoint.close().then(() => reject(failure))
        },
        error: (cause) => {
          this.#options.warn('ProtocolAssertion', traceOf(cause))
          void this.#endpoint.close()
          reject(new TesseraError('ProtocolAssertion', { cause }))
        },
      })
    })
  }

  #bind(): typeof nodeMachine {
    const { bootstrap, clock } = this.#options
    return nodeMachine.provide({
      actors: {
        listen: fromPromise(() => this.#listen()),
        farewell: fromPromise(() => this.#farewell()),
        discovery: this.#discoveryLogic(),
        stray: this.#strayLogic(),
      },
      actions: {
        startDiscovery: enqueueActions(({ enqueue }) => {
          const input = { self: this.id, network: this.network, bootstrap, seed: this.#seed(), nowMs: clock.now() }
          enqueue.spawnChild('discovery', { id: 'discovery', input })
        }),
        spawnGroup: enqueueActions(({ enqueue, event }) => {
          if (event.type !== 'node.join') return
          const { group, actor: id } = event
          const input = { self: this.id, network: this.network, group, seed: this.#seed() }
          const joined = this.#groups.get(group)
          if (joined) spawnBound(enqueue, joined.core.logic, { id, input })
        }),
        receiveStray: enqueueActions(({ enqueue, event }) => {
          if (event.type !== 'node.strayLink') return
          const { linkNumber, peer } = event
          const { id: self, network } = this
          const input = strayInput({ self, network, linkNumber, peer, seed: this.#seed() })
          enqueue.spawnChild('stray', { id: `stray:${linkNumber}`, input })
        }),
        tellGroupsToStop: enqueueActions(({ enqueue }) => {
          const { identity, storage } = this.#options
          this.#suspended = identity.kind === 'fixed' && storage.durable && this.#groups.size > 0
          const type = this.#suspended ? 'group.suspend' : 'group.leave'
          for (const { core } of this.#groups.values()) enqueue.sendTo(core.actor, { type })
        }),
      },
    })
  }

  async #listen(): Promise<readonly string[]> {
    const { listen, advertise } = this.#options
    for (const address of listen) {
      try {
        this.#listeners.push(await this.#endpoint.listen(address, PROTOCOLS, (link) => this.#accept(link)))
      } catch (cause) {
        this.#failure = cause instanceof TesseraError ? cause : new TesseraError('ListenFailed', { cause })
        throw cause
      }
    }
    this.#own.renew({ addresses: advertise ?? this.addresses })
    return this.addresses
  }

  async #farewell(): Promise<void> {
    const discovery = this.#suspended ? undefined : this.#discovery
    discovery?.send({ type: 'discovery.depart', record: this.#own.renew({ departed: true, groups: [] }) })
    if (discovery) await toPromise(discovery)
    await this.#endpoint.close()
  }

  /** Undefined before the node runs and after it has departed. */
  get #discovery(): DiscoveryActor | undefined {
    const actor = this.actor.getSnapshot().children.discovery as DiscoveryActor | undefined
    return actor?.getSnapshot().status === 'active' ? actor : undefined
  }

  get #catalog(): Catalog {
    return this.#discovery?.getSnapshot().context.catalog ?? emptyCatalog(this.id)
  }

  #neighbours(): readonly CatalogRecord[] {
    return neighbours(this.#catalog, this.#options.clock.now())
  }

  #seed(): RandomState {
    const { random } = this.#options
    return [random(), random(), random(), random()]
  }

  #discoveryLogic(): typeof discoveryMachine {
    const { sync, announceTo } = discoveryExchanges(this.#exchanges)
    return discoveryMachine.provide({
      actors: { sync, announceTo },
      actions: {
        catalogChanged: enqueueActions(({ context: { catalog }, enqueue }, { changes }) => {
          // Sent rather than called, so that whoever hears of a change finds it in the catalog.
          const records = changes.map(({ record }) => record)
          for (const { core } of this.#groups.values()) {
            for (const { entry } of records) core.bonds.entryChanged(entry)
            const event = catalogNews(core, catalog, records)
            if (event) enqueue.sendTo(core.actor, event)
          }
        }),
        refreshOwnEntry: () => this.#tellOwn(this.#own.renew()),
      },
    })
  }

  /** This node's entry is newer: the catalog has it, and through it the network. */
  #tellOwn(record: CatalogRecord): void {
    this.#discovery?.send({ type: 'discovery.ownEntry', record, nowMs: this.#options.clock.now() })
  }

  /** In a mesh everyone hears of everyone from everyone: what the catalog holds already is no news to it. */
  #received(records: readonly CatalogRecord[]): void {
    const catalog = this.#catalog
    const news = records.filter((record) => isNews(catalog, record))
    if (news.length === 0) return
    this.#discovery?.send({ type: 'discovery.received', records: news, nowMs: this.#options.clock.now() })
  }

  #accept(link: Link): void {
    if (link.protocol === 'tessera.discovery.1') {
      void answerDiscovery(link, this.#exchanges)
      return
    }
    const linkNumber = this.#accepted.numberOf(link)
    const joined = link.topic === null ? undefined : this.#groups.get(link.topic)
    if (joined) joined.core.actor.send({ type: 'group.linkAccepted', linkNumber, peer: link.peer })
    else this.actor.send({ type: 'node.strayLink', linkNumber, peer: link.peer })
  }

  /** The last genuine word of `peer`, however old: being away for long takes nothing from what it is allowed. */
  #entryOf(peer: PeerId): PeerEntry | undefined {
    const entry = recordOf(this.#catalog, peer)?.entry
    return entry && !entry.departed ? entry : undefined
  }

  #entries(): GroupDeps['entries'] {
    return {
      own: () => this.#own.record.signed,
      signedOf: (peer) => recordOf(this.#catalog, peer)?.signed,
      entryOf: (peer) => this.#entryOf(peer),
      knows: (peer) => this.#entryOf(peer) !== undefined,
      learn: (entries, of) => {
        const all = genuine(entries, this.#exchanges)
        const records = of ? all.filter(({ entry }) => entry.peer === of) : all
        this.#received(records)
        return records.map(({ entry }) => entry.peer)
      },
    }
  }

  #strayLogic(): ReturnType<typeof strayLogic> {
    const { clock, endpoint, network } = this.#exchanges
    const accepted = (linkNumber: number) => this.#accepted.take(linkNumber)
    return strayLogic({ clock, endpoint, self: this.id, network, entries: this.#entries(), accepted })
  }

  #start(id: GroupId, checked: ReturnType<typeof checkedJoinOptions>): Joined {
    const core = new GroupCore({
      ...checked,
      id,
      clock: this.#options.clock,
      endpoint: this.#endpoint,
      self: this.id,
      network: this.network,
      store: this.#options.storage.open(id, this.id),
      seed: () => this.#seed(),
      nonce: () => nextHex(randomFrom(this.#seed()), 16)[0],
      inspected: this.#options.inspect !== undefined,
      entries: this.#entries(),
      accepted: (linkNumber) => this.#accepted.take(linkNumber),
      syncWith: (peer, addresses) => this.#syncWith(peer, addresses),
      warn: this.#options.warn,
    })
    const joined: Joined = { core, actor: `group:${short(id)}`, handles: 0 }
    this.#groups.set(id, joined)
    this.actor.send({ type: 'node.join', group: id, actor: joined.actor })
    core.started(this.actor.getSnapshot().children[joined.actor] as GroupActor)
    core.actor.subscribe({ complete: () => this.#left(core), error: () => this.#left(core) })
    this.#announceGroups(this.#own.joins(id))
    const known = catalogNews(core, this.#catalog, this.#neighbours())
    if (known) core.actor.send(known)
    return joined
  }

  #announceGroups(record: CatalogRecord): void {
    this.#tellOwn(record)
    for (const { core } of this.#groups.values()) core.actor.send({ type: 'group.entryChanged' })
  }

  async #syncWith(peer: PeerId, addresses: readonly string[]): Promise<void> {
    const { entries } = await syncCatalogs(this.#exchanges, { peer, addresses })
    this.#received(entries)
  }

  /** A handle was given up; the last one takes the group with it. */
  #release(joined: Joined): Promise<void> {
    joined.handles--
    if (joined.handles > 0) return Promise.resolve()
    joined.core.actor.send({ type: 'group.leave' })
    return joined.core.whenLeft()
  }

  #left(core: GroupCore): void {
    const { id } = core.deps
    this.#groups.delete(id)
    const closed = core.whenLeft().then(() => void this.#closing.delete(closed))
    this.#closing.add(closed)
    if (!this.#stopped) this.#announceGroups(this.#own.leaves(id))
    this.actor.send({ type: 'node.groupLeft', group: id })
  }
}
