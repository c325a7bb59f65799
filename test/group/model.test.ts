import { describe, expect, it } from 'vitest'
import type { AnyEventObject, SnapshotFrom } from 'xstate'
import { getShortestPaths } from 'xstate/graph'
import type { groupMachine } from '../../src/machines/group/machine.ts'
import { Coverage } from '../model/coverage.ts'
import { BOND_ID, INPUT, LARGE, recordingGroup, SELF, SMALL } from './rig.ts'

/** Nobody outside does anything by itself: every event of a walk is one of the path. */
const inert = recordingGroup(() => {})
type Snapshot = SnapshotFrom<typeof groupMachine>

const named = (peer: string, departed = false) => ({
  peer,
  addresses: ['memory:'],
  version: departed ? '2' : '1',
  incarnation: 1,
  departed,
})
const rival = { type: 'raft.rival', peer: 'c'.repeat(64), formation: 'f'.repeat(32) }
const status = (leader: string | null) => ({ type: 'raft.status', role: 'follower', term: 1, leader, formed: true })

/** One peer dials and is dialled at most once each, so that the walk has an end; the timers are events like all others. */
function eventsOf({ context, value }: Snapshot): AnyEventObject[] {
  const { bonds, peers } = context
  const ofBonds = Object.entries(bonds).flatMap(([bond, { peer, role }]) => [
    { type: 'bond.claim', bond, peer, role },
    ...(peers[peer]?.bond === bond ? [{ type: 'bond.steady', bond, peer, bondId: BOND_ID }] : []),
    { type: 'bond.ended', bond, peer, outcome: 'failed', reason: 'UnexpectedClose', wasSteady: false },
    { type: 'bond.ended', bond, peer, outcome: 'closed', reason: 'Departed', wasSteady: false },
    { type: 'group.settled', bond, peer },
  ])
  const inbound = Object.values(bonds).filter(({ role }) => role === 'acceptor')
  return [
    ...ofBonds,
    ...(inbound.length < 1 ? [{ type: 'group.linkAccepted', linkNumber: 1, peer: SMALL }] : []),
    { type: 'group.catalog', peers: [named(SMALL)] },
    { type: 'group.catalog', peers: [named(SMALL, true)] },
    { type: 'group.redial', peer: SMALL },
    { type: 'group.entryChanged' },
    { type: 'group.leave' },
    { type: 'group.suspend' },
    ...[null, SELF, LARGE].map(status),
    rival,
    { type: 'xstate.done.actor.bond:111111' },
    ...(JSON.stringify(value).includes('transferring')
      ? [{ type: 'xstate.after.transferTimeout.group.leaving.transferring' }]
      : []),
    ...(JSON.stringify(value).includes('departing')
      ? [{ type: 'xstate.after.departTimeout.group.leaving.departing' }]
      : []),
  ]
}

/**
 * Two snapshots are one state of the model where they differ only in chance and in how often something was tried; one that was just
 * entered is told apart by how, and so is the one event that only forgets, so that every transition is walked.
 */
function stateOf(
  { value, status, context: { peers, bonds, raft, suspends } }: Snapshot,
  event?: AnyEventObject,
  from?: Snapshot,
): string {
  const slots = Object.values(peers).map((slot) => [
    slot.phase,
    slot.bond,
    slot.outbound,
    slot.inbound,
    slot.redialDue,
    slot.departed,
  ])
  const isEntered = JSON.stringify(from?.value) !== JSON.stringify(value)
  const edge = isEntered || event?.type === 'group.settled' ? [from?.value, event?.type] : null
  return JSON.stringify([value, status, slots, Object.keys(bonds), raft.leader, suspends, edge])
}

describe('the group’s chart, walked by its model', () => {
  const coverage = new Coverage(inert)
  const paths = getShortestPaths(inert, {
    input: INPUT,
    events: (snapshot) => eventsOf(snapshot) as never,
    serializeState: stateOf,
    stopWhen: ({ status }) => status !== 'active',
  })

  it('a real actor goes where the model says, and keeps its books straight', () => {
    expect(paths.length).toBeGreaterThan(100)
    for (const path of paths) {
      coverage.walk(path, INPUT, (snapshot, step) => {
        const expected = path.steps[step]?.state
        if (expected) expect(snapshot.value).toEqual(expected.value)
        expectStraight(snapshot)
      })
    }
  })

  it('comes to rest in every state', () => {
    expect(coverage.unreached()).toEqual([])
  })

  it('takes every transition', () => {
    expect(coverage.uncovered()).toEqual([])
  })
})

/** What holds in every state: claims and dials are of bonds that live, their actors stand, and nobody waits for nothing. */
function expectStraight({ context, children, status }: Snapshot): void {
  if (status !== 'active') return
  const { peers, bonds, leaving } = context
  for (const bond of Object.keys(bonds)) expect(children).toHaveProperty([bond])
  for (const { bond, outbound, inbound, phase, redialDue, departed, addresses } of Object.values(peers)) {
    if (bond !== null) expect(bonds).toHaveProperty([bond])
    if (outbound !== null) expect(bonds[outbound]?.role).toBe('dialler')
    if (inbound !== null) expect(bonds[inbound]?.role).toBe('acceptor')
    expect(phase === 'claimed' || phase === 'steady').toBe(bond !== null)
    const alone = bond === null && outbound === null && inbound === null
    // Fault 5: a peer that can be dialled and is wanted has a bond, a dial by either end, or a redial.
    if (alone && !departed && addresses.length > 0 && !leaving) expect(redialDue).toBe(true)
  }
}
