/**
 * What a group hears of the catalog: peers that name it, and those it knows that no longer do.
 */
import type { CatalogRecord } from '../machines/discovery/catalog.ts'
import type { GroupEvent } from '../machines/group/events.ts'
import type { GroupCore } from './group-core.ts'

/** Null where none of `records` concerns the group. */
export function catalogNews({ deps, actor }: GroupCore, records: readonly CatalogRecord[]): GroupEvent | null {
  const known = actor.getSnapshot().context.peers
  const peers = records.flatMap(({ entry: { peer, addresses, incarnation, update, groups, departed } }) => {
    const names = groups.includes(deps.id)
    if (!names && !(peer in known)) return []
    return [{ peer, addresses, version: `${incarnation}.${update}`, incarnation, departed: departed || !names }]
  })
  return peers.length > 0 ? { type: 'group.catalog', peers } : null
}
