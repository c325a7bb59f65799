/**
 * Discovery on the wire: the exchanges that `discoveryMachine` invokes, and the answers to those of others.
 *
 * Each exchange has its own link and its own deadline, so one silent peer never delays another. What arrives is verified here
 * (signature, network, time) before the machine sees it; what is not genuine is left out, whoever brought it.
 */
import { fromPromise } from 'xstate'
import type { Clock } from '../clock.ts'
import { TesseraError } from '../errors.ts'
import type { NetworkId } from '../identity/digest.ts'
import type { PeerId } from '../identity/keys.ts'
import { claimedPeer, isSameEntry, openEntry, type PeerEntry, type SignedEntry } from '../identity/peer-entry.ts'
import { DISCOVERY, WIRE } from '../limits.ts'
import { type Catalog, type CatalogRecord, held, newerThan, recordOf } from '../machines/discovery/catalog.ts'
import type { ExchangeTarget } from '../machines/discovery/exchanges.ts'
import type { AnnounceInput } from '../machines/discovery/machine.ts'
import type { DiscoveryMessage, Held } from '../machines/discovery/messages.ts'
import { decodeDiscovery, encodeDiscovery } from '../transport/codec.ts'
import type { Endpoint, Link } from '../transport/transport.ts'

/** What an exchange needs of the node's catalog. */
export interface CatalogView {
  readonly own: () => SignedEntry
  readonly held: () => readonly Held[]
  /** What the other side lacks, and the peers whose newer entry this side lacks. */
  readonly newerThan: (held: readonly Held[]) => { entries: readonly SignedEntry[]; wanted: readonly PeerId[] }
  readonly entriesOf: (peers: readonly PeerId[]) => readonly SignedEntry[]
  readonly recordOf: (peer: PeerId) => CatalogRecord | undefined
}

export interface DiscoveryDeps {
  readonly clock: Clock
  readonly endpoint: Endpoint
  readonly network: NetworkId
  readonly catalog: CatalogView
  readonly self: PeerId
  /** Others hold this entry of this very peer; it is of a former process where it is newer than the own one. */
  readonly outlive: (earlier: PeerEntry) => void
  /** Tells `peer` over a bond, with which it shares a link already; false where there is none, or no room on it. */
  readonly overBond: (peer: PeerId, own: SignedEntry) => boolean
  /** Genuine records that others brought. */
  readonly received: (records: readonly CatalogRecord[]) => void
}

/** What exchanges see of a node's own entry and catalog, as they are whenever asked. */
export function viewOf(own: () => SignedEntry, catalog: () => Catalog): CatalogView {
  return {
    own,
    held: () => held(catalog()),
    newerThan: (theirs) => {
      const { entries, wanted } = newerThan(catalog(), theirs)
      return { entries: entries.map(({ signed }) => signed), wanted }
    },
    entriesOf: (peers) => peers.flatMap((peer) => recordOf(catalog(), peer)?.signed ?? []),
    recordOf: (peer) => recordOf(catalog(), peer),
  }
}

/** The genuine ones of `entries`. Whoever is bonded with many hears the same of them all, so what is `held` is not even read again. */
export function verified(
  entries: readonly SignedEntry[],
  network: NetworkId,
  nowMs: number,
  held: (peer: PeerId) => CatalogRecord | undefined = () => undefined,
): CatalogRecord[] {
  return entries.flatMap((signed) => {
    const peer = claimedPeer(signed)
    const known = peer ? held(peer) : undefined
    if (known && isSameEntry(known.signed, signed)) return [known]
    try {
      return [{ entry: openEntry(signed, { network, nowMs }), signed }]
    } catch (error) {
      if (error instanceof TesseraError) return []
      throw error
    }
  })
}

/** As `verified`, for a node with this catalog. */
export function genuine(
  entries: readonly SignedEntry[],
  { network, clock, catalog, self, outlive }: DiscoveryDeps,
): CatalogRecord[] {
  const records = verified(entries, network, clock.now(), catalog.recordOf)
  for (const { entry } of records) if (entry.peer === self) outlive(entry)
  return records
}

/** The first of `entries` that fit in one message to a peer that is not proven. */
export function fitting(entries: readonly SignedEntry[]): readonly SignedEntry[] {
  let room: number = WIRE.toldBytesMax
  return entries.filter(({ bytes, signature }) => {
    room -= bytes.length + signature.length + 8
    return room >= 0
  })
}

/** The messages of one link, one at a time, each with a deadline. */
class Conversation {
  readonly #link: Link
  readonly #clock: Clock
  readonly #arrived: Uint8Array[] = []
  #closed = false
  #wake: (() => void) | null = null

  constructor(link: Link, clock: Clock) {
    this.#link = link
    this.#clock = clock
    link.onClose(() => {
      this.#closed = true
      this.#wake?.()
    })
    link.onMessages((messages) => {
      this.#arrived.push(...messages)
      // An exchange has three messages; who says more has no exchange in mind.
      if (this.#arrived.length > 3) void link.close('ProtocolViolation')
      this.#wake?.()
    })
  }

  say(message: DiscoveryMessage): void {
    this.#link.send(encodeDiscovery(message))
  }

  /** The next message; throws `LinkClosed`, `DeadlineExceeded` or `InvalidMessage`. */
  async hear(): Promise<DiscoveryMessage> {
    if (this.#arrived.length === 0 && !this.#closed) await this.#arrival()
    const bytes = this.#arrived.shift()
    if (bytes) return decodeDiscovery(bytes)
    throw new TesseraError(this.#closed ? 'LinkClosed' : 'DeadlineExceeded')
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimeout(() => resolve(), DISCOVERY.exchangeTimeoutMs)
      this.#wake = () => {
        this.#clock.clearTimeout(timer)
        resolve()
      }
    })
  }
}

async function dial(
  { endpoint }: DiscoveryDeps,
  { peer, addresses }: ExchangeTarget,
  signal?: AbortSignal,
): Promise<Link> {
  let cause: unknown
  for (const address of addresses) {
    try {
      const options = {
        protocol: 'tessera.discovery.1',
        ...(peer ? { peer } : {}),
        ...(signal ? { signal } : {}),
      } as const
      return await endpoint.dial(address, options)
    } catch (error) {
      cause = error
    }
  }
  throw new TesseraError('DialFailed', { cause })
}

/** Dialler's side of a sync: both ends hold the union afterwards. Resolves with what the other side brought. */
export async function syncCatalogs(
  deps: DiscoveryDeps,
  target: ExchangeTarget,
  signal?: AbortSignal,
): Promise<{ readonly entries: readonly CatalogRecord[] }> {
  const { network, catalog, clock } = deps
  const link = await dial(deps, target, signal)
  try {
    const talk = new Conversation(link, clock)
    talk.say({ type: 'SyncRequest', network, own: catalog.own(), held: catalog.held() })
    const answer = await talk.hear()
    if (answer.type !== 'SyncResponse') throw new TesseraError('InvalidMessage', { detail: `Got ${answer.type}.` })
    talk.say({ type: 'SyncEntries', entries: fitting(catalog.entriesOf(answer.wanted)) })
    return { entries: genuine(answer.entries, deps) }
  } finally {
    void link.close('Success')
  }
}

/** Over a bond, where one stands: it costs a packet, and a link of its own two handshakes. A goodbye is heard out, so it takes its own. */
async function announce(deps: DiscoveryDeps, { record, ...target }: AnnounceInput, signal: AbortSignal) {
  const { entry, signed } = record
  if (!entry.departed && target.peer && deps.overBond(target.peer, signed)) return
  const link = await dial(deps, target, signal)
  link.send(encodeDiscovery({ type: 'Announce', network: deps.network, entries: [signed] }))
  await link.close('Success')
}

/** What `discoveryMachine` invokes. */
export function discoveryExchanges(deps: DiscoveryDeps) {
  return {
    sync: fromPromise<{ readonly entries: readonly CatalogRecord[] }, ExchangeTarget>(({ input, signal }) =>
      syncCatalogs(deps, input, signal),
    ),
    announceTo: fromPromise<void, AnnounceInput>(({ input, signal }) => announce(deps, input, signal)),
  }
}

/** Acceptor's side: answers one link and closes it, with the reason that fits. */
export async function answerDiscovery(link: Link, deps: DiscoveryDeps): Promise<void> {
  try {
    await link.close(await answer(link, deps))
  } catch (error) {
    const code = error instanceof TesseraError ? error.code : 'ProtocolAssertion'
    await link.close(code === 'DeadlineExceeded' ? 'Timeout' : 'ProtocolViolation')
  }
}

async function answer(link: Link, deps: DiscoveryDeps) {
  const { clock, network, catalog, received } = deps
  const talk = new Conversation(link, clock)
  const first = await talk.hear()
  if (first.type !== 'SyncRequest' && first.type !== 'Announce') return 'ProtocolViolation'
  if (first.network !== network) return 'DifferentNetwork'
  if (first.type === 'Announce') {
    received(genuine(first.entries, deps))
    return 'Success'
  }
  const { entries, wanted } = catalog.newerThan(first.held)
  talk.say({ type: 'SyncResponse', entries: fitting(entries), wanted })
  received(genuine([first.own], deps))
  const last = await talk.hear()
  if (last.type !== 'SyncEntries') return 'ProtocolViolation'
  received(genuine(last.entries, deps))
  return 'Success'
}
