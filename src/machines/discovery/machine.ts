/**
 * Discovery: keeps the catalog of signed peer entries, and sees to it that others hold this node's own.
 *
 * Lifecycle: `online`, where bootstrap addresses are asked until each has answered, and again when its member has fallen silent (a
 * partition may have outlasted what both sides know of each other, and the other side may have nobody to ask), and the own entry is announced again and again,
 * side by side -> `departing`, while the tombstone is told to every neighbour -> `departed`, final.
 *
 * Spread: a new own entry is pushed to a few random neighbours, and each announcement also syncs with one random neighbour
 * (anti-entropy), so what one hears reaches all in a number of rounds that grows with log(n), at a cost per node that does not
 * grow with n but for the list of versions in a sync. A neighbour that does not answer costs no round, as another is asked at once:
 * whoever has not heard that a peer left is the one that still asks that peer.
 *
 * Invariants: no exchange outlives `exchangeTimeoutMs`, and none waits for another. Records reach this machine verified. It has no
 * clock: events bring the time, at the latest with the own entry that each announcement asks for, and what has expired by then is
 * purged. The answer of a sync is judged by the latest time told.
 */
import { raise } from 'xstate'
import { DISCOVERY } from '../../limits.ts'
import { neighbours } from './catalog.ts'
import { type Exchange, syncInTurn } from './exchanges.ts'
import { contextOf, type DiscoveryContext, discoverySetup, type SyncOutput } from './vocabulary.ts'

const bootstrap = (address: string): Exchange => ({ kind: 'bootstrap', peer: null, addresses: [address] })
const syncs = (wanted: readonly Exchange[]) => ({ wanted })
const syncsInstead = ({ exchanges }: DiscoveryContext, failed: string) =>
  syncs(syncInTurn(exchanges[failed]?.otherwise ?? []))

const newsOf = ({ context, event }: { context: DiscoveryContext; event: { output: SyncOutput | undefined } }) => ({
  records: event.output?.entries ?? [],
  nowMs: context.nowMs,
})
const tellChanges = [
  { type: 'catalogChanged', params: ({ context }: { context: DiscoveryContext }) => ({ changes: context.changes }) },
  'emitChanges',
] as const

export const discoveryMachine = discoverySetup.createMachine({
  id: 'discovery',
  description: 'Keeps the signed catalog, and sees to it that others hold the own entry.',
  context: ({ input }) => contextOf(input),
  initial: 'online',
  on: {
    'xstate.done.actor.*': {
      actions: [
        { type: 'keepAnswer', params: ({ event }) => ({ id: event.actorId, entries: event.output?.entries ?? [] }) },
        { type: 'end', params: ({ event }) => ({ id: event.actorId, answered: true }) },
        { type: 'takeIn', params: newsOf },
        ...tellChanges,
      ],
    },
    'xstate.error.actor.*': {
      actions: [
        { type: 'askAgainLater', params: ({ event }) => ({ id: event.actorId }) },
        { type: 'sync', params: ({ context, event }) => syncsInstead(context, event.actorId) },
        { type: 'end', params: ({ event }) => ({ id: event.actorId, answered: false }) },
      ],
    },
    'discovery.exchangeTimeout': {
      actions: [
        { type: 'askAgainLater', params: ({ event }) => ({ id: event.exchange }) },
        { type: 'sync', params: ({ context, event }) => syncsInstead(context, event.exchange) },
        { type: 'end', params: ({ event }) => ({ id: event.exchange, answered: false }) },
      ],
    },
  },
  states: {
    online: {
      description: 'Takes part in the network.',
      type: 'parallel',
      on: {
        'discovery.received': { actions: [{ type: 'takeIn', params: ({ event }) => event }, ...tellChanges] },
        'discovery.ownEntry': {
          actions: [
            { type: 'keepOwn', params: ({ event }) => event },
            ...tellChanges,
            { type: 'chooseSome', params: { count: DISCOVERY.announceFanout } },
            { type: 'announceToChosen', params: ({ event }) => event },
          ],
        },
        'discovery.syncWith': {
          actions: {
            type: 'sync',
            params: ({ event: { peer, addresses } }) => syncs([{ kind: 'sync', peer, addresses }]),
          },
        },
        'discovery.depart': {
          target: 'departing',
          actions: [
            'endAll',
            { type: 'keepOwn', params: ({ context, event: { record } }) => ({ record, nowMs: context.nowMs }) },
            ...tellChanges,
            'chooseAll',
            { type: 'announceToChosen', params: ({ event }) => event },
          ],
        },
      },
      states: {
        reach: {
          initial: 'bootstrapping',
          on: {
            'discovery.askAgain': {
              actions: { type: 'sync', params: ({ event }) => syncs([bootstrap(event.address)]) },
            },
          },
          states: {
            bootstrapping: {
              description: 'Every bootstrap address is asked at once, and again after a pause, until one answers.',
              entry: { type: 'sync', params: ({ context }) => syncs(context.unanswered.map(bootstrap)) },
              always: { guard: 'bootstrapped', target: 'running' },
            },
            running: {
              description:
                'The network is reached, or there is nobody to ask; an address that is silent, or that no visible peer has, is still asked.',
              on: { 'discovery.intervalPassed': { actions: 'askTheSilent' } },
            },
          },
        },
        announcing: {
          initial: 'waiting',
          states: {
            waiting: {
              description:
                'An interval with jitter; then the own entry is made anew and a neighbour synced with: if it does not answer, another.',
              entry: 'drawAnnounceDelay',
              after: {
                announceInterval: {
                  target: 'waiting',
                  reenter: true,
                  actions: [
                    'refreshOwnEntry',
                    raise({ type: 'discovery.intervalPassed' }),
                    { type: 'chooseSome', params: { count: DISCOVERY.syncTriesMax } },
                    { type: 'sync', params: ({ context }) => syncs(syncInTurn(context.chosen)) },
                  ],
                },
              },
            },
          },
        },
      },
    },
    departing: {
      description: 'The tombstone is on its way to every neighbour; each is given its deadline and no more.',
      always: { guard: 'allTold', target: 'departed' },
    },
    departed: { type: 'final', description: 'Nothing of this node is left in the network but its tombstone.' },
  },
})

/** What an inspector may see: counts and short ids, never entries or addresses. */
export function summaryOf({ catalog, network, exchanges, unanswered, reached, nowMs }: DiscoveryContext) {
  return {
    self: catalog.self.slice(0, 10),
    network: network.slice(0, 10),
    peers: catalog.records.size,
    neighbours: neighbours(catalog, nowMs).map(({ entry }) => entry.peer.slice(0, 10)),
    tombstones: [...catalog.records.values()].filter(({ entry }) => entry.departed).length,
    exchanges: Object.keys(exchanges).length,
    unanswered: unanswered.length,
    reached,
  }
}

export type {
  AnnounceInput,
  DiscoveryContext,
  DiscoveryEmitted,
  DiscoveryEvent,
  DiscoveryInput,
  SyncOutput,
} from './vocabulary.ts'
