/**
 * The words the discovery chart is written in: events, context, and what each action does. When it happens stands in
 * `machine.ts`.
 */
import { assign, enqueueActions, fromPromise, setup } from 'xstate'
import type { NetworkId } from '../../identity/digest.ts'
import type { PeerId } from '../../identity/keys.ts'
import { DISCOVERY } from '../../limits.ts'
import { nextBetween, type RandomState, randomFrom } from '../random.ts'
import {
  type Catalog,
  type CatalogChange,
  type CatalogRecord,
  emptyCatalog,
  merge,
  neighbours,
  purge,
  setOwn,
  visible,
} from './catalog.ts'
import { type Exchange, type Exchanges, type ExchangeTarget, exchange, isSyncing, pick, without } from './exchanges.ts'

export interface DiscoveryInput {
  readonly self: PeerId
  readonly network: NetworkId
  /** Addresses of any known members. This node's own among them does no harm. */
  readonly bootstrap: readonly string[]
  readonly seed: RandomState
  readonly nowMs: number
}

export interface DiscoveryContext {
  readonly network: NetworkId
  readonly catalog: Catalog
  readonly bootstrap: readonly string[]
  /** Bootstrap addresses that have not answered yet, or not since their member fell silent: being asked, or about to be. */
  readonly unanswered: readonly string[]
  /** A bootstrap address other than this node's own has answered. */
  readonly reached: boolean
  readonly exchanges: Exchanges
  /** What the last news changed. */
  readonly changes: readonly CatalogChange[]
  /** Whom the next announcements or syncs go to. */
  readonly chosen: readonly CatalogRecord[]
  /** Numbers the exchanges. */
  readonly nextExchange: number
  readonly announceDelayMs: number
  /** The latest time an event brought. */
  readonly nowMs: number
  readonly random: RandomState
}

/** What a sync brought, verified; empty where the other side had nothing that was lacking here, or is this node itself. */
export interface SyncOutput {
  readonly entries: readonly CatalogRecord[]
}
export type AnnounceInput = ExchangeTarget & { readonly record: CatalogRecord }

export interface News {
  readonly records: readonly CatalogRecord[]
  readonly nowMs: number
}
export interface OwnNews {
  readonly record: CatalogRecord
  readonly nowMs: number
}

export type DiscoveryEvent =
  /** Verified records from an inbound exchange or from a bond. */
  | ({ readonly type: 'discovery.received' } & News)
  /** The own entry was made or changed. */
  | ({ readonly type: 'discovery.ownEntry' } & OwnNews)
  /** A peer did not know this node. */
  | { readonly type: 'discovery.syncWith'; readonly peer: PeerId; readonly addresses: readonly string[] }
  /** Leaves the network; the record is the own tombstone. */
  | { readonly type: 'discovery.depart'; readonly record: CatalogRecord }
  /** An announce interval has passed. */
  | { readonly type: 'discovery.intervalPassed' }
  | { readonly type: 'discovery.askAgain'; readonly address: string }
  | { readonly type: 'discovery.exchangeTimeout'; readonly exchange: string }
  | { readonly type: `xstate.done.actor.${string}`; readonly actorId: string; readonly output: SyncOutput | undefined }
  | { readonly type: `xstate.error.actor.${string}`; readonly actorId: string; readonly error: unknown }

export type DiscoveryEmitted =
  | {
      readonly type: 'peerDiscovered' | 'peerUpdated' | 'peerDeparted'
      readonly peer: PeerId
      readonly record: CatalogRecord
    }
  /** An exchange asked for by `discovery.syncWith`, or one of the machine's own, is over. */
  | { readonly type: 'syncEnded'; readonly peer: PeerId | null; readonly answered: boolean }

const EMITTED = { discovered: 'peerDiscovered', updated: 'peerUpdated', departed: 'peerDeparted' } as const

export function contextOf({ self, network, bootstrap, seed, nowMs }: DiscoveryInput): DiscoveryContext {
  return {
    network,
    catalog: emptyCatalog(self),
    bootstrap: [...new Set(bootstrap)],
    unanswered: [...new Set(bootstrap)],
    reached: false,
    exchanges: {},
    changes: [],
    chosen: [],
    nextExchange: 1,
    announceDelayMs: DISCOVERY.announceIntervalMs,
    nowMs,
    random: randomFrom(seed),
  }
}

const noExchange = ({ signal }: { signal: AbortSignal }) => {
  throw signal.reason ?? new TypeError('exchanges are provided by the actors')
}

/** Neighbours that can be dialled. */
function dialable({ catalog, nowMs }: DiscoveryContext): readonly CatalogRecord[] {
  return neighbours(catalog, nowMs).filter(({ entry }) => entry.addresses.length > 0)
}

/** Bootstrap addresses that no visible peer, this node among them, is known to listen at. */
function unadvertised({ bootstrap, catalog, nowMs }: DiscoveryContext): readonly string[] {
  const advertised = new Set(visible(catalog, nowMs).flatMap(({ entry }) => entry.addresses))
  return bootstrap.filter((address) => !advertised.has(address))
}

const deadlineOf = (id: string) => ({ id: `deadline:${id}`, delay: DISCOVERY.exchangeTimeoutMs })

/** The children to spawn for `wanted`, and the context that knows of them. */
function begin(context: DiscoveryContext, wanted: readonly Exchange[]) {
  const started = wanted.map((one, i) => [`${one.kind}:${context.nextExchange + i}`, one] as const)
  const exchanges = { ...context.exchanges, ...Object.fromEntries(started) }
  return { started, next: { exchanges, nextExchange: context.nextExchange + wanted.length } }
}

/** What only remembers. What also spawns, stops or emits follows below, since its types build on these. */
const remembering = setup({
  types: {
    context: {} as DiscoveryContext,
    events: {} as DiscoveryEvent,
    emitted: {} as DiscoveryEmitted,
    input: {} as DiscoveryInput,
  },
  actors: {
    sync: fromPromise<SyncOutput, ExchangeTarget>(noExchange),
    announceTo: fromPromise<void, AnnounceInput>(noExchange),
  },
  delays: {
    announceInterval: ({ context }) => context.announceDelayMs,
  },
  guards: {
    /** A node whose only bootstrap address is its own has nobody left to ask either. */
    bootstrapped: ({ context }) => context.reached || context.unanswered.length === 0,
    allTold: ({ context }) => Object.keys(context.exchanges).length === 0,
  },
  actions: {
    /** Provided outside: told after each change of the catalog, also where it only forgot what has expired. */
    catalogChanged: (_, _params: { readonly changes: readonly CatalogChange[] }) => {},
    /** Provided outside: sign the own entry anew and send it back as `discovery.ownEntry`. */
    refreshOwnEntry: () => {},
    drawAnnounceDelay: assign(({ context }) => {
      const { announceIntervalMs: mean, announceJitter: jitter } = DISCOVERY
      const [announceDelayMs, random] = nextBetween(context.random, mean * (1 - jitter), mean * (1 + jitter))
      return { announceDelayMs, random }
    }),
    takeIn: assign(({ context }, { records, nowMs }: News) => {
      const [catalog, changes] = merge(context.catalog, records, nowMs)
      return { catalog, changes, nowMs: Math.max(context.nowMs, nowMs) }
    }),
    /** With the own entry comes the time: what has expired by then goes. */
    keepOwn: assign(({ context }, { record, nowMs }: OwnNews) => {
      const [catalog, changes] = purge(setOwn(context.catalog, record), nowMs)
      return { catalog, changes, nowMs: Math.max(context.nowMs, nowMs) }
    }),
    /** Whom the next announcements or syncs go to. */
    chooseSome: assign(({ context }, { count }: { count: number }) => {
      const [chosen, random] = pick(dialable(context), count, context.random)
      return { chosen, random }
    }),
    chooseAll: assign(({ context }) => ({ chosen: dialable(context) })),
    keepAnswer: assign(({ context }, { id, entries }: { id: string; entries: readonly CatalogRecord[] }) => {
      const ended = context.exchanges[id]
      if (ended?.kind !== 'bootstrap') return {}
      const unanswered = context.unanswered.filter((address) => !ended.addresses.includes(address))
      // Whoever answers brings its own entry, unless it is held already; an answer of this node itself brings nothing.
      const [catalog] = merge(context.catalog, entries, context.nowMs)
      return { unanswered, reached: context.reached || neighbours(catalog, context.nowMs).length > 0 }
    }),
  },
})

export const discoverySetup = remembering.extend({
  actions: {
    emitChanges: enqueueActions(({ context, enqueue }) => {
      for (const { type, record } of context.changes) {
        enqueue.emit({ type: EMITTED[type], peer: record.entry.peer, record })
      }
    }),
    announceToChosen: enqueueActions(({ context, enqueue }, { record }: { record: CatalogRecord }) => {
      const { started, next } = begin(context, context.chosen.map(exchange('announce')))
      enqueue.assign(next)
      for (const [id, { peer, addresses }] of started) {
        enqueue.spawnChild('announceTo', { id, input: { peer, addresses, record } })
        enqueue.raise({ type: 'discovery.exchangeTimeout', exchange: id }, deadlineOf(id))
      }
    }),
    sync: enqueueActions(({ context, enqueue }, { wanted }: { wanted: readonly Exchange[] }) => {
      const { started, next } = begin(
        context,
        wanted.filter(({ peer }) => peer === null || !isSyncing(context.exchanges, peer)),
      )
      enqueue.assign(next)
      for (const [id, { peer, addresses }] of started) {
        enqueue.spawnChild('sync', { id, input: { peer, addresses } })
        enqueue.raise({ type: 'discovery.exchangeTimeout', exchange: id }, deadlineOf(id))
      }
    }),
    /** Those that answered once, and whose member has fallen silent since; the others are being asked already. */
    askTheSilent: enqueueActions(({ context, enqueue }) => {
      const silent = unadvertised(context).filter((address) => !context.unanswered.includes(address))
      enqueue.assign({ unanswered: [...context.unanswered, ...silent] })
      for (const address of silent) enqueue.raise({ type: 'discovery.askAgain', address })
    }),
    askAgainLater: enqueueActions(({ context, enqueue }, { id }: { id: string }) => {
      const ended = context.exchanges[id]
      if (ended?.kind !== 'bootstrap') return
      const delay =
        neighbours(context.catalog, context.nowMs).length > 0 ? DISCOVERY.straggleRetryMs : DISCOVERY.bootstrapRetryMs
      for (const address of ended.addresses) {
        enqueue.raise({ type: 'discovery.askAgain', address }, { id: `askAgain:${address}`, delay })
      }
    }),
    end: enqueueActions(({ context, enqueue }, { id, answered }: { id: string; answered: boolean }) => {
      const ended = context.exchanges[id]
      if (!ended) return
      enqueue.assign({ exchanges: without(context.exchanges, id) })
      enqueue.cancel(deadlineOf(id).id)
      enqueue.stopChild(id)
      if (ended.kind !== 'announce') enqueue.emit({ type: 'syncEnded', peer: ended.peer, answered })
    }),
    endAll: enqueueActions(({ context, enqueue }) => {
      for (const id of Object.keys(context.exchanges)) {
        enqueue.cancel(deadlineOf(id).id)
        enqueue.stopChild(id)
      }
      enqueue.assign({ exchanges: {} })
    }),
  },
})
