/** What any inspector is shown: a sketch of fixed size, no news where there is none, and a node that lives on if the inspector does not. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { InspectionEvent } from 'xstate'
import { plain, SHOWN_CHARS_MAX } from '../../src/actors/inspection.ts'
import { GroupKey } from '../../src/index.ts'
import { counter, createWorld, KEY } from '../nodes/world.ts'
import { formed } from './rig.ts'

describe('a sketch', () => {
  it('of anything is plain data of bounded size, the same after a way through JSON', () => {
    const anything = fc.anything({ withBigInt: true, withMap: true, withSet: true, withTypedArray: true, maxDepth: 6 })
    fc.assert(
      fc.property(anything, (value) => {
        const shown = plain(value)
        const text = JSON.stringify(shown) ?? 'null'
        expect(text.length).toBeLessThan(SHOWN_CHARS_MAX * 1.5)
        expect(JSON.parse(text)).toEqual(shown ?? null)
      }),
      { numRuns: 500 },
    )
  })

  it('of something huge, deep or going in circles ends', () => {
    const circle: Record<string, unknown> = { name: 'x'.repeat(10_000) }
    circle.again = [circle, circle, circle]
    const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`${i}`, { deep: [[['x'.repeat(99)]]] }]))
    for (const huge of [
      circle,
      wide,
      Array(100_000).fill(wide),
      new Map([[circle, wide]]),
      new Map([[{ toString: null }, 1]]),
    ])
      expect(JSON.stringify(plain(huge)).length).toBeLessThan(SHOWN_CHARS_MAX * 1.5)
  })

  it('shows bytes by their number, ids by their first digits, entries by name, and functions not at all', () => {
    const peer = 'ab'.repeat(32)
    const record = { entry: { peer, incarnation: 1, update: 2, tickets: [] }, signed: { bytes: new Uint8Array(9) } }
    const shown = plain({ bytes: new Uint8Array(3), peer, record, call: () => 1, [peer]: Number.POSITIVE_INFINITY })
    expect(shown).toEqual({
      bytes: '<3 bytes>',
      peer: 'ababababab',
      record: { peer: 'ababababab', version: '1.2' },
      ababababab: 'Infinity',
    })
  })

  it('leaves out what would be drawn next, tickets, and the inside of a key', () => {
    const secret = Uint8Array.from({ length: 32 }, (_, i) => i)
    const key = GroupKey.fromSecret(secret)
    expect(plain({ seed: [1, 2], random: [3, 4], tickets: [{ data: secret }], key })).toEqual({ key: key.toJSON() })
  })
})

/** Events an inspector got, as `actor event`. */
function recorder() {
  const seen: string[] = []
  const inspect = (event: InspectionEvent) => {
    const name = (event.actorRef as unknown as { id: string }).id.replace(/:.*/, '')
    if ('event' in event && event.type === '@xstate.event') seen.push(`${name} ${event.event.type}`)
    else seen.push(`${name} ${event.type}`)
  }
  return { seen, inspect }
}

describe('an idle group', () => {
  it('does not flood an inspector: ticks that lead to nothing are left out', async () => {
    const { seen, inspect } = recorder()
    const { world } = await formed(1, { inspect })
    await world.clock.advance(10_000)
    seen.length = 0
    const seconds = 10
    await world.clock.advance(seconds * 1_000)
    const ticks = seen.filter((event) => event === 'raft raft.tick').length
    // A leader beats each 500 ms; three members tick each 50 ms.
    expect(ticks).toBeGreaterThan(0)
    expect(ticks).toBeLessThanOrEqual(2 * seconds + 2)
    expect(seen.length / seconds / 3).toBeLessThan(20)
    await world.stop()
  })
})

describe('a command', () => {
  it('shows on its way: proposed, replicated, applied', async () => {
    const { seen, inspect } = recorder()
    const { world, leader } = await formed(2, { inspect })
    await world.until(leader.execute({ add: 1 }))
    seen.length = 0
    await world.until(leader.execute({ add: 1 }))
    const path = [
      'raft raft.propose',
      'raft raft.appendEntries',
      'raft raft.appendEntriesResponse',
      'machine machine.apply',
    ]
    let at = -1
    for (const event of path) {
      at = seen.indexOf(event, at + 1)
      expect([event, at]).toEqual([event, expect.toSatisfy((place) => place >= 0)])
    }
    await world.stop()
  })
})

describe('an inspector that throws', () => {
  it('is told no more, and the node goes on', async () => {
    const world = createWorld(3)
    let told = 0
    const inspect = () => {
      told++
      throw new Error('out of paper')
    }
    const node = await world.node('a', { inspect })
    const group = node.join({ key: KEY, machine: counter(), voters: 1 })
    await world.until(group.when.isLeader())
    expect((await world.until(group.execute({ add: 1 }))).result).toBe(1)
    expect(told).toBe(1)
    expect(world.warnings).toEqual(['Unexpected'])
    await world.stop()
  })
})
