/** The plan of a chaos run: from a seed alone, and every kind of fault gets its turn. */
import { describe, expect, it } from 'vitest'
import { type Fault, faultText, planFaults } from '../../tools/chaos/faults.ts'

const SEEDS = Array.from({ length: 50 }, (_, seed) => seed)
const plans = SEEDS.map((seed) => planFaults(seed, 60_000, 5))

describe('planFaults', () => {
  it('gives the same plan for the same seed, and another for another', () => {
    expect(planFaults(7, 60_000, 5)).toEqual(planFaults(7, 60_000, 5))
    expect(new Set(plans.map((plan) => JSON.stringify(plan))).size).toBe(SEEDS.length)
  })

  it('has a kill and a cut in the first five seconds', () => {
    for (const plan of plans) {
      const early = plan.filter(({ atMs }) => atMs <= 5_000).map(({ fault }) => fault.kind)
      expect(early.slice(0, 2)).toEqual(['kill', 'cut'])
    }
  })

  it('has every kind in each minute, the death of all at once among them', () => {
    const kinds = (plan: (typeof plans)[number]) => new Set(plan.map(({ fault }) => fault.kind))
    const every = new Set<Fault['kind']>(['kill', 'killLeader', 'stop', 'cut', 'silence', 'partition', 'slow'])
    for (const plan of plans) {
      expect(kinds(plan)).toEqual(every)
      expect(plan.some(({ fault }) => fault.kind === 'kill' && fault.members.length === 5)).toBe(true)
    }
  })

  it('mends everything before the run ends', () => {
    for (const plan of plans) for (const { atMs, forMs } of plan) expect(atMs + forMs).toBeLessThanOrEqual(60_000)
  })

  it('names only members that are there, and no path from a member to itself', () => {
    for (const { fault } of SEEDS.flatMap((seed) => planFaults(seed, 60_000, 3))) {
      const ways = 'conditions' in fault ? fault.conditions : []
      const members = 'members' in fault ? fault.members : 'member' in fault ? [fault.member] : []
      for (const member of [...members, ...ways.flatMap(({ from, to }) => [from, to])])
        expect([0, 1, 2]).toContain(member)
      for (const { from, to } of ways) expect(from).not.toBe(to)
    }
  })

  it('parts a group in two sides that both have members', () => {
    const partitions = plans.flat().filter(({ fault }) => fault.kind === 'partition')
    for (const { fault } of partitions) {
      const ways = 'conditions' in fault ? fault.conditions : []
      // Between sides of k and 5 - k members there are 2k(5 - k) ways.
      expect([8, 12]).toContain(ways.length)
    }
  })
})

describe('faultText', () => {
  it('counts members from 1', () => {
    expect(faultText({ kind: 'kill', members: [0, 2] })).toBe('kill 1 3')
    expect(faultText({ kind: 'stop', member: 4 })).toBe('stop 5')
    expect(faultText({ kind: 'silence', conditions: [{ from: 0, to: 1, silent: true }] })).toBe(
      'silence 1>2 {"silent":true}',
    )
  })
})
