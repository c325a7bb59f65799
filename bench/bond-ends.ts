/**
 * Bonds without a group around them: the chart of a bond with its real link, dialled by one process and accepted by another, as often as
 * wanted between the same two peers. A group would allow one bond for each pair.
 */
import { createActor, enqueueActions, fromPromise, sendTo, setup } from 'xstate'
import { bondLogic } from '../src/actors/bond.ts'
import { verified } from '../src/actors/discovery.ts'
import { OwnEntry } from '../src/actors/own-entry.ts'
import { systemClock } from '../src/clock.ts'
import type { GroupId, NetworkId } from '../src/identity/digest.ts'
import { digest } from '../src/identity/digest.ts'
import { GroupKey } from '../src/identity/group-key.ts'
import { Identity, type PeerId } from '../src/identity/keys.ts'
import type { BondInput, BondNews, TicketInput, TicketVerdict } from '../src/machines/bond/events.ts'
import { bondMachine } from '../src/machines/bond/machine.ts'
import type { CatalogRecord } from '../src/machines/discovery/catalog.ts'
import type { Link } from '../src/transport/transport.ts'
import { webSocket } from '../src/transport/websocket.ts'

const NETWORK = digest('bench') as NetworkId
const GROUP = digest('bench group') as GroupId
const KEY = GroupKey.fromSecret(new Uint8Array(32).fill(7))

/** Where the other process can be found, and who answers there. */
export interface BondAddress {
  readonly address: string
  readonly peer: PeerId
}

/** What one actor bears, as in a group of so many: XState copies the list of its children whenever one comes or goes. */
const HUB_BONDS = 50

export class BondEnds {
  readonly #identity = Identity.ephemeral()
  readonly #endpoint = webSocket().endpoint({ identity: this.#identity, clock: systemClock })
  readonly #own = new OwnEntry(this.#identity, NETWORK, systemClock, { addresses: [], tags: [], tickets: [] })
  readonly #accepted = new Map<number, Link>()
  readonly #known = new Map<PeerId, CatalogRecord>()
  #nextLink = 1
  #nextBond = 0
  readonly #logic = this.#bond()
  readonly #hubs: ReturnType<typeof hubOf>[] = []

  /** Accepts as many bonds as come. */
  async listen(): Promise<BondAddress> {
    const listener = await this.#endpoint.listen('ws://127.0.0.1:0', ['tessera.groups.1'], (link) => {
      const linkNumber = this.#nextLink++
      this.#accepted.set(linkNumber, link)
      void this.#run('acceptor', link.peer, [], linkNumber)
    })
    return { address: listener.addresses[0]!, peer: this.#identity.peer }
  }

  /** Resolves when the new bond is steady here. */
  dial({ address, peer }: BondAddress): Promise<void> {
    return this.#run('dialler', peer, [address], null)
  }

  get steady(): number {
    return this.#bonds().filter((bond) => bond?.getSnapshot().matches('steady')).length
  }

  closeAll(): void {
    for (const bond of this.#bonds()) bond?.send({ type: 'bond.close', reason: 'Cancelled' })
  }

  #bonds() {
    return this.#hubs.flatMap((hub) => Object.values(hub.getSnapshot().children))
  }

  /** Of the next bond. */
  #hub() {
    if (this.#nextBond % HUB_BONDS === 0) this.#hubs.push(hubOf(this.#logic))
    return this.#hubs.at(-1)!
  }

  #take(linkNumber: number): Link | undefined {
    const link = this.#accepted.get(linkNumber)
    this.#accepted.delete(linkNumber)
    return link
  }

  #run(
    role: 'dialler' | 'acceptor',
    peer: PeerId,
    addresses: readonly string[],
    linkNumber: number | null,
  ): Promise<void> {
    const ids = { self: this.#identity.peer, peer, network: NETWORK, group: GROUP }
    const input = { role, ...ids, addresses, linkNumber, seed: [1, 2, 3, 4] } as const
    return new Promise((resolve, reject) => {
      const ended = (reason: string) => reject(new Error(`A bond ended: ${reason}.`))
      this.#hub().send({ type: 'hub.spawn', id: `bond:${this.#nextBond++}`, input, steady: resolve, ended })
    })
  }

  #bond(): typeof bondMachine {
    const chart = bondMachine.provide({
      actors: {
        checkTickets: fromPromise<TicketVerdict, TicketInput>(async () => {
          return { granted: true, expires: Number.POSITIVE_INFINITY, nowMs: 0 }
        }),
      },
    })
    return bondLogic(chart, {
      clock: systemClock,
      endpoint: this.#endpoint,
      self: this.#identity.peer,
      network: NETWORK,
      group: { id: GROUP, key: KEY },
      entries: {
        own: () => this.#own.record.signed,
        signedOf: () => undefined,
        knows: (peer) => this.#known.has(peer),
        bonded: () => [],
        learn: (entries) => {
          const all = verified(entries, NETWORK, systemClock.now(), (peer) => this.#known.get(peer))
          for (const record of all) this.#known.set(record.entry.peer, record)
          return all.map(({ entry }) => entry.peer)
        },
      },
      accepted: (linkNumber) => this.#take(linkNumber),
      deliver: () => {},
      attach: () => {},
      acquainted: () => {},
    })
  }
}

interface Spawn {
  readonly type: 'hub.spawn'
  readonly id: string
  readonly input: BondInput
  readonly steady: () => void
  readonly ended: (reason: string) => void
}

function hubOf(bond: typeof bondMachine) {
  return createActor(hubMachine(bond), { input: null }).start()
}

/** In the place of a group: spawns bonds, and grants every claim. */
function hubMachine(bond: typeof bondMachine) {
  const waiting = new Map<string, Spawn>()
  return setup({ types: { events: {} as Spawn | BondNews, input: null }, actors: { bond } }).createMachine({
    on: {
      'hub.spawn': {
        actions: enqueueActions(({ enqueue, event }) => {
          waiting.set(event.id, event)
          enqueue.spawnChild('bond', { id: event.id, input: event.input })
        }),
      },
      'bond.claim': { actions: sendTo(({ event }) => event.bond, { type: 'bond.granted' }) },
      'bond.steady': {
        actions: ({ event }) => {
          waiting.get(event.bond)?.steady()
          // What is measured is what a bond holds, not what its bench does.
          waiting.delete(event.bond)
        },
      },
      'bond.ended': {
        actions: enqueueActions(({ enqueue, event }) => {
          waiting.get(event.bond)?.ended(event.reason)
          waiting.delete(event.bond)
          enqueue.stopChild(event.bond)
        }),
      },
    },
  })
}
