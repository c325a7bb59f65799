/** Catalog records for the tests: unsigned, since the catalog and its machine are given only what was verified before. */
import fc from 'fast-check'
import type { NetworkId } from '../../src/identity/digest.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import type { PeerEntry } from '../../src/identity/peer-entry.ts'
import type { CatalogRecord } from '../../src/machines/discovery/catalog.ts'

/** Some time well after the epoch. */
export const NOW_MS = 1_700_000_000_000
export const NETWORK = '9'.repeat(64) as NetworkId

/** `peer('a')` is `aaa…`: peers order as their letters do. */
export const peer = (letter: string) => letter.repeat(64) as PeerId
export const SELF = peer('0')

export function record(of: string | PeerId, changes: Partial<PeerEntry> = {}): CatalogRecord {
  const entry: PeerEntry = {
    protocolVersion: 1,
    network: NETWORK,
    peer: of.length === 1 ? peer(of) : (of as PeerId),
    incarnation: NOW_MS,
    update: NOW_MS,
    departed: false,
    addresses: [`memory:${of[0]}`],
    tags: [],
    groups: [],
    tickets: [],
    ...changes,
  }
  return { entry, signed: { bytes: new TextEncoder().encode(JSON.stringify(entry)), signature: new Uint8Array(64) } }
}

/**
 * Any history of a few peers, none expired at `NOW_MS`. What an entry says follows from its peer and version: an honest peer
 * signs one entry for each version.
 */
export const anyRecord: fc.Arbitrary<CatalogRecord> = fc
  .record({ letter: fc.constantFrom('a', 'b', 'c', 'd'), incarnation: fc.nat(2), update: fc.nat(5) })
  .map(({ letter, incarnation, update }) =>
    record(letter, { incarnation, update: NOW_MS - 500_000 + update * 100_000, departed: update === 3 }),
  )
export const anyRecords = fc.array(anyRecord, { maxLength: 12 })
