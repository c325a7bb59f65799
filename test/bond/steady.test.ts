import { describe, expect, it } from 'vitest'
import { BOND } from '../../src/limits.ts'
import type { BondEvent, TicketVerdict } from '../../src/machines/bond/events.ts'
import { ACCEPTOR, type Asked, BOND_ID, DIALLER, FOREVER, GROUP, NETWORK, PEER, REFUSED, type Rig, rig } from './rig.ts'

/** A bond that stands; what it told before is forgotten. */
function steady(answers: Partial<Asked> = {}): Rig {
  const bond = rig(DIALLER, answers)
  bond.send(
    { type: 'link.opened', bondId: BOND_ID },
    { type: 'bond.granted' },
    { type: 'bond.handshakeEnd', proven: true },
  )
  bond.told.length = 0
  bond.news.length = 0
  return bond
}

const told = (bond: Rig) => bond.told.map(({ type }) => type)
const pings = (bond: Rig) => told(bond).filter((type) => type === 'link.ping').length
const until = (expires: number, nowMs = 0): TicketVerdict => ({ granted: true, expires, nowMs })

function expectEnd(bond: Rig, outcome: 'failed' | 'closed', reason: string): void {
  expect(bond.end()).toEqual({ outcome, reason })
  expect(bond.news.at(-1)).toEqual({
    type: 'bond.ended',
    bond: 'bond:222222',
    peer: PEER,
    outcome,
    reason,
    wasSteady: true,
  })
  expect(told(bond).slice(-2)).toEqual(['link.close', 'stopped'])
}

describe('liveness', () => {
  it('lets a silent peer go `Timeout` after ten misses, each with a ping', () => {
    const bond = steady()
    bond.pass(3_500)
    expect(bond.end()).toBeUndefined()
    bond.pass(2_600)
    expectEnd(bond, 'failed', 'Timeout')
    expect(pings(bond)).toBe(BOND.missedMax - 1)
  })

  it('keeps a bond that hears anything, and asks nothing of it', () => {
    const bond = steady()
    for (let heard = 0; heard < 40; heard++) {
      bond.pass(300)
      bond.send({ type: 'bond.heard' })
    }
    expect(bond.end()).toBeUndefined()
    expect(pings(bond)).toBe(0)
  })

  it('starts counting anew with anything heard, even after the ninth miss', () => {
    const bond = steady()
    while (bond.context().missed < BOND.missedMax - 1) bond.pass(10)
    bond.send({ type: 'bond.heard' })
    expect(bond.context().missed).toBe(0)
    bond.pass(3_500)
    expect(bond.end()).toBeUndefined()
  })

  it('ticks each 500 ms less at most 150', () => {
    const bond = steady()
    const lengths = new Set<number>()
    for (let passed = 0; passed < 20_000; passed += 300) {
      bond.pass(300)
      bond.send({ type: 'bond.heard' })
      lengths.add(bond.context().tickMs)
    }
    expect(lengths.size).toBeGreaterThan(20)
    for (const tickMs of lengths) expect(tickMs >= 350 && tickMs <= 500).toBe(true)
  })

  it('answers a ping', () => {
    const bond = steady()
    bond.send({ type: 'bond.ping', sentMs: 17 })
    expect(bond.told).toEqual([{ type: 'link.pong', sentMs: 17 }])
  })

  it('measures the round trip from a pong', () => {
    const bond = steady()
    expect(bond.context().rtt).toBeNull()
    bond.send({ type: 'bond.pong', sentMs: 1_000, nowMs: 1_080 })
    bond.send({ type: 'bond.pong', sentMs: 2_000, nowMs: 2_160 })
    expect(bond.context().rtt).toEqual({ srttMs: 90, rttvarMs: 50 })
  })
})

describe('tickets', () => {
  it('are checked again at their expiry, and renewed', () => {
    const bond = steady({ tickets: until(10_000) })
    bond.asked.tickets = until(20_000, 10_000)
    for (let passed = 0; passed < 10_000; passed += 250) {
      bond.pass(250)
      bond.send({ type: 'bond.heard' })
    }
    expect(bond.context().expires).toBe(20_000)
    expect(bond.value()).toMatchObject({ steady: { ticket: 'valid' } })
  })

  it.each<[string, TicketVerdict | 'rejected']>([
    ['are refused', REFUSED],
    ['cannot be judged', 'rejected'],
    ['were not renewed', until(1_000, 1_000)],
  ])('that %s at their expiry close `NotAllowed`', (_, verdict) => {
    const bond = steady({ tickets: until(1_000) })
    bond.asked.tickets = verdict
    bond.pass(990)
    expect(bond.end()).toBeUndefined()
    bond.pass(10)
    expectEnd(bond, 'closed', 'NotAllowed')
  })

  it('that last for ever set no timer that could fire at once', () => {
    const bond = steady({ tickets: FOREVER })
    bond.asked.tickets = REFUSED
    bond.pass(1_000)
    expect(bond.end()).toBeUndefined()
  })

  it('are timed from when they were checked, not from when the bond became steady', () => {
    const bond = rig(ACCEPTOR, { tickets: until(2_500) })
    bond.send({ type: 'link.opened', bondId: BOND_ID })
    bond.send({ type: 'bond.handshakeStart', network: NETWORK, group: GROUP, proven: true }, { type: 'bond.granted' })
    bond.pass(1_900)
    bond.send({ type: 'bond.peers' })
    bond.asked.tickets = REFUSED
    bond.pass(600)
    expect(bond.end()).toEqual({ outcome: 'closed', reason: 'NotAllowed' })
  })

  it('whose check does not come back fail `Timeout`', () => {
    const bond = steady({ tickets: until(1_000) })
    bond.asked.tickets = 'pending'
    bond.pass(1_000 + BOND.handshakeStepTimeoutMs)
    expectEnd(bond, 'failed', 'Timeout')
  })
})

describe('an entry update', () => {
  it('that is not signed by this peer closes `ProtocolViolation`', () => {
    const bond = steady()
    bond.send({ type: 'bond.entryUpdate', genuine: false })
    expectEnd(bond, 'closed', 'ProtocolViolation')
  })

  it('has its tickets checked, and `NotAllowed` closes', () => {
    const bond = steady()
    bond.asked.tickets = REFUSED
    bond.send({ type: 'bond.entryUpdate', genuine: true })
    expectEnd(bond, 'closed', 'NotAllowed')
  })

  it('with other tickets moves the timer', () => {
    const bond = steady({ tickets: until(1_000) })
    bond.asked.tickets = until(5_000)
    bond.send({ type: 'bond.entryUpdate', genuine: true })
    bond.asked.tickets = REFUSED
    bond.pass(2_000)
    expect(bond.end()).toBeUndefined()
  })

  it('during a check starts that check over', () => {
    const bond = steady()
    bond.asked.tickets = 'pending'
    bond.send({ type: 'bond.entryUpdate', genuine: true })
    expect(bond.value()).toMatchObject({ steady: { ticket: 'checking' } })
    bond.asked.tickets = REFUSED
    bond.send({ type: 'bond.entryUpdate', genuine: true })
    expectEnd(bond, 'closed', 'NotAllowed')
  })
})

describe('what its group asks of a bond', () => {
  it('tells the peer of the own new entry', () => {
    const bond = steady()
    bond.send({ type: 'bond.entryChanged' })
    expect(bond.told).toEqual([{ type: 'link.sendEntry' }])
  })

  it('sends `Departure`, then closes `Departed`', () => {
    const bond = steady()
    bond.send({ type: 'bond.depart' })
    expectEnd(bond, 'closed', 'Departed')
    expect(told(bond)).toEqual(['link.departure', 'link.close', 'stopped'])
  })

  it('closes with the reason given', () => {
    const bond = steady()
    bond.send({ type: 'bond.close', reason: 'GracefulShutdown' })
    expectEnd(bond, 'closed', 'GracefulShutdown')
  })
})

describe('what ends a steady bond', () => {
  it.each<[BondEvent, 'failed' | 'closed', string]>([
    [{ type: 'bond.departure' }, 'closed', 'Departed'],
    [{ type: 'bond.superseded' }, 'closed', 'AlreadyBonded'],
    [{ type: 'bond.undecodable' }, 'failed', 'ProtocolViolation'],
    [{ type: 'bond.handshakeStart', network: NETWORK, group: GROUP, proven: true }, 'closed', 'ProtocolViolation'],
    [{ type: 'bond.handshakeEnd', proven: true }, 'closed', 'ProtocolViolation'],
    [{ type: 'bond.peers' }, 'closed', 'ProtocolViolation'],
  ])('%o', (event, outcome, reason) => {
    const bond = steady()
    bond.send(event)
    expectEnd(bond, outcome, reason)
  })

  it.each([
    ['UnexpectedClose', 'failed'],
    ['Timeout', 'failed'],
    ['GracefulShutdown', 'closed'],
    ['NotAllowed', 'closed'],
    ['UnknownPeer', 'closed'],
  ] as const)('a link closed %s by the peer: %s', (reason, outcome) => {
    const bond = steady()
    bond.send({ type: 'link.closed', reason, byPeer: true })
    expect(bond.end()).toEqual({ outcome, reason })
    expect(told(bond)).toEqual(['stopped'])
  })
})
