/**
 * This node's own peer entry: what it says of itself, signed anew at each change, each version newer than the last.
 */
import type { Clock } from '../clock.ts'
import type { GroupId, NetworkId } from '../identity/digest.ts'
import type { Identity } from '../identity/keys.ts'
import { ENTRY_VERSION, type PeerEntry, signEntry } from '../identity/peer-entry.ts'
import { type CatalogRecord, compareVersions } from '../machines/discovery/catalog.ts'

export type Told = Pick<PeerEntry, 'addresses' | 'tags' | 'tickets'>

export class OwnEntry {
  readonly #identity: Identity
  readonly #clock: Clock
  #record: CatalogRecord

  constructor(identity: Identity, network: NetworkId, clock: Clock, told: Told) {
    this.#identity = identity
    this.#clock = clock
    const nowMs = clock.now()
    this.#record = this.#signed({
      protocolVersion: ENTRY_VERSION,
      network,
      peer: identity.peer,
      incarnation: nowMs,
      update: nowMs,
      departed: false,
      groups: [],
      ...told,
    })
  }

  get record(): CatalogRecord {
    return this.#record
  }

  /** A newer version with `changes`; without any it says only that this node is still there. */
  renew(
    changes: Partial<Pick<PeerEntry, 'addresses' | 'tags' | 'tickets' | 'groups' | 'departed'>> = {},
  ): CatalogRecord {
    const { entry } = this.#record
    const update = Math.max(this.#clock.now(), entry.update + 1)
    this.#record = this.#signed({ ...entry, ...changes, update })
    return this.#record
  }

  /**
   * Others hold `earlier` of this peer: a former process of the same identity, on a clock that was ahead of this one. Where it is newer than
   * the own entry it would hide it, the tombstone included, so the own one becomes newer still. Returns whether it did.
   */
  outlive(earlier: PeerEntry): boolean {
    const { entry } = this.#record
    if (compareVersions(earlier, entry) <= 0) return false
    const update = Math.max(this.#clock.now(), entry.update + 1)
    this.#record = this.#signed({ ...entry, incarnation: earlier.incarnation + 1, update })
    return true
  }

  joins(group: GroupId): CatalogRecord {
    return this.renew({ groups: [...this.#record.entry.groups, group].sort() })
  }

  leaves(group: GroupId): CatalogRecord {
    return this.renew({ groups: this.#record.entry.groups.filter((other) => other !== group) })
  }

  #signed(entry: PeerEntry): CatalogRecord {
    return { entry, signed: signEntry(entry, this.#identity) }
  }
}
