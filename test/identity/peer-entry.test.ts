import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { verified } from '../../src/actors/discovery.ts'
import { CanonicalWriter } from '../../src/identity/canonical.ts'
import { bytesOf, type Digest, digest } from '../../src/identity/digest.ts'
import { Identity } from '../../src/identity/keys.ts'
import {
  claimedPeer,
  ENTRY_VERSION,
  isNewer,
  openEntry,
  type PeerEntry,
  type SignedEntry,
  signEntry,
} from '../../src/identity/peer-entry.ts'
import { DISCOVERY, IDENTITY } from '../../src/limits.ts'

const NOW_MS = 1_700_000_000_000
const network = digest('network')
const here = { network, nowMs: NOW_MS }
const alice = Identity.fromSeed(new Uint8Array(32).fill(1))
const mallory = Identity.fromSeed(new Uint8Array(32).fill(2))

const entryOf = (change: Partial<PeerEntry> = {}): PeerEntry => ({
  protocolVersion: ENTRY_VERSION,
  network,
  peer: alice.peer,
  incarnation: NOW_MS - 5_000,
  update: NOW_MS,
  departed: false,
  addresses: ['ws://10.0.0.5:7001', 'wss://grüße.example/π'],
  tags: [digest('matcher')],
  groups: [digest('g1'), digest('g2')],
  tickets: [{ class: 'pass', data: Uint8Array.of(1, 2, 3) }],
  ...change,
})

const invalidEntry = (detail: string | RegExp) =>
  expect.objectContaining({ code: 'InvalidEntry', message: expect.stringMatching(detail) })

/** Bytes as they stand, validly signed by Alice: what is wrong with them must show without the signature's help. */
const signedAsIs = (bytes: Uint8Array) => ({ bytes, signature: alice.sign(bytes) })

describe('a signed entry', () => {
  it('opens to what was signed', () => {
    expect(openEntry(signEntry(entryOf(), alice), here)).toEqual(entryOf())
  })

  it('opens to what was signed, whatever it was', () => {
    const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b).toString('hex') as Digest)
    const time = fc.oneof(fc.nat(), fc.integer({ min: 0, max: NOW_MS }))
    const entry = fc.record({
      incarnation: time,
      update: time,
      departed: fc.boolean(),
      addresses: fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { maxLength: 8 }),
      tags: fc.array(id, { maxLength: 40 }),
      groups: fc.array(id, { maxLength: 40 }),
      tickets: fc.array(fc.record({ class: fc.string({ maxLength: 20 }), data: fc.uint8Array({ maxLength: 400 }) }), {
        maxLength: 8,
      }),
    })
    fc.assert(
      fc.property(entry, (change) => {
        expect(openEntry(signEntry(entryOf(change), alice), here)).toEqual(entryOf(change))
      }),
      { numRuns: 50 },
    )
  })

  it('has the same bytes on every member and in every release', () => {
    expect(digest(signEntry(entryOf(), alice).bytes)).toBe(
      '9623bc3d2def672be5cfef07f135dc7ea9f1ac5435533f8e23019643c991f759',
    )
  })

  it('is made by its own peer only', () => {
    expect(() => signEntry(entryOf(), mallory)).toThrow(invalidEntry('its own entry only'))
  })

  it('is refused with the signature of another peer, for other bytes, or cut short', () => {
    const { bytes, signature } = signEntry(entryOf(), alice)
    const other = signEntry(entryOf({ update: NOW_MS - 1 }), alice)
    for (const wrong of [mallory.sign(bytes), other.signature, signature.subarray(0, 63), new Uint8Array(64)]) {
      expect(() => openEntry({ bytes, signature: wrong }, here)).toThrow(invalidEntry('signature is not by its peer'))
    }
  })

  it('is not opened again where the very same is held already, and only then', () => {
    const signed = signEntry(entryOf(), alice)
    const forged = { bytes: signed.bytes, signature: mallory.sign(signed.bytes) }
    const other = signEntry(entryOf({ update: NOW_MS - 1 }), alice)
    const held = { entry: entryOf(), signed }
    const learn = (one: SignedEntry) => {
      return verified([one], network, NOW_MS, (peer) => (peer === alice.peer ? held : undefined))
    }
    const copy = { bytes: signed.bytes.slice(), signature: signed.signature.slice() }
    expect(learn(copy)[0]).toBe(held)
    expect(learn(forged)).toEqual([])
    expect(learn({ ...signed, bytes: other.bytes })).toEqual([])
    expect(learn(other)[0]?.entry.update).toBe(NOW_MS - 1)
  })

  it('tells whose it claims to be, and of other bytes whatever stands there', () => {
    expect(claimedPeer(signEntry(entryOf(), alice))).toBe(alice.peer)
    expect(claimedPeer(signEntry(entryOf({ addresses: [], departed: true }), alice))).toBe(alice.peer)
    expect(claimedPeer(signedAsIs(new Uint8Array(40)))).toBeNull()
  })

  it('is refused when it names another peer than the one who signed it', () => {
    const { bytes } = signEntry(entryOf({ peer: mallory.peer }), mallory)
    expect(() => openEntry(signedAsIs(bytes), here)).toThrow(invalidEntry('signature is not by its peer'))
  })

  it('is refused in another network', () => {
    const signed = signEntry(entryOf({ network: digest('elsewhere') }), alice)
    expect(() => openEntry(signed, here)).toThrow(invalidEntry('of network'))
  })

  it.each(['incarnation', 'update'] as const)(
    'is refused where its %s is further ahead than clocks may differ',
    (field) => {
      const at = (aheadMs: number) => openEntry(signEntry(entryOf({ [field]: NOW_MS + aheadMs }), alice), here)
      expect(at(DISCOVERY.futureMaxMs)[field]).toBe(NOW_MS + DISCOVERY.futureMaxMs)
      expect(() => at(DISCOVERY.futureMaxMs + 1)).toThrow(invalidEntry('ahead of this clock'))
    },
  )
})

describe('the bytes of an entry', () => {
  const good = signEntry(entryOf(), alice).bytes

  it('are refused when cut off anywhere', () => {
    for (let length = 0; length < good.length; length++) {
      expect(() => openEntry(signedAsIs(good.subarray(0, length)), here)).toThrow(invalidEntry(''))
    }
  })

  it('are refused when anything follows', () => {
    expect(() => openEntry(signedAsIs(Uint8Array.of(...good, 0)), here)).toThrow(invalidEntry('goes on after its end'))
  })

  it('have one form: what opens encodes to the same bytes, and every other change is refused', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = good.slice()
        bytes[at] = (bytes[at] as number) ^ change
        let entry: PeerEntry
        try {
          entry = openEntry(signedAsIs(bytes), here)
        } catch (error) {
          expect(error).toEqual(invalidEntry(''))
          return
        }
        expect(signEntry(entry, alice).bytes).toEqual(bytes)
      }),
      { numRuns: 400 },
    )
  })

  it('RFC 8949 §4.2.1: are refused where a head is not of the shortest form', () => {
    const long = [Uint8Array.of(0x98, 11), Uint8Array.of(0x99, 0, 11), Uint8Array.of(0x9a, 0, 0, 0, 11)]
    for (const head of long) {
      const bytes = Uint8Array.of(...head, ...good.subarray(1))
      expect(() => openEntry(signedAsIs(bytes), here)).toThrow(invalidEntry('not in its shortest form'))
    }
  })

  it('RFC 8949 §4.2.1: are refused where a length is indefinite', () => {
    const bytes = Uint8Array.of(0x9f, ...good.subarray(1), 0xff)
    expect(() => openEntry(signedAsIs(bytes), here)).toThrow(invalidEntry('no definite length'))
  })

  it('reserve nothing for a length that is only claimed', () => {
    const start = good.subarray(0, 1)
    const claims = [
      Uint8Array.of(0x7b, 0, 0x1f, 255, 255, 255, 255, 255, 255),
      Uint8Array.of(0x7b, ...Array(8).fill(255)),
    ]
    for (const claim of claims) {
      expect(() => openEntry(signedAsIs(Uint8Array.of(...start, ...claim)), here)).toThrow(invalidEntry('The label'))
    }
  })

  it('are refused where they are no entry: another label, another version', () => {
    const head = (label: string, version: number) =>
      new CanonicalWriter().array(11).text(label).unsigned(version).bytes(bytesOf(network)).finish()
    expect(() => openEntry(signedAsIs(head('tessera.other', 1)), here)).toThrow(invalidEntry('It is no entry'))
    expect(() => openEntry(signedAsIs(head('tessera.entry', 2)), here)).toThrow(invalidEntry('Its version is 2'))
    expect(() => signEntry(entryOf({ protocolVersion: 2 }), alice)).toThrow(invalidEntry('Its version is 2'))
  })

  it('are refused where text is not UTF-8', () => {
    const bytes = signEntry(entryOf({ addresses: ['ws://marker'] }), alice).bytes.slice()
    bytes[Buffer.from(bytes).indexOf('marker')] = 0xff
    expect(() => openEntry(signedAsIs(bytes), here)).toThrow(invalidEntry('not UTF-8'))
  })

  it.each<[string, Partial<PeerEntry>, RegExp]>([
    ['addresses', { addresses: Array(IDENTITY.addressesMax + 1).fill('ws://a') }, /The addresses has a length of 17/],
    ['bytes of an address', { addresses: ['x'.repeat(IDENTITY.addressBytesMax + 1)] }, /An address has a length/],
    ['tags', { tags: Array(IDENTITY.tagsMax + 1).fill(digest('t')) }, /The tags has a length/],
    ['groups', { groups: Array(IDENTITY.groupsMax + 1).fill(digest('g')) }, /The groups has a length/],
    [
      'tickets',
      { tickets: Array(IDENTITY.ticketsMax + 1).fill({ class: 'c', data: new Uint8Array(0) }) },
      /The tickets has a length/,
    ],
    [
      'bytes of a ticket class',
      { tickets: [{ class: 'c'.repeat(IDENTITY.ticketClassBytesMax + 1), data: new Uint8Array(0) }] },
      /A ticket's class has a length/,
    ],
    [
      'bytes in all',
      { tickets: [{ class: 'c', data: new Uint8Array(DISCOVERY.entryBytesMax) }] },
      /bytes, more than 16384/,
    ],
    ['half a character', { addresses: ['ws://\ud800'] }, /not well-formed/],
    ['of a time', { update: -1 }, /not a whole number/],
    ['of a time', { incarnation: 1.5 }, /not a whole number/],
    ['of a time', { incarnation: 2 ** 53 }, /not a whole number/],
  ])('are refused before they are signed where others would refuse them: %s', (_, change, detail) => {
    expect(() => signEntry(entryOf(change), alice)).toThrow(invalidEntry(detail))
  })

  it('are refused, however validly signed, where a list is too long', () => {
    const to = new CanonicalWriter().array(11).text('tessera.entry').unsigned(1).bytes(bytesOf(network))
    to.bytes(bytesOf(alice.peer)).unsigned(1).unsigned(1).boolean(false).array(17)
    for (let i = 0; i < 17; i++) to.text('a')
    const bytes = to.array(0).array(0).array(0).finish()
    expect(() => openEntry(signedAsIs(bytes), here)).toThrow(invalidEntry('The addresses has a length of 17'))
  })

  it('are refused where a number cannot be told from its neighbours', () => {
    const to = new CanonicalWriter().array(11).text('tessera.entry').unsigned(1).bytes(bytesOf(network))
    const start = to.bytes(bytesOf(alice.peer)).finish()
    const bytes = Uint8Array.of(...start, 0x1b, 0x00, 0x20, 0, 0, 0, 0, 0, 0x01)
    expect(() => openEntry(signedAsIs(bytes), here)).toThrow(invalidEntry('The incarnation is too large'))
  })

  it('are refused where an id is not 32 bytes long', () => {
    const to = new CanonicalWriter().array(11).text('tessera.entry').unsigned(1).bytes(new Uint8Array(31))
    expect(() => openEntry(signedAsIs(to.finish()), here)).toThrow(invalidEntry('The network has 31 bytes'))
  })

  it('are copied: an entry keeps nothing of the message it came in', () => {
    const bytes = good.slice()
    const entry = openEntry(signedAsIs(bytes), here)
    bytes.fill(0)
    expect(entry).toEqual(entryOf())
  })
})

describe('of two entries', () => {
  it.each([
    [2, 1, 1, 9, true],
    [1, 9, 2, 1, false],
    [1, 2, 1, 1, true],
    [1, 1, 1, 2, false],
    [1, 1, 1, 1, false],
  ])('(%i, %i) against (%i, %i): newer is %s', (incarnation, update, otherIncarnation, otherUpdate, newer) => {
    expect(isNewer({ incarnation, update }, { incarnation: otherIncarnation, update: otherUpdate })).toBe(newer)
  })
})
