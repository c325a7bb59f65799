/** Forming the first configuration (SEMANTICS §6): rule by rule, then under every disorder a property can think of. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { eventOf } from '../../src/machines/raft/events.ts'
import type { FormationId, RaftMessage } from '../../src/machines/raft/messages.ts'
import { Cluster, type Name, type Node, peerId } from './cluster.ts'

const ids = (...names: Name[]) => names.map(peerId)
const id = (digits: string) => digits.padEnd(32, '0') as FormationId

/** One machine whose peers are played by the test. */
function alone(voters = 3): { cluster: Cluster; node: Node; hear: (from: Name, message: RaftMessage) => void } {
  const cluster = new Cluster([], { voters })
  const node = cluster.add('b')
  for (const name of ['a', 'c', 'd']) node.actor.send({ type: 'raft.bondFormed', peer: peerId(name) })
  return { cluster, node, hear: (from, message) => node.actor.send(eventOf(peerId(from), message)) }
}

const proposal = (formation: string, ...names: Name[]): RaftMessage => ({
  type: 'FormationProposal',
  formation: id(formation),
  voters: ids(...names),
})
const answer = (formation: string, accepted: boolean, ...names: Name[]): RaftMessage => ({
  type: 'FormationAnswer',
  formation: id(formation),
  voters: ids(...names),
  accepted,
})
const introduce = (voters: number, formation: FormationId | null = null): RaftMessage => ({
  type: 'Introduce',
  formation,
  voters,
  preference: 'normal',
})

describe('a member without a log', () => {
  it('forms a group of one at once, and leads it', () => {
    const cluster = new Cluster(['a'])
    cluster.tick(1)
    expect(cluster.get('a').role).toBe('leader')
  })

  it('never forms one alone when others are asked for, nor when it only joins', () => {
    const cluster = new Cluster(['a'], { voters: 3 })
    cluster.add('j', 0)
    cluster.add('k', 0)
    cluster.run(60_000)
    expect(cluster.alive.map(({ role }) => role)).toEqual(['unformed', 'unformed', 'unformed'])
  })

  it('proposes only when it sees enough others that would form with the same number, and is the smallest', () => {
    const { node, hear } = alone()
    hear('c', introduce(3))
    hear('d', introduce(5))
    expect(node.context.formation.status).toBe('none')
    hear('d', introduce(3))
    expect(node.context.formation).toMatchObject({ status: 'accepted', voters: ids('b', 'c', 'd') })
  })

  it('leaves the proposal to a smaller one', () => {
    const { node, hear } = alone()
    for (const name of ['a', 'c', 'd']) hear(name, introduce(3))
    expect(node.context.formation.status).toBe('none')
  })

  it('is in no hurry to found a second group: having met a formed one it only joins', () => {
    const { node, hear, cluster } = alone()
    hear('a', introduce(3, id('f')))
    for (const name of ['c', 'd']) hear(name, introduce(3))
    node.actor.send({ type: 'raft.bondLost', peer: peerId('a'), departed: false })
    cluster.tick(10_000)
    hear('c', proposal('1', 'b', 'c', 'd'))
    expect(node.context.formation).toMatchObject({ status: 'none', refused: [id('1')] })
  })

  it('answers local requests with what it knows: nobody leads', () => {
    const { node, cluster } = alone()
    cluster.propose('b', 'x')
    cluster.read('b', 4)
    expect(node.responses).toMatchObject([
      { kind: 'refused', code: 'NoLeader' },
      { kind: 'readLost', id: 4 },
    ])
  })
})

describe('a proposal', () => {
  it('is accepted by a free voter, on disk first, and told to all voters', () => {
    const { cluster, node, hear } = alone()
    node.autoFlush = false
    hear('a', proposal('1', 'a', 'b', 'c'))
    expect(node.held.map(({ message }) => message.type)).toContain('FormationAnswer')
    expect(node.sent.some(({ message }) => message.type === 'FormationAnswer')).toBe(false)
    cluster.flush('b')
    const told = node.sent.filter(({ message }) => message.type === 'FormationAnswer')
    expect(told).toEqual([
      { to: 'a', message: answer('1', true, 'a', 'b', 'c') },
      { to: 'c', message: answer('1', true, 'a', 'b', 'c') },
    ])
  })

  it('is refused by one that is bound to another, for ever', () => {
    const { node, hear } = alone()
    hear('a', proposal('1', 'a', 'b', 'c'))
    hear('c', proposal('2', 'b', 'c', 'd'))
    expect(node.context.formation).toMatchObject({ id: id('1'), refused: [id('2')] })
    hear('c', answer('1', false, 'a', 'b', 'c'))
    hear('c', proposal('2', 'b', 'c', 'd'))
    expect(node.context.formation.status).toBe('none')
    expect(node.sent.at(-1)).toEqual({ to: 'c', message: answer('2', false, 'b', 'c', 'd') })
  })

  it('of another size, or that we have no part in, binds nobody', () => {
    const { node, hear } = alone()
    hear('a', proposal('1', 'a', 'b'))
    hear('a', proposal('2', 'a', 'c', 'd'))
    expect(node.context.formation).toMatchObject({ status: 'none', refused: [id('1')] })
  })

  it('forms the group when all accepted, with the same first entry everywhere', () => {
    const { node, hear } = alone()
    hear('a', proposal('1', 'a', 'b', 'c'))
    expect(node.role).toBe('unformed')
    hear('c', answer('1', true, 'a', 'b', 'c'))
    expect(node.role).toBe('follower')
    expect(node.context).toMatchObject({ term: 1, formation: { status: 'formed', id: id('1') } })
    expect(node.disk.entries).toEqual([
      { kind: 'configuration', term: 1, timeMs: 0, configuration: { voters: ids('a', 'b', 'c'), learners: [] } },
    ])
  })

  it('forms nothing before the own acceptance is on disk: a member that ends first has accepted nothing', () => {
    const { cluster, node, hear } = alone()
    node.autoFlush = false
    hear('a', proposal('1', 'a', 'b', 'c'))
    hear('c', answer('1', true, 'a', 'b', 'c'))
    expect(node.role).toBe('unformed')
    cluster.flush('b')
    expect(node.role).toBe('follower')
  })

  it('is learned from an answer that arrives before it', () => {
    const { node, hear } = alone()
    hear('c', answer('1', true, 'a', 'b', 'c'))
    expect(node.role).toBe('follower')
  })

  it('is known to be formed when a voter shows its log', () => {
    const { node, hear } = alone()
    hear('a', proposal('1', 'a', 'b', 'c'))
    hear('c', introduce(3, id('1')))
    expect(node.role).toBe('follower')
  })

  it('is told again until answered, and to each voter that bonds', () => {
    const { cluster, node, hear } = alone()
    hear('a', proposal('1', 'a', 'b', 'c'))
    const before = node.sent.length
    cluster.tick(500)
    expect(node.sent.slice(before).map(({ to, message }) => `${message.type} to ${to}`)).toEqual([
      'FormationProposal to c',
      'FormationAnswer to a',
      'FormationAnswer to c',
    ])
    node.actor.send({ type: 'raft.bondFormed', peer: peerId('c') })
    expect(node.sent.slice(-2).map(({ message }) => message.type)).toEqual(['FormationProposal', 'FormationAnswer'])
  })

  it('ignores the answer of one that has no vote in it', () => {
    const { node, hear } = alone()
    hear('a', proposal('1', 'a', 'b', 'c'))
    hear('d', answer('1', false, 'a', 'b', 'c'))
    expect(node.context.formation.status).toBe('accepted')
  })
})

describe('a group that formed elsewhere', () => {
  const offer = (...names: Name[]): RaftMessage =>
    ({
      type: 'AppendEntries',
      term: 4,
      prevIndex: 0,
      prevTerm: 0,
      commit: 0,
      round: 1,
      entries: [{ kind: 'configuration', term: 1, timeMs: 0, configuration: { voters: ids(...names), learners: [] } }],
    }) as unknown as RaftMessage

  it('takes in a free member, which then shows the same log', () => {
    const { node, hear } = alone()
    hear('a', introduce(3, id('f')))
    hear('a', offer('a', 'x', 'y'))
    expect(node.role).toBe('follower')
    expect(node.context).toMatchObject({ term: 4, leader: peerId('a'), formation: { status: 'formed', id: id('f') } })
    expect(node.sent.filter(({ to }) => to === 'c').at(-1)?.message).toEqual(introduce(3, id('f')))
  })

  it('frees a member of a proposal it shares a voter with, as that can never form', () => {
    const { node, hear } = alone()
    hear('c', proposal('1', 'b', 'c', 'd'))
    hear('a', introduce(3, id('f')))
    hear('a', offer('a', 'c', 'x'))
    expect(node.role).toBe('follower')
  })

  it('is kept at a distance by a member bound to a proposal that may still form', () => {
    const { node, hear } = alone()
    hear('c', proposal('1', 'b', 'c', 'd'))
    hear('a', introduce(3, id('f')))
    hear('a', offer('a', 'x', 'y'))
    expect(node.role).toBe('unformed')
    expect(node.context.formation.id).toBe(id('1'))
  })
})

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f']
type Chaos = readonly [kind: 'deliver' | 'lose' | 'bond' | 'cut' | 'tick' | 'crash' | 'flush', x: number, y: number]
const chaos: fc.Arbitrary<Chaos> = fc.tuple(
  fc.constantFrom(
    'deliver',
    'deliver',
    'deliver',
    'bond',
    'bond',
    'flush',
    'flush',
    'flush',
    'flush',
    'tick',
    'lose',
    'cut',
    'crash',
  ),
  fc.nat({ max: 5 }),
  fc.nat({ max: 5 }),
)

function disturb(cluster: Cluster, [kind, x, y]: Chaos): void {
  const [one, two] = [NAMES[x]!, NAMES[y]!]
  if (kind === 'deliver') for (let left = 1 + x * y; left > 0 && cluster.deliverOne(); left--);
  else if (kind === 'lose') cluster.deliver(cluster.busy()[x + y] ?? '', true)
  else if (kind === 'bond' && one !== two) cluster.heal(one, two)
  else if (kind === 'cut' && one !== two) cluster.cut(one, two)
  else if (kind === 'tick') cluster.tick(100 * (y + 1))
  else if (kind === 'flush') cluster.flush(one)
  else if (kind === 'crash') cluster.get(one).alive ? cluster.kill(one) : cluster.restart(one)
}

/** Every group anyone ever formed, its id and its voters: on disk, as what is lost in a crash was never told. */
function noteGroups(cluster: Cluster, groups: Map<string, string>): void {
  if (cluster.errors.length > 0) throw cluster.errors[0]
  for (const { disk, name } of cluster.nodes.values()) {
    const [first] = disk.entries
    if (first?.kind !== 'configuration') continue
    const { id: formation } = disk.hardState!.formation
    const voters = first.configuration.voters.join()
    if ((groups.get(formation!) ?? voters) !== voters) throw new Error(`${name} formed ${formation} with other voters`)
    groups.set(formation!, voters)
  }
}

function expectDisjoint(groups: ReadonlyMap<string, string>): void {
  const voters = [...groups.values()].flatMap((list) => list.split(','))
  expect(new Set(voters).size).toBe(voters.length)
}

describe('first configurations', () => {
  it('that share a voter are never both formed, and in the end everyone holds a log', () => {
    let formedInChaos = 0
    let several = 0
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 2, max: 4 }),
        fc.array(chaos, { minLength: 40, maxLength: 120, size: 'max' }),
        (seed, voters, steps) => {
          const cluster = new Cluster([], { seed, voters })
          for (const name of NAMES) cluster.add(name, voters, false).autoFlush = false
          const groups = new Map<string, string>()
          for (const step of steps) {
            disturb(cluster, step)
            noteGroups(cluster, groups)
          }
          if (groups.size > 0) formedInChaos++
          for (const node of cluster.nodes.values()) {
            node.autoFlush = true
            if (!node.alive) cluster.restart(node.name)
            cluster.flush(node.name)
          }
          cluster.healAll()
          cluster.until('all hold a log', () => cluster.alive.every(({ role }) => role !== 'unformed'), 60_000)
          noteGroups(cluster, groups)
          expectDisjoint(groups)
          if (groups.size > 1) several++
        },
      ),
      // By chance alone a run of sixty now and then forms too few groups amid the chaos to show anything.
      { numRuns: 60, seed: 1 },
    )
    expect(formedInChaos).toBeGreaterThan(3)
    expect(several).toBeGreaterThan(0)
  })
})
