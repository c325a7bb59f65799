import { describe, expect, it } from 'vitest'
import { BOND } from '../../src/limits.ts'
import type { BondEvent, TicketVerdict } from '../../src/machines/bond/events.ts'
import { ACCEPTOR, type Asked, BOND_ID, DIALLER, FOREVER, GROUP, NETWORK, PEER, REFUSED, type Rig, rig } from './rig.ts'

const opened: BondEvent = { type: 'link.opened', bondId: BOND_ID }
const granted: BondEvent = { type: 'bond.granted' }

/** A bond that stands; what it told before is forgotten. */
function steady(answers: Partial<Asked> = {}): Rig {
  const bond = rig(DIALLER, answers)
  bond.send(opened, granted, { type: 'bond.handshakeEnd', proven: true })
  bond.told.length = 0
  bond.news.length = 0
  return bond
}

const told = (bond: Rig) => bond.told.map(({ type }) => type)
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
  expect(told(bond).at(-1)).toBe('link.close')
}

describe('liveness', () => {
  it('is measured by the link, from the first moment on', () => {
    const bond = rig(DIALLER)
    bond.send(opened, granted, { type: 'bond.handshakeEnd', proven: true })
    expect(told(bond).at(-1)).toBe('link.watch')
    expect(told(bond).filter((type) => type === 'link.watch')).toHaveLength(1)
  })

  it('is told to the chart where it changes', () => {
    const bond = steady()
    expect(bond.value()).toMatchObject({ steady: { liveness: 'heard' } })
    bond.send({ type: 'bond.silent' })
    expect(bond.value()).toMatchObject({ steady: { liveness: 'silent' } })
    bond.send({ type: 'bond.heard' })
    expect(bond.value()).toMatchObject({ steady: { liveness: 'heard' } })
    expect(bond.told).toEqual([])
  })

  it('lets a peer that stays silent go `Timeout`', () => {
    const bond = steady()
    bond.send({ type: 'bond.silent' }, { type: 'bond.lost' })
    expectEnd(bond, 'failed', 'Timeout')
  })

  it('has no timer in the chart: by itself a bond stands for ever', () => {
    const bond = steady()
    bond.pass(60_000)
    expect(bond.end()).toBeUndefined()
  })
})

describe('tickets', () => {
  it('are checked again at their expiry, and renewed', () => {
    const bond = steady({ tickets: until(10_000) })
    bond.asked.tickets = until(20_000, 10_000)
    bond.pass(10_000)
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
    bond.send(
      opened,
      { type: 'bond.handshakeStart', network: NETWORK, group: GROUP, proven: true, known: true },
      granted,
    )
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
    expect(told(bond)).toEqual(['link.departure', 'link.close'])
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
    [
      { type: 'bond.handshakeStart', network: NETWORK, group: GROUP, proven: true, known: true },
      'closed',
      'ProtocolViolation',
    ],
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
    expect(told(bond)).toEqual([])
  })
})
