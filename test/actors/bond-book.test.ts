import { describe, expect, it } from 'vitest'
import { BondBook } from '../../src/actors/bond-book.ts'
import { OwnEntry } from '../../src/actors/own-entry.ts'
import { systemClock } from '../../src/clock.ts'
import { type BondId, digest } from '../../src/identity/digest.ts'
import { Identity, type PeerId } from '../../src/identity/keys.ts'
import { decodeBond } from '../../src/transport/codec.ts'
import type { Link } from '../../src/transport/transport.ts'

/** A book of bonds with members whose links write down what they are told. */
function book(count: number) {
  const told: { to: PeerId; peer: PeerId }[] = []
  const members = Array.from({ length: count }, (_, i) => {
    const identity = Identity.fromSeed(new Uint8Array(32).fill(i + 1))
    const { record } = new OwnEntry(identity, digest('n'), systemClock, { addresses: [], tags: [], tickets: [] })
    return { peer: identity.peer, record, id: digest(`bond ${i}`) as BondId }
  })
  const memberOf = (peer: PeerId) => members.find((one) => one.peer === peer)?.record
  const peerOf = ({ signature }: { signature: Uint8Array }) =>
    members.find(({ record }) => Buffer.compare(record.signed.signature, signature) === 0)!.peer
  const bonds = new BondBook({
    entryOf: (peer) => memberOf(peer)?.entry,
    signedOf: (peer) => memberOf(peer)?.signed,
    actorOf: () => undefined,
  })
  const forms = (i: number, named: readonly number[]) => {
    const { peer, id } = members[i]!
    const send = (bytes: Uint8Array) => {
      const message = decodeBond(bytes)
      if (message.type === 'BondFormed') told.push({ to: peer, peer: peerOf(message.entry) })
      return true
    }
    bonds.attach(id, { link: { send } as Link, rtt: null })
    bonds.acquainted(
      id,
      named.map((one) => members[one]!.peer),
    )
    bonds.register(peer, `bond:${i}`, id)
    bonds.announce(peer, id)
    return told.splice(0).map((one) => members.findIndex(({ peer: other }) => other === one.to))
  }
  return { forms, bonds, members }
}

describe('a new bond', () => {
  it('is told to all others, the newcomer apart', () => {
    const { forms } = book(3)
    expect(forms(0, [])).toEqual([])
    expect(forms(1, [])).toEqual([0])
    expect(forms(2, []).sort()).toEqual([0, 1])
  })

  it('is not told to those whom the newcomer has named: they are bonded with it', () => {
    const { forms } = book(4)
    for (const member of [0, 1, 2]) forms(member, [])
    expect(forms(3, [0, 2, 3])).toEqual([1])
  })

  it('what a newcomer named counts for this bond of it, not for its next', () => {
    const { forms, bonds, members } = book(2)
    forms(0, [])
    forms(1, [0])
    bonds.unregister(members[1]!.peer, 'UnexpectedClose')
    bonds.attach(members[1]!.id, null)
    expect(forms(1, [])).toEqual([0])
  })
})

describe('the own entry', () => {
  it('is told over a bond where one stands', () => {
    const { forms, bonds, members } = book(2)
    const [{ record }] = members as [(typeof members)[number]]
    forms(0, [])
    expect(members.map(({ peer }) => bonds.tell(peer, record.signed))).toEqual([true, false])
  })
})
