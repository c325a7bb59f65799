import { describe, expect, it } from 'vitest'
import { BOND } from '../../src/limits.ts'
import type { BondEvent } from '../../src/machines/bond/events.ts'
import { redialPolicy } from '../../src/machines/bond/reasons.ts'
import {
  ACCEPTOR,
  BOND_ID,
  DIALLER,
  FOREVER,
  GROUP,
  NETWORK,
  OTHER,
  PEER,
  REFUSED,
  type Rig,
  rig,
  SELF,
  UNKNOWN,
} from './rig.ts'

const opened: BondEvent = { type: 'link.opened', bondId: BOND_ID }
const granted: BondEvent = { type: 'bond.granted' }
const start = { type: 'bond.handshakeStart', network: NETWORK, group: GROUP, proven: true, known: true } as const
const end = { type: 'bond.handshakeEnd', proven: true } as const
const peers = { type: 'bond.peers' } as const
const claim = { type: 'bond.claim', bond: 'bond:222222', peer: PEER }
const told = (bond: Rig) => bond.told.map(({ type }) => type)
const newsOf = (bond: Rig, type: string) => bond.news.filter((event) => event.type === type)

/** Ends once: with this output, told to the group once and, where there was a link, to the link last of all. */
function expectEnd(bond: Rig, outcome: 'failed' | 'closed', reason: string, linkReason: string | null = reason): void {
  expect(bond.end()).toEqual({ outcome, reason })
  expect(newsOf(bond, 'bond.ended')).toEqual([
    { type: 'bond.ended', bond: 'bond:222222', peer: PEER, outcome, reason, wasSteady: false },
  ])
  const closes = bond.told.filter(({ type }) => type === 'link.close')
  expect(closes).toEqual(linkReason === null ? [] : [{ type: 'link.close', reason: linkReason }])
  if (linkReason !== null) expect(told(bond).at(-1)).toBe('link.close')
}

describe('the dialler', () => {
  it('step 0: refuses locally `Unauthorized` a peer whose tickets do not hold, and dials nobody', () => {
    const bond = rig(DIALLER, { tickets: REFUSED })
    expectEnd(bond, 'closed', 'Unauthorized', null)
    expect(bond.told).toEqual([])
  })

  it.each([
    ['are judged by a validator that throws', 'rejected' as const],
    ['have run out', { granted: true, expires: 5, nowMs: 5 } as const],
  ])('step 0: refuses locally where tickets %s', (_, tickets) => {
    expectEnd(rig(DIALLER, { tickets }), 'closed', 'Unauthorized', null)
  })

  it('step 0: fails, and refuses nothing, where there is no entry to judge', () => {
    const bond = rig(DIALLER, { tickets: UNKNOWN })
    expectEnd(bond, 'failed', 'DialFailed', null)
    expect(redialPolicy('DialFailed')).toBe('backoff')
  })

  it('dials with what the link needs and no more', () => {
    const bond = rig(DIALLER)
    const input = { role: 'dialler', peer: PEER, addresses: ['memory:peer'], linkNumber: null, group: GROUP }
    expect(bond.told).toEqual([{ type: 'opened', input: { ...input, seed: bond.context().random } }])
    expect(bond.value()).toEqual({ handshake: { dialling: 'connecting' } })
  })

  it('claims the pair when its link has opened, and says nothing before the claim is granted', () => {
    const bond = rig(DIALLER)
    bond.send(opened)
    expect(bond.news).toEqual([{ ...claim, role: 'dialler' }])
    expect(told(bond)).toEqual(['opened'])
    bond.send(granted)
    expect(told(bond)).toEqual(['opened', 'link.sendStart'])
  })

  it('closes `AlreadyBonded` without a word where the claim is refused', () => {
    const bond = rig(DIALLER)
    bond.send(opened, { type: 'bond.refused' })
    expectEnd(bond, 'closed', 'AlreadyBonded')
    expect(told(bond)).not.toContain('link.sendStart')
  })

  it('step 3: closes `InvalidProof` where the acceptor does not know the secret', () => {
    const bond = rig(DIALLER)
    bond.send(opened, granted, { ...end, proven: false })
    expectEnd(bond, 'closed', 'InvalidProof')
    expect(told(bond)).not.toContain('link.sendPeers')
  })

  it('step 4: sends `Peers`, and is steady', () => {
    const bond = rig(DIALLER)
    bond.send(opened, granted, end)
    expect(told(bond)).toEqual(['opened', 'link.sendStart', 'link.sendPeers', 'link.watch'])
    expect(bond.value()).toEqual({ steady: { liveness: 'heard', ticket: 'valid' } })
    expect(bond.news.slice(1)).toEqual([{ type: 'bond.steady', bond: 'bond:222222', peer: PEER, bondId: BOND_ID }])
  })

  it('fails `DialFailed` where no address answers', () => {
    const bond = rig(DIALLER)
    bond.send({ type: 'link.failed' })
    expectEnd(bond, 'failed', 'DialFailed', null)
  })
})

describe('the acceptor', () => {
  it('step 1: waits for `HandshakeStart`, claims nothing before', () => {
    const bond = rig(ACCEPTOR)
    bond.send(opened)
    expect(bond.value()).toEqual({ handshake: { accepting: 'awaiting' } })
    expect(bond.news).toEqual([])
  })

  it('step 2, 3, 4: claims, checks, sends `HandshakeEnd`, is steady with `Peers`', () => {
    const bond = rig(ACCEPTOR)
    bond.send(opened, start)
    expect(bond.news).toEqual([{ ...claim, role: 'acceptor' }])
    expect(told(bond)).toEqual(['opened'])
    bond.send(granted)
    expect(told(bond)).toEqual(['opened', 'link.sendEnd'])
    expect(newsOf(bond, 'bond.steady')).toEqual([])
    bond.send(peers)
    expect(bond.value()).toEqual({ steady: { liveness: 'heard', ticket: 'valid' } })
    expect(bond.news.slice(1).map(({ type }) => type)).toEqual(['bond.steady'])
  })

  it('a link for a group nobody joined here ends `GroupNotFound` and claims nothing', () => {
    const bond = rig({ ...ACCEPTOR, group: null })
    bond.send(opened, start)
    expectEnd(bond, 'closed', 'GroupNotFound')
    expect(newsOf(bond, 'bond.claim')).toEqual([])
  })

  /** Step 2: each row fails one check and every later one; the first check in the table's order gives the reason. */
  const wrong = { network: OTHER, group: OTHER, proven: false, known: false }
  it.each([
    ['DifferentNetwork', { ...start, ...wrong }, { type: 'bond.refused' }, REFUSED],
    ['GroupNotFound', { ...start, ...wrong, network: NETWORK }, { type: 'bond.refused' }, REFUSED],
    ['UnknownPeer', { ...start, proven: false, known: false }, { type: 'bond.refused' }, REFUSED],
    ['AlreadyBonded', { ...start, proven: false }, { type: 'bond.refused' }, REFUSED],
    ['NotAllowed', { ...start, proven: false }, granted, REFUSED],
    ['NotAllowed', { ...start, proven: false }, granted, 'rejected' as const],
    ['InvalidProof', { ...start, proven: false }, granted, FOREVER],
  ] as const)('step 2, in order: %s', (reason, asked, answer, tickets) => {
    const bond = rig(ACCEPTOR, { tickets })
    bond.send(opened, asked, answer)
    expectEnd(bond, 'closed', reason)
    expect(told(bond)).not.toContain('link.sendEnd')
  })

  it('holds no bond for a link that went down before it was taken', () => {
    const bond = rig(ACCEPTOR)
    bond.send({ type: 'link.failed' })
    expectEnd(bond, 'failed', 'DialFailed', null)
  })
})

/** Every state of the handshake that waits for somebody, and how a bond comes there. */
const WAITING: Record<string, () => Rig> = {
  'dialling.authenticating': () => rig(DIALLER, { tickets: 'pending' }),
  'dialling.connecting': () => rig(DIALLER),
  'dialling.claiming': () => into(rig(DIALLER), opened),
  'dialling.proving': () => into(rig(DIALLER), opened, granted),
  'dialling.syncing.asking': () => into(rig(DIALLER, { catalog: 'pending' }), opened, granted, unknown),
  'accepting.connecting': () => rig(ACCEPTOR),
  'accepting.awaiting': () => into(rig(ACCEPTOR), opened),
  'accepting.claiming': () => into(rig(ACCEPTOR), opened, start),
  'accepting.authenticating': () => into(rig(ACCEPTOR, { tickets: 'pending' }), opened, start, granted),
  'accepting.proving': () => into(rig(ACCEPTOR), opened, start, granted),
}
const unknown = { type: 'link.closed', reason: 'UnknownPeer', byPeer: true } as const

function into(bond: Rig, ...events: BondEvent[]): Rig {
  bond.send(...events)
  return bond
}

/** Whether a link stands that must hear the reason. */
const hasLink = (state: string) => !['dialling.authenticating', 'dialling.syncing.asking'].includes(state)
const linkReason = (state: string, reason: string) => (hasLink(state) ? reason : null)
const waiting = Object.entries(WAITING)

describe.each(waiting)('in %s', (state, reach) => {
  it(`fails \`Timeout\` after ${BOND.handshakeStepTimeoutMs} ms, not before`, () => {
    const bond = reach()
    bond.pass(BOND.handshakeStepTimeoutMs - 10)
    expect(bond.end()).toBeUndefined()
    bond.pass(10)
    expectEnd(bond, 'failed', 'Timeout', linkReason(state, 'Timeout'))
  })

  /** Whatever the wire brings where the table does not expect it. */
  const expected: Record<string, string> = {
    'dialling.proving': 'bond.handshakeEnd',
    'accepting.awaiting': 'bond.handshakeStart',
    'accepting.proving': 'bond.peers',
  }
  const messages: BondEvent[] = [
    start,
    end,
    peers,
    { type: 'bond.departure' },
    { type: 'bond.entryUpdate', genuine: true },
  ]
  it.each(messages.filter(({ type }) => type !== expected[state]))('$type closes `ProtocolViolation`', (message) => {
    const bond = into(reach(), message)
    expectEnd(bond, 'closed', 'ProtocolViolation', linkReason(state, 'ProtocolViolation'))
  })

  it('bytes that do not decode fail `InvalidHandshake`', () => {
    expectEnd(
      into(reach(), { type: 'bond.undecodable' }),
      'failed',
      'InvalidHandshake',
      linkReason(state, 'InvalidHandshake'),
    )
  })

  it.each([
    ['UnexpectedClose', 'failed'],
    ['Timeout', 'failed'],
    ['InvalidHandshake', 'failed'],
    ['AlreadyBonded', 'closed'],
    ['NotAllowed', 'closed'],
    ['Departed', 'closed'],
    ['GroupNotFound', 'closed'],
  ] as const)('a link closed %s ends it %s', (reason, outcome) => {
    expectEnd(into(reach(), { type: 'link.closed', reason, byPeer: true }), outcome, reason, null)
  })

  it('a claim lost to the other link closes `AlreadyBonded`', () => {
    expectEnd(into(reach(), { type: 'bond.superseded' }), 'closed', 'AlreadyBonded', linkReason(state, 'AlreadyBonded'))
  })

  it('its group closes it with any reason', () => {
    const bond = into(reach(), { type: 'bond.close', reason: 'GracefulShutdown' })
    expectEnd(bond, 'closed', 'GracefulShutdown', linkReason(state, 'GracefulShutdown'))
  })

  it('leaving the group closes `Departed` and sends no `Departure` to one that is not proven', () => {
    const bond = into(reach(), { type: 'bond.depart' })
    expectEnd(bond, 'closed', 'Departed', linkReason(state, 'Departed'))
    expect(told(bond)).not.toContain('link.departure')
  })
})

describe('a peer that does not know the dialler', () => {
  it('is synced with and dialled again, with a new link, after a pause', () => {
    const bond = rig(DIALLER)
    bond.send(opened, granted, unknown)
    expect(bond.value()).toEqual({ handshake: { dialling: { syncing: 'pausing' } } })
    expect(told(bond)).toEqual(['opened', 'link.sendStart'])
    bond.pass(BOND.redialMinMs)
    expect(bond.value()).toEqual({ handshake: { dialling: 'connecting' } })
    expect(told(bond)).toEqual(['opened', 'link.sendStart', 'opened'])
    bond.send(opened, granted, end)
    expect(bond.context().wasSteady).toBe(true)
  })

  it(`is asked ${BOND.syncAttemptsMax} times at most`, () => {
    const bond = rig(DIALLER)
    for (let attempt = 0; attempt < BOND.syncAttemptsMax; attempt++) {
      bond.send(opened, unknown)
      bond.pass(BOND.redialMinMs * 2 ** attempt)
      expect(bond.value()).toEqual({ handshake: { dialling: 'connecting' } })
    }
    bond.send(opened, unknown)
    expectEnd(bond, 'closed', 'UnknownPeer', null)
  })

  it('is dialled again also where the sync failed', () => {
    const bond = rig(DIALLER, { catalog: 'rejected' })
    bond.send(opened, unknown)
    expect(bond.value()).toEqual({ handshake: { dialling: { syncing: 'pausing' } } })
  })

  it('is believed only where the peer itself said so', () => {
    const bond = rig(DIALLER)
    bond.send(opened, { ...unknown, byPeer: false })
    expectEnd(bond, 'closed', 'UnknownPeer', null)
  })
})

describe('during the handshake', () => {
  it('tickets that run out close `NotAllowed`', () => {
    const bond = rig(ACCEPTOR, { tickets: { granted: true, expires: 1_500, nowMs: 500 } })
    bond.send(opened, start, granted)
    bond.pass(1_000)
    expectEnd(bond, 'closed', 'NotAllowed')
  })

  it('a change of the own entry waits until the bond is steady', () => {
    const bond = rig(DIALLER)
    bond.send(opened, { type: 'bond.entryChanged' }, granted)
    expect(told(bond)).not.toContain('link.sendEntry')
    bond.send(end)
    expect(told(bond)).toContain('link.sendEntry')
  })

  it('the context holds no proof, key or handle: it survives JSON', () => {
    const bond = rig(DIALLER)
    bond.send(opened, granted, end)
    const context = { ...bond.context(), expires: 0 }
    expect(JSON.parse(JSON.stringify(context))).toEqual(context)
    expect(context).toMatchObject({ role: 'dialler', self: SELF, peer: PEER, bondId: BOND_ID })
  })
})
