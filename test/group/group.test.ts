import { describe, expect, it } from 'vitest'
import { BOND, RAFT_TIMING } from '../../src/limits.ts'
import { LARGE, rig, SELF, SMALL } from './rig.ts'

/** A member with steady bonds to SMALL and LARGE. */
function bonded() {
  const group = rig()
  const bonds = [SMALL, LARGE].map((peer) => {
    const bond = group.accepts(peer)
    group.claims(bond)
    group.steady(bond)
    return bond
  })
  group.told.length = 0
  return { group, bonds: bonds as [string, string] }
}

describe('online', () => {
  it('is a group that is formed and knows its leader', () => {
    const group = rig()
    expect(group.value).toEqual({ joined: 'offline' })
    group.status({ leader: SMALL, formed: false })
    expect(group.value).toEqual({ joined: 'offline' })
    group.status({ leader: SMALL })
    expect(group.value).toEqual({ joined: 'online' })
    group.status({ term: 2 })
    expect(group.value).toEqual({ joined: 'offline' })
    group.status({ term: 2, leader: LARGE })
    const online = group.emitted.map(({ type }) => type).filter((type) => type !== 'group.leaderChanged')
    expect(online).toEqual(['group.online', 'group.offline', 'group.online'])
  })

  it('tells of a group that formed apart', () => {
    const group = rig()
    group.send({ type: 'raft.rival', peer: SMALL, formation: 'f' })
    expect(group.emitted).toEqual([{ type: 'group.rival', peer: SMALL, formation: 'f' }])
  })

  it('tells each change of leader once, and a new term of the same leader', () => {
    const group = rig()
    group.status({ role: 'candidate' })
    group.status({ leader: SMALL })
    group.status({ leader: SMALL, role: 'follower' })
    group.status({ leader: SMALL, term: 3 })
    group.status({ leader: null, term: 4 })
    group.status({ leader: null, term: 5 })
    expect(group.emitted.filter(({ type }) => type === 'group.leaderChanged')).toEqual([
      { type: 'group.leaderChanged', leader: SMALL, term: 1 },
      { type: 'group.leaderChanged', leader: SMALL, term: 3 },
      { type: 'group.leaderChanged', leader: null, term: 4 },
    ])
  })
})

describe('accepted links', () => {
  it('become bonds, named or not: the bond itself says `UnknownPeer`', () => {
    const group = rig()
    group.accepts(SMALL)
    expect(group.spawned[0]).toMatchObject({
      id: 'bond:111111',
      input: { role: 'acceptor', linkNumber: 1 },
    })
    group.ends('bond:111111', 'UnknownPeer')
    expect(group.context).toMatchObject({ peers: {}, bonds: {} })
  })

  it('from itself are refused', () => {
    const group = rig()
    group.send({ type: 'group.linkAccepted', linkNumber: 4, peer: SELF })
    expect(group.spawned).toEqual([])
    expect(group.effects('refuseLink')).toEqual([{ linkNumber: 4, reason: 'AlreadyBonded' }])
  })
})

it('a change of the own entry is told to every bond, steady or not', () => {
  const { group, bonds } = bonded()
  group.names('e7'.repeat(32) as typeof SMALL)
  group.send({ type: 'group.entryChanged' })
  for (const bond of [...bonds, 'bond:e7e7e7']) expect(group.toldTo(bond)).toContain('bond.entryChanged')
})

describe('leaving', () => {
  it('says goodbye on every bond and is over when all have ended', () => {
    const { group, bonds } = bonded()
    group.status({ leader: SMALL })
    group.send({ type: 'group.leave' })
    expect(group.value).toEqual({ leaving: 'departing' })
    expect(bonds.map(group.toldTo)).toEqual([['bond.depart'], ['bond.depart']])
    group.ends(bonds[0], 'Departed', true)
    expect(group.isLeft).toBe(false)
    group.ends(bonds[1], 'Departed', true)
    expect(group.isLeft).toBe(true)
    expect(group.emitted.at(-1)?.type).toBe('bond.terminated')
    expect(group.emitted.map(({ type }) => type)).toContain('group.offline')
  })

  it('of a member that comes back hands over, closes its bonds GracefulShutdown and departs from nobody', () => {
    const { group, bonds } = bonded()
    group.status({ role: 'leader', leader: SELF })
    group.send({ type: 'group.suspend' })
    expect(group.toldTo('raft')).toEqual(['raft.transferLeadership'])
    group.send({ type: 'group.linkAccepted', linkNumber: 9, peer: LARGE })
    expect(group.effects('refuseLink')).toEqual([{ linkNumber: 9, reason: 'GracefulShutdown' }])
    group.status({ leader: SMALL, term: 2 })
    const goodbye = { type: 'bond.close', reason: 'GracefulShutdown' }
    for (const bond of bonds) expect(group.told.filter(({ to }) => to === bond).at(-1)?.event).toEqual(goodbye)
    for (const bond of bonds) group.ends(bond, 'GracefulShutdown', true)
    expect(group.isLeft).toBe(true)
  })

  it('is over at once where there is no bond', () => {
    const group = rig()
    group.send({ type: 'group.leave' })
    expect(group.isLeft).toBe(true)
  })

  it('does not wait for a bond that hangs longer than 2 s', () => {
    const { group } = bonded()
    group.send({ type: 'group.leave' })
    group.pass(BOND.departTimeoutMs - 10)
    expect(group.isLeft).toBe(false)
    group.pass(10)
    expect(group.isLeft).toBe(true)
  })

  it('hands leadership over first', () => {
    const { group } = bonded()
    group.status({ role: 'leader', leader: SELF })
    group.send({ type: 'group.leave' })
    expect(group.value).toEqual({ leaving: 'transferring' })
    expect(group.toldTo('raft')).toEqual(['raft.transferLeadership'])
    group.status({ role: 'follower', leader: null, term: 2 })
    expect(group.value).toEqual({ leaving: 'transferring' })
    group.status({ role: 'follower', leader: SMALL, term: 2 })
    expect(group.value).toEqual({ leaving: 'departing' })
  })

  it('goes where the last bond is lost before anyone took over', () => {
    const { group, bonds } = bonded()
    group.status({ role: 'leader', leader: SELF })
    group.send({ type: 'group.leave' })
    for (const bond of bonds) group.ends(bond, 'UnexpectedClose', true)
    expect(group.isLeft).toBe(true)
  })

  it('goes without a successor after an election timeout', () => {
    const { group } = bonded()
    group.status({ role: 'leader', leader: SELF })
    group.send({ type: 'group.leave' })
    group.pass(RAFT_TIMING.electionTimeoutMs - 10)
    expect(group.value).toEqual({ leaving: 'transferring' })
    group.pass(10)
    expect(group.value).toEqual({ leaving: 'departing' })
  })

  it('has nobody to hand over to where no bond stands', () => {
    const group = rig()
    group.status({ role: 'leader', leader: SELF })
    group.send({ type: 'group.leave' })
    expect(group.toldTo('raft')).toEqual([])
    expect(group.isLeft).toBe(true)
  })

  it('dials nobody any more: no redial, no news, no new address', () => {
    const { group, bonds } = bonded()
    group.names(SMALL, LARGE)
    group.status({ role: 'leader', leader: SELF })
    group.ends(bonds[0], 'UnexpectedClose', true)
    const before = group.spawned.length
    group.send({ type: 'group.leave' })
    group.names(SMALL, '77'.repeat(32) as typeof SMALL)
    group.ends(bonds[1], 'UnexpectedClose', true)
    group.pass(1_000)
    expect(group.spawned).toHaveLength(before)
  })

  it.each(['transferring', 'departing'] as const)(
    'fault 12: refuses links that come while %s, and still ends',
    (stage) => {
      const { group, bonds } = bonded()
      if (stage === 'transferring') group.status({ role: 'leader', leader: SELF })
      const early = group.accepts(SMALL)
      group.send({ type: 'group.leave' }, { type: 'group.linkAccepted', linkNumber: 99, peer: LARGE })
      expect(group.value).toEqual({ leaving: stage })
      expect(group.effects('refuseLink')).toEqual([{ linkNumber: 99, reason: 'Departed' }])
      group.claims(early)
      expect(group.toldTo(early)).toContain('bond.refused')
      if (stage === 'transferring') group.status({ leader: SMALL, term: 2 })
      for (const bond of [...bonds, early]) group.ends(bond, 'Departed')
      expect(group.isLeft).toBe(true)
    },
  )

  it('fault 12: a claim that crosses the goodbye is refused, not forgotten', () => {
    const group = rig()
    const inbound = group.accepts(SMALL)
    group.send({ type: 'group.leave' })
    group.claims(inbound)
    expect(group.toldTo(inbound)).toEqual(['bond.depart', 'bond.refused'])
  })
})
