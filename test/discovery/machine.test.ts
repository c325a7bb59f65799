/** The discovery machine on a simulated clock: bootstrap, announcements, syncs, departure, and every way through its chart. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createActor, fromPromise, SimulatedClock } from 'xstate'
import { getShortestPaths } from 'xstate/graph'
import { DISCOVERY } from '../../src/limits.ts'
import type { CatalogChange, CatalogRecord } from '../../src/machines/discovery/catalog.ts'
import { type Exchange, pick } from '../../src/machines/discovery/exchanges.ts'
import {
  type AnnounceInput,
  type DiscoveryEmitted,
  type DiscoveryEvent,
  type DiscoveryInput,
  discoveryMachine,
  type SyncOutput,
  summaryOf,
} from '../../src/machines/discovery/machine.ts'
import { randomFrom } from '../../src/machines/random.ts'
import { NETWORK, NOW_MS, peer, record, SELF } from './records.ts'

const own = (update = NOW_MS) => record(SELF, { update })
const input = (bootstrap: readonly string[] = []): DiscoveryInput => ({
  self: SELF,
  network: NETWORK,
  bootstrap,
  seed: [1, 2, 3, 4],
  nowMs: NOW_MS,
})

type Answer = SyncOutput | 'silence' | 'failure'

/** One exchange as the machine asked for it. */
type Asked = Omit<Exchange, 'kind'>

/** The machine with exchanges that are answered by the test, and a clock that moves when the test says so. */
function discovery(bootstrap: readonly string[], answer: (asked: Asked) => Answer = () => 'silence') {
  const clock = new SimulatedClock()
  const syncs: Asked[] = []
  const announced: AnnounceInput[] = []
  const emitted: DiscoveryEmitted[] = []
  const changes: (readonly CatalogChange[])[] = []
  let refreshed = 0
  const never = new Promise<never>(() => {})
  const logic = discoveryMachine.provide({
    actors: {
      sync: fromPromise<SyncOutput, Asked>(async ({ input }) => {
        syncs.push(input)
        const given = answer(input)
        if (given === 'failure') throw new Error('refused')
        return given === 'silence' ? never : given
      }),
      announceTo: fromPromise<void, AnnounceInput>(async ({ input }) => {
        announced.push(input)
        if (answer(input) === 'silence') await never
      }),
    },
    actions: {
      refreshOwnEntry: () => {
        refreshed++
      },
      catalogChanged: (_, params) => {
        if (params.changes.length > 0) changes.push(params.changes)
      },
    },
  })
  const actor = createActor(logic, { input: input(bootstrap), clock })
  actor.on('*', (event) => emitted.push(event))
  actor.start()
  /** Time passes, and promises settle. */
  const pass = async (ms: number) => {
    await settled()
    clock.increment(ms)
    await settled()
  }
  const reach = () => {
    const { value } = actor.getSnapshot()
    return typeof value === 'string' ? value : (value as { online: { reach: string } }).online.reach
  }
  const underWay = () => Object.keys(actor.getSnapshot().context.exchanges).length
  const children = () => Object.values(actor.getSnapshot().children).filter((child) => child !== undefined).length
  return { actor, pass, reach, underWay, children, syncs, announced, emitted, changes, refreshed: () => refreshed }
}

/** A handful of turns of the microtask queue: as long as any promise here takes to reach the machine. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

const addressesOf = (asked: readonly Asked[]) => asked.flatMap(({ addresses }) => addresses)
const fromPeer = (letter: string): SyncOutput => ({ entries: [record(letter)] })

describe('bootstrap', () => {
  test('a node with nobody to ask runs at once', () => {
    const { reach, syncs } = discovery([])
    expect(reach()).toBe('running')
    expect(syncs).toEqual([])
  })

  test('all addresses are asked at once, each one once', () => {
    const { reach, syncs } = discovery(['memory:a', 'memory:b', 'memory:a'])
    expect(syncs).toEqual([
      { peer: null, addresses: ['memory:a'] },
      { peer: null, addresses: ['memory:b'] },
    ])
    expect(reach()).toBe('bootstrapping')
  })

  test('a silent address does not delay one that answers', async () => {
    const { pass, reach, emitted } = discovery(['memory:a', 'memory:b'], ({ addresses }) =>
      addresses[0] === 'memory:b' ? fromPeer('b') : 'silence',
    )
    await pass(0)
    expect(reach()).toBe('running')
    expect(emitted).toContainEqual({ type: 'peerDiscovered', peer: peer('b'), record: expect.anything() })
  })

  test.each(['silence', 'failure'] as const)(
    'after %s an address is asked again, until one answers',
    async (answer) => {
      let up = false
      const { pass, reach, syncs } = discovery(['memory:a'], () => (up ? fromPeer('a') : answer))
      for (let round = 1; round <= 3; round++) {
        expect(syncs).toHaveLength(round)
        await pass(answer === 'silence' ? DISCOVERY.exchangeTimeoutMs : 0)
        expect(reach()).toBe('bootstrapping')
        await pass(DISCOVERY.bootstrapRetryMs - 1)
        expect(syncs).toHaveLength(round)
        await pass(1)
      }
      up = true
      await pass(DISCOVERY.exchangeTimeoutMs)
      await pass(DISCOVERY.bootstrapRetryMs)
      expect(reach()).toBe('running')
      const asked = syncs.length
      await pass(10 * DISCOVERY.bootstrapRetryMs)
      expect(syncs).toHaveLength(asked)
    },
  )

  test('one that stays silent is asked on when another has answered: a network that starts parted must not stay in two', async () => {
    let healed = false
    const { pass, reach, syncs, emitted } = discovery(['memory:a', 'memory:b'], ({ addresses }) => {
      if (addresses[0] === 'memory:b') return fromPeer('b')
      return healed ? fromPeer('a') : 'failure'
    })
    await pass(0)
    expect(reach()).toBe('running')
    await pass(DISCOVERY.straggleRetryMs)
    expect(addressesOf(syncs)).toEqual(['memory:a', 'memory:b', 'memory:a'])
    healed = true
    await pass(DISCOVERY.straggleRetryMs)
    expect(emitted).toContainEqual({ type: 'peerDiscovered', peer: peer('a'), record: expect.anything() })
    await pass(3 * DISCOVERY.straggleRetryMs)
    expect(syncs).toHaveLength(4)
  })

  test('its own address is no answer where there are others', async () => {
    const { pass, reach } = discovery(['memory:0', 'memory:a'], ({ addresses }) =>
      addresses[0] === 'memory:0' ? { entries: [] } : 'silence',
    )
    await pass(0)
    expect(reach()).toBe('bootstrapping')
  })

  test('and where it is the only one, nobody is left to ask', async () => {
    const { pass, reach } = discovery(['memory:0'], () => ({ entries: [] }))
    await pass(0)
    expect(reach()).toBe('running')
  })

  test('a node that everyone has left asks its bootstrap addresses again', async () => {
    let answer: Answer = fromPeer('a')
    const { actor, pass, reach, syncs } = discovery(['memory:a'], () => answer)
    await pass(0)
    expect(reach()).toBe('running')
    answer = 'silence'
    const laterMs = NOW_MS + DISCOVERY.purgedAfterMs + 1
    actor.send({ type: 'discovery.ownEntry', record: own(laterMs), nowMs: laterMs })
    await pass(2 * DISCOVERY.announceIntervalMs)
    expect(syncs.slice(1)).toEqual([{ peer: null, addresses: ['memory:a'] }])
    await pass(DISCOVERY.exchangeTimeoutMs)
    await pass(DISCOVERY.bootstrapRetryMs)
    expect(syncs).toHaveLength(3)
  })

  test('one that no visible peer has any more is asked again, once at a time, though others are there', async () => {
    let answer: Answer = { entries: [record('a'), record('b')] }
    const { actor, pass, syncs } = discovery(['memory:a', 'memory:b'], () => answer)
    await pass(0)
    answer = 'failure'
    const laterMs = NOW_MS + DISCOVERY.hiddenAfterMs + 1
    actor.send({ type: 'discovery.received', records: [record('b', { update: laterMs })], nowMs: laterMs })
    const asked = () => syncs.filter(({ peer }) => peer === null).length - 2
    actor.send({ type: 'discovery.intervalPassed' })
    actor.send({ type: 'discovery.intervalPassed' })
    await pass(0)
    expect(syncs.slice(2)).toEqual([{ peer: null, addresses: ['memory:a'] }])
    await pass(DISCOVERY.straggleRetryMs - 1)
    expect(asked()).toBe(1)
    answer = { entries: [record('a', { update: laterMs })] }
    await pass(1)
    expect(asked()).toBe(2)
    actor.send({ type: 'discovery.intervalPassed' })
    await pass(3 * DISCOVERY.straggleRetryMs)
    expect(asked()).toBe(2)
  })
})

describe('news', () => {
  test('each change is told once, to the owner and to whoever listens', () => {
    const { actor, emitted, changes } = discovery([])
    const steps = [
      record('a', { update: NOW_MS - 2 }),
      record('a', { update: NOW_MS - 1 }),
      record('a', { update: NOW_MS, departed: true }),
    ]
    const tell = (one: CatalogRecord) => actor.send({ type: 'discovery.received', records: [one], nowMs: NOW_MS })
    for (const step of [steps[0]!, ...steps, steps[0]!]) tell(step)
    expect(emitted.map(({ type }) => type)).toEqual(['peerDiscovered', 'peerUpdated', 'peerDeparted'])
    expect(emitted.map((event) => 'record' in event && event.record)).toEqual(steps)
    expect(changes.flat().map(({ type }) => type)).toEqual(['discovered', 'updated', 'departed'])
  })
})

describe('announcements', () => {
  const seven = 'abcdefg'.split('').map((letter) => record(letter))

  test('a new own entry goes to a few random neighbours that can be dialled', () => {
    const { actor, announced } = discovery([])
    const hidden = record('8', { update: NOW_MS - DISCOVERY.hiddenAfterMs - 1 })
    const mute = record('9', { addresses: [] })
    actor.send({ type: 'discovery.received', records: [...seven, hidden, mute], nowMs: NOW_MS })
    actor.send({ type: 'discovery.ownEntry', record: own(), nowMs: NOW_MS })
    expect(announced).toHaveLength(DISCOVERY.announceFanout)
    expect(new Set(announced.map((one) => one.peer)).size).toBe(DISCOVERY.announceFanout)
    for (const one of announced) expect(one.record).toEqual(own())
    expect(announced.map((one) => one.peer)).not.toContain(mute.entry.peer)
    expect(announced.map((one) => one.peer)).not.toContain(hidden.entry.peer)
  })

  test('in the end every neighbour is chosen', () => {
    fc.assert(
      fc.property(fc.tuple(fc.integer(), fc.integer(), fc.integer(), fc.integer()), (seed) => {
        let random = randomFrom(seed)
        const chosen = new Set<CatalogRecord>()
        for (let round = 0; round < 60; round++) {
          const [some, next] = pick(seven, DISCOVERY.announceFanout, random)
          random = next
          expect(new Set(some).size).toBe(DISCOVERY.announceFanout)
          for (const one of some) chosen.add(one)
        }
        expect(chosen.size).toBe(seven.length)
      }),
      { numRuns: 20 },
    )
  })

  test('every 45 s, give or take half, the own entry is made anew and one neighbour synced with', async () => {
    const { actor, pass, refreshed, syncs } = discovery([], () => ({ entries: [] }))
    actor.send({ type: 'discovery.received', records: seven, nowMs: NOW_MS })
    const { announceIntervalMs: mean, announceJitter: jitter } = DISCOVERY
    for (let round = 0; round < 20; round++) {
      const delayMs = actor.getSnapshot().context.announceDelayMs
      expect(delayMs).toBeGreaterThanOrEqual(mean * (1 - jitter))
      expect(delayMs).toBeLessThan(mean * (1 + jitter))
      await pass(Math.ceil(delayMs) - 1)
      expect(refreshed()).toBe(round)
      await pass(1)
      expect([refreshed(), syncs.length]).toEqual([round + 1, round + 1])
    }
    expect(new Set(syncs.map((one) => one.peer)).size).toBeGreaterThan(3)
  })

  test.each([
    ['failure', 0],
    ['silence', DISCOVERY.exchangeTimeoutMs],
  ] as const)(
    'a round is not lost on a neighbour that has gone: with %s another is asked, and no more when one has answered',
    async (answer, afterMs) => {
      const { actor, pass, syncs, underWay, children } = discovery([], () =>
        syncs.length === 1 ? answer : { entries: [] },
      )
      actor.send({ type: 'discovery.received', records: seven, nowMs: NOW_MS })
      await pass(Math.ceil(actor.getSnapshot().context.announceDelayMs))
      await pass(afterMs)
      expect(new Set(syncs.map((one) => one.peer)).size).toBe(2)
      expect([syncs.length, underWay(), children()]).toEqual([2, 0, 0])
    },
  )

  test('nor does a round go on without end where nobody answers', async () => {
    const { actor, pass, syncs, underWay } = discovery([], () => 'failure')
    actor.send({ type: 'discovery.received', records: seven, nowMs: NOW_MS })
    await pass(Math.ceil(actor.getSnapshot().context.announceDelayMs))
    expect(new Set(syncs.map((one) => one.peer)).size).toBe(DISCOVERY.syncTriesMax)
    expect([syncs.length, underWay()]).toEqual([DISCOVERY.syncTriesMax, 0])
  })

  test('the own entry brings the time: what has expired is forgotten, and whoever listens hears of it', () => {
    const { actor, changes } = discovery([])
    actor.send({ type: 'discovery.received', records: seven, nowMs: NOW_MS })
    const laterMs = NOW_MS + DISCOVERY.purgedAfterMs + 1
    actor.send({ type: 'discovery.ownEntry', record: own(laterMs), nowMs: laterMs })
    expect(summaryOf(actor.getSnapshot().context)).toMatchObject({ peers: 1, neighbours: [] })
    expect(changes.at(-1)).toEqual(seven.map((gone) => ({ type: 'departed', record: gone })))
  })
})

describe('a sync that was asked for', () => {
  const ask: DiscoveryEvent = { type: 'discovery.syncWith', peer: peer('a'), addresses: ['memory:a'] }

  test('brings what the other holds, and says when it is over', async () => {
    const { actor, pass, emitted, underWay, children } = discovery([], () => ({ entries: [record('a'), record('b')] }))
    actor.send(ask)
    await pass(0)
    expect(emitted.map(({ type }) => type)).toEqual(['syncEnded', 'peerDiscovered', 'peerDiscovered'])
    expect(emitted[0]).toEqual({ type: 'syncEnded', peer: peer('a'), answered: true })
    expect([underWay(), children()]).toEqual([0, 0])
  })

  test.each(['silence', 'failure'] as const)('ends with %s no later than its deadline', async (answer) => {
    const { actor, pass, emitted, underWay, children } = discovery([], () => answer)
    actor.send(ask)
    await pass(DISCOVERY.exchangeTimeoutMs)
    expect(emitted).toEqual([{ type: 'syncEnded', peer: peer('a'), answered: false }])
    expect([underWay(), children()]).toEqual([0, 0])
    expect(actor.getSnapshot().status).toBe('active')
  })

  test('one with the same peer is enough at a time', async () => {
    const { actor, pass, syncs } = discovery([])
    actor.send(ask)
    actor.send(ask)
    expect(syncs).toHaveLength(1)
    await pass(DISCOVERY.exchangeTimeoutMs)
    actor.send(ask)
    expect(syncs).toHaveLength(2)
  })
})

describe('departure', () => {
  const tombstone = record(SELF, { update: NOW_MS + 1, departed: true })
  const depart: DiscoveryEvent = { type: 'discovery.depart', record: tombstone }

  test('the tombstone goes to every neighbour before the machine ends', async () => {
    const { actor, pass, announced } = discovery([], () => ({ entries: [] }))
    const records = 'abcdefg'.split('').map((letter) => record(letter))
    actor.send({ type: 'discovery.received', records, nowMs: NOW_MS })
    actor.send(depart)
    expect(actor.getSnapshot().value).toBe('departing')
    await pass(0)
    expect(actor.getSnapshot().status).toBe('done')
    expect(addressesOf(announced)).toEqual(records.flatMap(({ entry }) => entry.addresses))
    for (const one of announced) expect(one.record).toEqual(tombstone)
  })

  test('a silent neighbour holds it up no longer than its deadline', async () => {
    const { actor, pass } = discovery(['memory:z'], () => 'silence')
    actor.send({ type: 'discovery.received', records: [record('a')], nowMs: NOW_MS })
    actor.send(depart)
    await pass(DISCOVERY.exchangeTimeoutMs - 1)
    expect(actor.getSnapshot().value).toBe('departing')
    await pass(1)
    expect(actor.getSnapshot().status).toBe('done')
  })

  test('a node without neighbours is gone at once, whatever it was asking', () => {
    const { actor, children } = discovery(['memory:z'])
    actor.send(depart)
    expect([actor.getSnapshot().value, actor.getSnapshot().status, children()]).toEqual(['departed', 'done', 0])
  })
})

test('an inspector sees counts and short ids, no entries, addresses or keys', () => {
  const { actor } = discovery(['memory:z'])
  actor.send({ type: 'discovery.received', records: [record('a'), record('b', { departed: true })], nowMs: NOW_MS })
  expect(summaryOf(actor.getSnapshot().context)).toEqual({
    self: '0000000000',
    network: '9999999999',
    peers: 2,
    neighbours: ['aaaaaaaaaa'],
    tombstones: 1,
    exchanges: 1,
    unanswered: 1,
    reached: false,
  })
})

describe('the chart', () => {
  const events: DiscoveryEvent[] = [
    { type: 'discovery.received', records: [record('a')], nowMs: NOW_MS },
    { type: 'discovery.ownEntry', record: own(), nowMs: NOW_MS },
    { type: 'discovery.ownEntry', record: own(), nowMs: NOW_MS + DISCOVERY.purgedAfterMs + 1 },
    { type: 'discovery.syncWith', peer: peer('a'), addresses: [] },
    { type: 'discovery.depart', record: record(SELF, { departed: true }) },
    { type: 'discovery.askAgain', address: 'memory:a' },
    { type: 'discovery.intervalPassed' },
    { type: 'discovery.exchangeTimeout', exchange: 'announce:2' },
    { type: 'xstate.done.actor.bootstrap:1', actorId: 'bootstrap:1', output: { entries: [record('a')] } },
    { type: 'xstate.error.actor.bootstrap:1', actorId: 'bootstrap:1', error: new Error('refused') },
    { type: 'xstate.after.announceInterval.discovery.online.announcing.waiting' } as never,
  ]
  const paths = getShortestPaths(discoveryMachine, {
    input: input(['memory:a']),
    events,
    limit: 20_000,
    // Counters and chance tell states apart that are the same to the chart.
    serializeState: (snapshot) => {
      const { context, value } = snapshot as typeof snapshot & { context: (typeof snapshot)['context'] }
      const { peers, reached, unanswered } = summaryOf(context)
      const old = context.nowMs > NOW_MS
      return JSON.stringify([
        value,
        peers,
        reached,
        unanswered,
        Object.values(context.exchanges).map((one) => one.kind),
        old,
      ])
    },
    stopWhen: ({ context }) => Object.keys(context.exchanges).length > 2,
  })

  const nodes = allNodes(discoveryMachine.root)
  type Node = (typeof nodes)[number]

  test('generated paths reach every state', () => {
    const reached = new Set<Node>(paths.flatMap(({ state }) => state._nodes))
    expect(nodes.filter((node) => !reached.has(node)).map((node) => node.id)).toEqual([])
  })

  test('and from the states they reach, every transition is taken', () => {
    const taken = new Set<unknown>()
    for (const { state } of paths) {
      if (state.status !== 'active') continue
      for (const event of events) for (const one of discoveryMachine.getTransitionData(state, event)) taken.add(one)
    }
    const known = nodes.flatMap((node) => [...node.transitions.values()].flat())
    expect(known.length).toBeGreaterThan(8)
    expect(known.filter((one) => !taken.has(one)).map((one) => `${one.source.id}: ${one.eventType}`)).toEqual([])
  })

  test('each state is described', () => {
    for (const node of nodes.filter(({ type }) => type === 'atomic' || type === 'final')) {
      expect(node.description, node.id).toMatch(/\.$/)
    }
  })
})

function allNodes(node: typeof discoveryMachine.root): (typeof node)[] {
  return [node, ...Object.values(node.states).flatMap(allNodes)]
}
