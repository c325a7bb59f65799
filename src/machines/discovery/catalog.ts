/**
 * The catalog: the newest signed entry of each peer this node has heard of, its own among them.
 *
 * Invariants:
 * - of one peer only the newest entry is kept, by (incarnation, update); nothing is ever re-stamped;
 * - the own entry comes from this node alone, whatever others send;
 * - age is counted from an entry's `update`. One older than `hiddenAfterMs` is not visible, though still the last word of its peer;
 *   one older than `purgedAfterMs` is dropped, which is told as a departure, and not taken in again. A tombstone lives as long, so every live entry that it buried is too old by the time
 *   it goes: no sync can bring a departed peer back;
 * - at most `entriesMax` peers. A full catalog takes in no new peer rather than give up one it knows, so that a flood of
 *   invented peers does not push out the real ones.
 *
 * Below that cap merging is commutative, associative and idempotent: catalogs that exchange entries become alike.
 */
import type { PeerId } from '../../identity/keys.ts'
import type { PeerEntry, SignedEntry } from '../../identity/peer-entry.ts'
import { DISCOVERY } from '../../limits.ts'
import type { Held } from './messages.ts'

/** An entry that was opened and verified, with the bytes that prove it. */
export interface CatalogRecord {
  readonly entry: PeerEntry
  readonly signed: SignedEntry
}

export interface Catalog {
  readonly self: PeerId
  readonly records: ReadonlyMap<PeerId, CatalogRecord>
}

/** What changed for someone who looks at the visible peers; one that only fell silent departs when its entry is dropped. */
export interface CatalogChange {
  readonly type: 'discovered' | 'updated' | 'departed'
  readonly record: CatalogRecord
}

type Version = Pick<PeerEntry, 'incarnation' | 'update'>

export function emptyCatalog(self: PeerId): Catalog {
  return { self, records: new Map() }
}

/** Above 0 where `a` is newer than `b`. */
export function compareVersions(a: Version, b: Version): number {
  return a.incarnation - b.incarnation || a.update - b.update
}

/** Verified entries of others, whichever way they came. What is older, expired or about this node itself is left out. */
export function merge(
  catalog: Catalog,
  arrived: readonly CatalogRecord[],
  nowMs: number,
): [Catalog, readonly CatalogChange[]] {
  const records = new Map(catalog.records)
  const changes: CatalogChange[] = []
  for (const record of arrived) {
    const { peer } = record.entry
    if (peer === catalog.self || !isWanted(records, record, nowMs)) continue
    const change = changeBetween(records.get(peer), record, nowMs)
    records.set(peer, record)
    if (change) changes.push({ type: change, record })
  }
  return sameRecords(records, catalog.records) ? [catalog, []] : [{ ...catalog, records }, changes]
}

/** This node's own entry, made by itself: it replaces the one before. */
export function setOwn(catalog: Catalog, record: CatalogRecord): Catalog {
  return { ...catalog, records: new Map(catalog.records).set(catalog.self, record) }
}

function isWanted(records: ReadonlyMap<PeerId, CatalogRecord>, { entry }: CatalogRecord, nowMs: number): boolean {
  if (isExpired(entry, nowMs)) return false
  const known = records.get(entry.peer)?.entry
  return known ? isNewerThan(known, entry) : records.size < DISCOVERY.entriesMax
}

function isNewerThan(known: PeerEntry, entry: PeerEntry): boolean {
  const order = compareVersions(entry, known)
  return order > 0 || (order === 0 && entry.departed && !known.departed)
}

/** Does this tell the catalog anything it does not hold? */
export function isNews({ records }: Catalog, record: CatalogRecord): boolean {
  const known = records.get(record.entry.peer)
  return known === undefined || (known !== record && isNewerThan(known.entry, record.entry))
}

function changeBetween(
  known: CatalogRecord | undefined,
  { entry }: CatalogRecord,
  nowMs: number,
): CatalogChange['type'] | null {
  const wasVisible = known !== undefined && isVisible(known.entry, nowMs)
  if (isVisible(entry, nowMs)) return wasVisible ? 'updated' : 'discovered'
  return wasVisible ? 'departed' : null
}

function sameRecords(a: ReadonlyMap<PeerId, CatalogRecord>, b: ReadonlyMap<PeerId, CatalogRecord>): boolean {
  if (a.size !== b.size) return false
  for (const [peer, record] of a) if (b.get(peer) !== record) return false
  return true
}

function isExpired(entry: PeerEntry, nowMs: number): boolean {
  return nowMs - entry.update > DISCOVERY.purgedAfterMs
}

export function isVisible(entry: PeerEntry, nowMs: number): boolean {
  return !entry.departed && nowMs - entry.update <= DISCOVERY.hiddenAfterMs
}

/** The peers that are there as far as anyone knows, this node among them, in peer-id order. */
export function visible(catalog: Catalog, nowMs: number): readonly CatalogRecord[] {
  return inOrder(catalog).filter(({ entry }) => isVisible(entry, nowMs))
}

/** The visible peers without this node. */
export function neighbours(catalog: Catalog, nowMs: number): readonly CatalogRecord[] {
  return visible(catalog, nowMs).filter(({ entry }) => entry.peer !== catalog.self)
}

/** Without the entries and tombstones of others that have expired; the same catalog where none has. */
export function purge(catalog: Catalog, nowMs: number): [Catalog, readonly CatalogChange[]] {
  const expired = inOrder(catalog).filter(({ entry }) => entry.peer !== catalog.self && isExpired(entry, nowMs))
  if (expired.length === 0) return [catalog, []]
  const records = new Map(catalog.records)
  for (const { entry } of expired) records.delete(entry.peer)
  const silent = expired.filter(({ entry }) => !entry.departed)
  return [{ ...catalog, records }, silent.map((record) => ({ type: 'departed', record }))]
}

/** What this side tells in a sync: the version it holds of every peer, tombstones among them. */
export function held(catalog: Catalog): readonly Held[] {
  return inOrder(catalog).map(({ entry: { peer, incarnation, update } }) => ({ peer, incarnation, update }))
}

/** The answer to what the other side holds: the records it lacks, and the peers whose newer entry is wanted from it. */
export function newerThan(
  catalog: Catalog,
  theirs: readonly Held[],
): { readonly entries: readonly CatalogRecord[]; readonly wanted: readonly PeerId[] } {
  const versions = new Map(theirs.map((one) => [one.peer, one]))
  const entries = inOrder(catalog).filter(({ entry }) => {
    const version = versions.get(entry.peer)
    return !version || compareVersions(entry, version) > 0
  })
  const wanted = [...versions.values()].filter((version) => {
    const known = catalog.records.get(version.peer)
    return version.peer !== catalog.self && (!known || compareVersions(version, known.entry) > 0)
  })
  return { entries, wanted: wanted.map(({ peer }) => peer).sort() }
}

/** What is held of `peer`, visible or not. */
export function recordOf(catalog: Catalog, peer: PeerId): CatalogRecord | undefined {
  return catalog.records.get(peer)
}

function inOrder(catalog: Catalog): CatalogRecord[] {
  return [...catalog.records.values()].sort((a, b) => (a.entry.peer < b.entry.peer ? -1 : 1))
}
