/** The catalog: newest word of each peer, tombstones, age, and what two catalogs tell each other. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PeerId } from '../../src/identity/keys.ts'
import { DISCOVERY } from '../../src/limits.ts'
import {
  type Catalog,
  type CatalogRecord,
  compareVersions,
  emptyCatalog,
  held,
  merge,
  neighbours,
  newerThan,
  purge,
  recordOf,
  setOwn,
  visible,
} from '../../src/machines/discovery/catalog.ts'
import { anyRecord, anyRecords, NOW_MS, peer, record, SELF } from './records.ts'

const empty = emptyCatalog(SELF)
const merged = (records: readonly CatalogRecord[], into: Catalog = empty, nowMs = NOW_MS) =>
  merge(into, records, nowMs)[0]
const entriesOf = (catalog: Catalog) => held(catalog).map(({ peer }) => recordOf(catalog, peer)?.entry)

describe('merge keeps the newest entry of each peer', () => {
  const first = record('a', { incarnation: 5, update: NOW_MS - 10 })
  test.each([
    ['a later update', { incarnation: 5, update: NOW_MS - 9 }, true],
    ['an earlier update', { incarnation: 5, update: NOW_MS - 11 }, false],
    ['the same version', { incarnation: 5, update: NOW_MS - 10, addresses: [] }, false],
    ['a later incarnation, though its update is earlier', { incarnation: 6, update: NOW_MS - 11 }, true],
    ['an earlier incarnation, though its update is later', { incarnation: 4, update: NOW_MS }, false],
    ['a tombstone of the same version', { incarnation: 5, update: NOW_MS - 10, departed: true }, true],
  ])('%s', (_, version, replaces) => {
    const second = record('a', version)
    expect(recordOf(merged([second], merged([first])), peer('a'))).toBe(replaces ? second : first)
  })

  test('the order of arrival, and arriving again, change nothing', () => {
    fc.assert(
      fc.property(anyRecords, anyRecords, (some, others) => {
        const together = entriesOf(merged([...some, ...others]))
        expect(entriesOf(merged(others, merged(some)))).toEqual(together)
        expect(entriesOf(merged(some, merged(others)))).toEqual(together)
        const once = merged(some)
        expect(merged(some, once)).toBe(once)
      }),
    )
  })

  test('nothing that is held ever gets older', () => {
    fc.assert(
      fc.property(anyRecords, anyRecord, (some, one) => {
        const before = merged(some)
        const after = merged([one], before)
        for (const { peer: of, ...version } of held(before)) {
          const entry = recordOf(after, of)?.entry
          expect(entry && compareVersions(entry, version)).toBeGreaterThanOrEqual(0)
        }
      }),
    )
  })
})

describe('the own entry comes from this node alone', () => {
  const own = record(SELF)

  test('no record of others replaces it, however new', () => {
    const catalog = setOwn(empty, own)
    const forged = record(SELF, { incarnation: NOW_MS + 1, update: NOW_MS + 1, departed: true })
    expect(merge(catalog, [forged], NOW_MS)).toEqual([catalog, []])
    expect(merged([forged])).toBe(empty)
  })

  test('it is told to others, asked of nobody, and no neighbour of itself', () => {
    const catalog = setOwn(empty, own)
    expect(held(catalog)).toEqual([{ peer: SELF, incarnation: NOW_MS, update: NOW_MS }])
    expect(newerThan(empty, [{ peer: SELF, incarnation: NOW_MS, update: NOW_MS }]).wanted).toEqual([])
    expect(visible(catalog, NOW_MS)).toEqual([own])
    expect(neighbours(catalog, NOW_MS)).toEqual([])
  })
})

describe('what changes for one who looks at the visible peers', () => {
  const live = record('a', { update: NOW_MS - 100 })
  const newer = record('a', { update: NOW_MS })
  const gone = record('a', { update: NOW_MS, departed: true })
  const old = record('a', { update: NOW_MS - DISCOVERY.hiddenAfterMs - 1 })
  test.each([
    ['a new peer', [], live, 'discovered'],
    ['a newer entry', [live], newer, 'updated'],
    ['a departure', [live], gone, 'departed'],
    ['the tombstone of a peer never seen', [], gone, null],
    ['a peer that is hidden by its age', [], old, null],
    ['a hidden peer that speaks again', [old], newer, 'discovered'],
    ['a departed peer that starts again', [gone], record('a', { incarnation: NOW_MS + 1 }), 'discovered'],
    ['an older entry', [newer], live, null],
  ] as const)('%s', (_, before, arriving, type) => {
    const changes = merge(merged(before), [arriving], NOW_MS)[1]
    expect(changes).toEqual(type ? [{ type, record: arriving }] : [])
  })
})

describe('age', () => {
  test('an entry is visible until it is older than hiddenAfterMs, and held until it is older than purgedAfterMs', () => {
    const catalog = merged([record('a'), record('b', { departed: true })])
    const at = (ms: number) => neighbours(catalog, NOW_MS + ms).length
    expect([at(0), at(DISCOVERY.hiddenAfterMs), at(DISCOVERY.hiddenAfterMs + 1)]).toEqual([1, 1, 0])
    expect(purge(catalog, NOW_MS + DISCOVERY.purgedAfterMs)).toEqual([catalog, []])
    expect(held(purge(catalog, NOW_MS + DISCOVERY.purgedAfterMs + 1)[0])).toEqual([])
  })

  test('one that was dropped is told as a departure, a tombstone was told before', () => {
    const silent = record('a')
    const [, changes] = purge(merged([silent, record('b', { departed: true })]), NOW_MS + DISCOVERY.purgedAfterMs + 1)
    expect(changes).toEqual([{ type: 'departed', record: silent }])
  })

  test('the own entry is not purged', () => {
    const catalog = setOwn(empty, record(SELF))
    expect(purge(catalog, NOW_MS + 10 * DISCOVERY.purgedAfterMs)).toEqual([catalog, []])
  })

  test('a sync does not bring back what has expired', () => {
    expect(merged([record('a')], empty, NOW_MS + DISCOVERY.purgedAfterMs + 1)).toBe(empty)
  })

  test('a departed peer does not come back by an older entry, before or after its tombstone is purged', () => {
    fc.assert(
      fc.property(fc.nat(DISCOVERY.purgedAfterMs * 2), fc.nat(1_000), (laterMs, olderMs) => {
        const tombstone = record('a', { departed: true })
        const older = record('a', { update: NOW_MS - olderMs })
        const nowMs = NOW_MS + laterMs
        const catalog = purge(merged([tombstone, older]), nowMs)[0]
        expect(neighbours(merged([older], catalog, nowMs), nowMs)).toEqual([])
      }),
    )
  })
})

describe('a sync leaves both ends with the union', () => {
  /** The exchange of `messages.ts`: request, response with what is wanted, the wanted entries. */
  function sync(dialler: Catalog, acceptor: Catalog): [Catalog, Catalog] {
    const { entries, wanted } = newerThan(acceptor, held(dialler))
    const brought = wanted.flatMap((one) => recordOf(dialler, one) ?? [])
    return [merged(entries, dialler), merged(brought, acceptor)]
  }

  test('of any two', () => {
    const b = (records: readonly CatalogRecord[]) => merged(records, emptyCatalog(peer('f')))
    fc.assert(
      fc.property(anyRecords, anyRecords, (some, others) => {
        const [dialler, acceptor] = sync(merged(some), b(others))
        const union = entriesOf(merged([...some, ...others]))
        expect(entriesOf(dialler)).toEqual(union)
        expect(entriesOf(acceptor)).toEqual(union)
      }),
    )
  })

  test('and a second one carries nothing', () => {
    fc.assert(
      fc.property(anyRecords, anyRecords, (some, others) => {
        const [dialler, acceptor] = sync(merged(some), merged(others))
        expect(newerThan(acceptor, held(dialler))).toEqual({ entries: [], wanted: [] })
      }),
    )
  })
})

test('a full catalog keeps the peers it knows, and still hears from them', () => {
  const id = (i: number) => `1${i.toString(16).padStart(63, '0')}` as PeerId
  const known = Array.from({ length: DISCOVERY.entriesMax }, (_, i) => record(id(i)))
  const full = merged(known)
  expect(merged([record(id(DISCOVERY.entriesMax))], full)).toBe(full)
  const newer = record(id(7), { update: NOW_MS + 1 })
  expect(recordOf(merged([newer], full), newer.entry.peer)).toBe(newer)
})
