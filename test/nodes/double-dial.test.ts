/** Both members of a pair dial at once (SEMANTICS §3): exactly one link survives, and both ends agree on which. */
import { describe, expect, it } from 'vitest'
import type { Group } from '../../src/actors/group.ts'
import { createNode, type TesseraNode } from '../../src/actors/node.ts'
import { type Clock, systemClock } from '../../src/clock.ts'
import type { BondId } from '../../src/identity/digest.ts'
import { GroupKey } from '../../src/identity/group-key.ts'
import { Identity } from '../../src/identity/keys.ts'
import { BOND } from '../../src/limits.ts'
import { nextBetween, nextUint32, type RandomState, randomFrom } from '../../src/machines/random.ts'
import type { Transport } from '../../src/transport/transport.ts'
import { webSocket } from '../../src/transport/websocket.ts'
import { history, type LinkEnd, tell, tire, type Watched, watched } from './double-dial.ts'
import { within } from './hostile-peer.ts'
import { counter, createWorld, KEY } from './world.ts'

/** No group is formed: nothing but the bond moves. */
const JOIN = { key: KEY, machine: counter(), voters: 0 }

interface Side {
  readonly node: TesseraNode
  readonly group: Group
  readonly ends: LinkEnd[]
  readonly looks: ReturnType<typeof history>
}

/** What must hold of a pair once it is quiet; `hint` says how to see it again. */
function expectOneBond(sides: readonly Side[], hint: string): void {
  const [one, other] = sides.map(({ group }) => [...group.bonds][0]?.[1].id) as [BondId, BondId]
  expect(one, `${hint}: a bond`).toBeDefined()
  expect(one, `${hint}: the same id at both ends`).toBe(other)
  const firstDials = sides.map(({ ends }) => ends.find(({ role }) => role === 'dialler')?.bondId)
  expect(firstDials, `${hint}: one of the first two links survives, so they never closed each other`).toContain(one)
  for (const { looks, group, ends } of sides) {
    expect(looks, `${hint}: from the first steady moment on never none, never another, never two`).toEqual([[one]])
    expect(Object.keys(group.actor.getSnapshot().context.bonds), `${hint}: bond actors`).toHaveLength(1)
    const surplus = ends.filter(({ bondId }) => bondId !== one)
    expect(surplus.length, `${hint}: both dialled`).toBeGreaterThan(0)
    expect(new Set(surplus.map(({ reason }) => reason)), `${hint}: reasons`).toEqual(new Set(['AlreadyBonded']))
    expect(ends.filter(({ bondId }) => bondId === one).map(({ reason }) => reason)).toEqual([null])
  }
}

describe('500 times on the memory transport', () => {
  const PROFILES = [
    { name: 'no delay at all', delayMs: 0, slowMs: [0, 0] },
    { name: 'a local network', delayMs: { min: 0, max: 3 }, slowMs: [0, 0] },
    { name: 'a wild one', delayMs: { min: 0, max: 200 }, slowMs: [0, 0] },
    { name: 'one side dials later', delayMs: { min: 0, max: 20 }, slowMs: [0, 60] },
    { name: 'one side dials much later', delayMs: { min: 1, max: 5 }, slowMs: [0, 300] },
  ] as const
  const ROUNDS = 100

  function identities(seed: number): { smaller: Identity; larger: Identity } {
    let random: RandomState = randomFrom([seed, 7, 7, 7])
    const draw = () => {
      const [value, next] = nextUint32(random)
      random = next
      return value & 0xff
    }
    const [a, b] = [0, 1].map(() => Identity.fromSeed(Uint8Array.from({ length: 32 }, draw), 'ephemeral'))
    return a!.peer < b!.peer ? { smaller: a!, larger: b! } : { smaller: b!, larger: a! }
  }

  async function round(seed: number, profile: (typeof PROFILES)[number], smallerIsLater: boolean): Promise<string[]> {
    const world = createWorld(seed, { delayMs: profile.delayMs })
    const { smaller, larger } = identities(seed)
    const [laterMs] = nextBetween(randomFrom([seed, 5, 5, 5]), profile.slowMs[0], profile.slowMs[1])
    const side = async (name: string, identity: Identity): Promise<Side> => {
      const later = (identity === smaller) === smallerIsLater
      const { transport, ends } = watched(world.network.transport(name), world.clock, later ? laterMs : 0)
      const node = await world.node(name, { identity, transport, bootstrap: [] })
      const group = node.join(JOIN) as unknown as Group
      return { node, group, ends, looks: history(group) }
    }
    const sides = [await side('a', smaller), await side('b', larger)]
    const [a, b] = sides as [Side, Side]
    tell(a.node, b.node, world.clock)
    tell(b.node, a.node, world.clock)
    tire(sides)
    // Until both are steady, and then long enough for any redial, deadline or late link to show.
    const bonded = await world.clock.advanceUntil(() => sides.every(({ group }) => group.bonds.size === 1), 10_000)
    await world.clock.advance(BOND.handshakeStepTimeoutMs + 500)
    const hint = `seed ${seed}, ${profile.name}, ${smallerIsLater ? 'smaller' : 'larger'} id later`
    expect(bonded, `${hint}: steady at both ends`).toBe(true)
    expectOneBond(sides, hint)
    const survivor = [...a.group.bonds][0]![1].id
    const roles = a.ends.filter(({ bondId }) => bondId === survivor).map(({ role }) => role)
    await world.stop()
    return roles
  }

  it.each(PROFILES)(
    '$name: one bond, one id, never none and never two',
    async (profile) => {
      const survivors: string[] = []
      for (let i = 0; i < ROUNDS; i++) {
        const seed = 1_000 * (PROFILES.indexOf(profile) + 1) + i
        survivors.push(...(await round(seed, profile, i % 2 === 0)))
      }
      expect(survivors).toHaveLength(ROUNDS)
      // Without delay the link of the smaller id survives; with it, the one that the smaller id hears of first.
      const bySmaller = survivors.filter((role) => role === 'dialler').length
      if (profile.delayMs === 0) expect(bySmaller).toBe(ROUNDS)
      else expect(bySmaller).toBeGreaterThan(0)
    },
    60_000,
  )
})

describe('50 times on WebSockets', () => {
  const ROUNDS = 50
  /** Pairs at a time: enough to disturb each other’s timing, as real ones do. */
  const ABREAST = 5

  async function round(number: number): Promise<void> {
    let wake = () => {}
    const changed = () => wake()
    const clock: Clock = systemClock
    const key = GroupKey.fromSecret(new Uint8Array(32).fill(number + 1))
    const side = async (): Promise<Side> => {
      const { transport, ends }: Watched = watched(webSocket() as Transport, clock, 0, changed)
      const node = await createNode({ network: 'test', listen: 'ws://127.0.0.1:0', transport })
      const group = node.join({ ...JOIN, key, machine: counter() }) as unknown as Group
      return { node, group, ends, looks: history(group, changed) }
    }
    const sides = await Promise.all([side(), side()])
    const [a, b] = sides
    try {
      tell(a.node, b.node, clock)
      tell(b.node, a.node, clock)
      tire(sides)
      const quiet = () =>
        sides.every(({ group, ends }) => {
          const open = ends.filter(({ reason }) => reason === null)
          const actors = Object.keys(group.actor.getSnapshot().context.bonds)
          return group.bonds.size === 1 && ends.length > 1 && open.length === 1 && actors.length === 1
        })
      const settled = async () => {
        while (!quiet()) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      }
      const hint = `round ${number}, ids ${a.node.id.slice(0, 10)} ${b.node.id.slice(0, 10)}`
      await within(20_000, hint, settled())
      expectOneBond(sides, hint)
    } finally {
      await Promise.all(sides.map(({ node }) => node.stop()))
    }
  }

  it('one bond, one id, never none and never two', async () => {
    for (let first = 0; first < ROUNDS; first += ABREAST) {
      await Promise.all(Array.from({ length: ABREAST }, (_, i) => round(first + i)))
    }
  }, 60_000)
})
