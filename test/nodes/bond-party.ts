/** One of two that a path is walked between: a real bond with a real link on an endpoint, and what it may lie about. */
import { type Actor, createActor, fromPromise } from 'xstate'
import { type BondDeps, BondLink } from '../../src/actors/bond.ts'
import { withLink } from '../../src/actors/bound-link.ts'
import { verified } from '../../src/actors/discovery.ts'
import type { Clock } from '../../src/clock.ts'
import type { GroupId, NetworkId } from '../../src/identity/digest.ts'
import { GroupKey } from '../../src/identity/group-key.ts'
import { Identity, type PeerId } from '../../src/identity/keys.ts'
import { ENTRY_VERSION, type SignedEntry, signEntry } from '../../src/identity/peer-entry.ts'
import type { BondInput, SyncInput, TicketInput, TicketVerdict } from '../../src/machines/bond/events.ts'
import { bondMachine } from '../../src/machines/bond/machine.ts'
import type { Endpoint, Link } from '../../src/transport/transport.ts'
import { FOREVER, GROUP, NETWORK } from '../bond/rig.ts'

export type Bond = Actor<typeof bondMachine>

export const KEY = GroupKey.fromSecret(new Uint8Array(32).fill(1))
export const WRONG_KEY = GroupKey.fromSecret(new Uint8Array(32).fill(2))
export const [SUBJECT, PEER, THIRD] = [1, 2, 3].map((seed) => Identity.fromSeed(new Uint8Array(32).fill(seed))) as [
  Identity,
  Identity,
  Identity,
]

export class Party {
  readonly identity: Identity
  readonly name: string
  network: NetworkId = NETWORK
  group: GroupId = GROUP
  key = KEY
  /** Its own entry is somebody else's. */
  lies = false
  bond: Bond | null = null
  /** The link of its bond, and what that stands on. */
  end: BondLink | null = null
  link: Link | null = null

  constructor(identity: Identity, name: string) {
    this.identity = identity
    this.name = name
  }
}

export interface Start {
  readonly input: BondInput
  readonly endpoint: Endpoint
  readonly clock: Clock
  /** An acceptor's link; null where it is gone already. */
  readonly accepted: Link | null
  /** What it asks outside stays open. Absent where tickets are granted and claims given as soon as they are asked for. */
  readonly ask?: <Output>() => Promise<Output>
}

/** `party` starts a bond; the one it had is forgotten. */
export function startBond(party: Party, start: Start): void {
  const { input, clock, ask } = start
  const chart = bondMachine.provide({
    actors: {
      checkTickets: fromPromise<TicketVerdict, TicketInput>(async () => (ask ? ask<TicketVerdict>() : FOREVER)),
      syncCatalog: fromPromise<void, SyncInput>(async () => ask?.<void>()),
    },
    actions: {
      // As an acceptor the peer gets its claim at once: its group has nobody else to give it to. As a dialler, when the path says so.
      claim: ({ self, context }) => {
        if (ask || context.role === 'dialler') return
        clock.endOfTurn(() => self.getSnapshot().status === 'active' && self.send({ type: 'bond.granted' }))
      },
    },
  })
  const deps = linkDeps(party, start)
  const bond = withLink(chart, (actor, opening) => {
    party.end = new BondLink(deps, opening, actor)
    return party.end
  })
  party.bond = createActor(bond, { input, clock })
  party.bond.start()
}

/** Read anew at each use, so that a party can become a liar between two messages. */
function linkDeps(party: Party, { input, endpoint, clock, accepted }: Start): BondDeps {
  const known = new Set<PeerId>()
  return {
    clock,
    endpoint,
    self: party.identity.peer,
    get network() {
      return party.network
    },
    get group() {
      return input.group === null ? null : { id: party.group, key: party.key }
    },
    entries: {
      own: () => entryOf(party.lies ? THIRD : party.identity, clock),
      signedOf: () => undefined,
      knows: (peer) => known.has(peer),
      bonded: () => [],
      learn: (entries, of) => {
        const peers = verified(entries, NETWORK, clock.now()).map(({ entry: { peer } }) => peer)
        const kept = peers.filter((peer) => !of || peer === of)
        for (const peer of kept) known.add(peer)
        return kept
      },
    },
    accepted: () => accepted ?? undefined,
    deliver: () => {},
    attach: (_, standing) => {
      party.link = standing?.link ?? null
    },
    acquainted: () => {},
  }
}

function entryOf(identity: Identity, clock: Clock): SignedEntry {
  const nowMs = clock.now()
  const versions = { protocolVersion: ENTRY_VERSION, incarnation: nowMs, update: nowMs }
  const told = { departed: false, addresses: [], tags: [], groups: [], tickets: [] }
  return signEntry({ ...versions, ...told, network: NETWORK, peer: identity.peer }, identity)
}
