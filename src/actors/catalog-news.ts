/**
 * What a group hears of the catalog: peers that name it, and those it knows that no longer do.
 *
 * A peer that is in the catalog no more has left, and the group forgets it, unless it is in the raft configuration: a member may be away
 * for as long as it takes, and is redialled where it was last. The books are compared rather than told each change, since a peer may leave
 * the configuration long after it left the catalog.
 */
import type { PeerId } from '../identity/keys.ts'
import { type Catalog, type CatalogRecord, recordOf } from '../machines/discovery/catalog.ts'
import type { CatalogPeer, GroupEvent, Slot } from '../machines/group/events.ts'
import type { GroupCore } from './group-core.ts'

/** Null where neither `records`, those that changed, nor what the catalog lacks concerns the group. */
export function catalogNews(core: GroupCore, catalog: Catalog, records: readonly CatalogRecord[]): GroupEvent | null {
  const peers = [...named(core, catalog, records), ...lost(core, catalog)]
  return peers.length > 0 ? { type: 'group.catalog', peers } : null
}

function named({ deps, actor }: GroupCore, catalog: Catalog, records: readonly CatalogRecord[]): CatalogPeer[] {
  const known = actor.getSnapshot().context.peers
  return records.flatMap(({ entry: { peer, addresses, incarnation, update, groups, departed } }) => {
    const names = groups.includes(deps.id)
    if (!recordOf(catalog, peer) || (!names && !(peer in known))) return []
    return [{ peer, addresses, version: `${incarnation}.${update}`, incarnation, departed: departed || !names }]
  })
}

function lost(core: GroupCore, catalog: Catalog): CatalogPeer[] {
  const known = Object.entries(core.actor.getSnapshot().context.peers) as [PeerId, Slot][]
  return known.flatMap(([peer, { addresses, version, incarnation, departed }]) => {
    if (departed || recordOf(catalog, peer) || core.isMember(peer)) return []
    return [{ peer, addresses, version, incarnation, departed: true }]
  })
}
