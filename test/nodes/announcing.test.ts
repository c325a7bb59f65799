/** How a node's own entry stays fresh where its peers are bonded with it. */
import { describe, expect, it } from 'vitest'
import { DISCOVERY } from '../../src/limits.ts'
import { ProcessClock } from '../../src/testing/process-clock.ts'
import type { Protocol, Transport } from '../../src/transport/transport.ts'
import { counter, createWorld, KEY } from './world.ts'

/** `transport`, noting what is dialled for. */
function noting(transport: Transport, dialled: Protocol[]): Transport {
  return {
    understands: (address) => transport.understands(address),
    endpoint: (deps) => {
      const endpoint = transport.endpoint(deps)
      return {
        dial: (address, options) => {
          dialled.push(options.protocol)
          return endpoint.dial(address, options)
        },
        listen: (address, protocols, accept) => endpoint.listen(address, protocols, accept),
        close: () => endpoint.close(),
      }
    },
  }
}

/** The ids of all bonds of these members: another id is another bond. */
function bondsOf(
  groups: readonly { readonly bonds: Iterable<readonly [string, { readonly id: string }]> }[],
): string[][] {
  return groups.map(({ bonds }) => [...bonds].map(([, { id }]) => id))
}

describe('an announcement', () => {
  it('to a bonded peer goes over the bond: the only links of discovery are those of its syncs', async () => {
    const world = createWorld(41)
    const dialled: Protocol[] = []
    const nodes = []
    for (const name of ['a', 'b', 'c'])
      nodes.push(await world.node(name, { transport: noting(world.network.transport(name), dialled) }))
    const groups = nodes.map((node) => node.join({ key: KEY, machine: counter(), voters: 3 }))
    await world.until(Promise.all(groups.map((group) => group.when.online())))
    await world.clock.advance(1_000)
    const before = nodes.map(({ entry }) => entry.update)
    dialled.length = 0
    const rounds = 10
    await world.clock.advance(rounds * DISCOVERY.announceIntervalMs)
    const shortestMs = DISCOVERY.announceIntervalMs * (1 - DISCOVERY.announceJitter)
    const roundsMax = (rounds * DISCOVERY.announceIntervalMs) / shortestMs
    expect(dialled.length).toBeGreaterThan(0)
    expect(dialled.length).toBeLessThanOrEqual(nodes.length * roundsMax)
    expect(new Set(dialled)).toEqual(new Set(['tessera.discovery.1']))
    for (const [i, { entry }] of nodes.entries()) {
      expect(entry.update).toBeGreaterThan(before[i]!)
      for (const group of groups) {
        const held = group.bonds.get(entry.peer)
        if (held) expect(held.peer.get().update).toBe(entry.update)
      }
    }
    await world.stop()
  })

  it('asks no validator again: one that cannot judge for a while costs no bond', async () => {
    const world = createWorld(41)
    let isAway = false
    const validators = [
      {
        class: 'badge',
        signature: 'badge.1',
        validate: () => {
          if (isAway) throw new Error('its keys cannot be fetched')
          return { expires: Number.POSITIVE_INFINITY }
        },
      },
    ]
    const tickets = [{ class: 'badge', data: Uint8Array.of(1) }]
    const nodes = []
    for (const name of ['a', 'b', 'c']) nodes.push(await world.node(name, { tickets }))
    const groups = nodes.map((node) => node.join({ key: KEY, machine: counter(), voters: 3, validators }))
    await world.until(Promise.all(groups.map((group) => group.when.online())))
    await world.clock.advance(1_000)
    const before = bondsOf(groups)
    isAway = true
    await world.clock.advance(3 * DISCOVERY.announceIntervalMs)
    expect(bondsOf(groups)).toEqual(before)
    isAway = false
    await world.stop()
  })

  it.each([-60_000, 60_000])('by a clock that is off by %i ms costs no bond', async (skewMs) => {
    const world = createWorld(41)
    const off = new ProcessClock(world.clock, 0)
    const nodes = []
    for (const name of ['a', 'b', 'c']) nodes.push(await world.node(name, name === 'b' ? { clock: off } : {}))
    const groups = nodes.map((node) => node.join({ key: KEY, machine: counter(), voters: 3 }))
    await world.until(Promise.all(groups.map((group) => group.when.online())))
    await world.clock.advance(1_000)
    const before = bondsOf(groups)
    off.skewMs = skewMs
    await world.clock.advance(3 * DISCOVERY.announceIntervalMs)
    expect(bondsOf(groups)).toEqual(before)
    off.skewMs = 0
    await world.stop()
  })
})
