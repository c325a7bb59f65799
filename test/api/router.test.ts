/** Messages to members: encoded once, over steady bonds only, dropped where there is none (SEMANTICS §3). */
import { describe, expect, it } from 'vitest'
import { type Carrier, Router } from '../../src/actors/router.ts'
import type { PeerId } from '../../src/index.ts'
import { createRegistry } from '../../src/machines/group/registry.ts'
import type { Lane } from '../../src/transport/transport.ts'

const [A, B, C, D] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(64)) as [PeerId, PeerId, PeerId, PeerId]

/** Bonds with A, B and C; C takes nothing. */
function rig() {
  const sent: [PeerId, Uint8Array][] = []
  const encoded: string[] = []
  const lanes: Lane[] = []
  const warnings: string[] = []
  const bonds = createRegistry<Carrier>()
  for (const peer of [C, A, B]) {
    bonds.set(peer, {
      send: (bytes, lane) => {
        sent.push([peer, bytes])
        lanes.push(lane)
        return peer !== C
      },
    })
  }
  const router = new Router<string>({
    bonds,
    encode: (message) => {
      encoded.push(message)
      return new TextEncoder().encode(message)
    },
    lane: (message) => (message.startsWith('bulk') ? 'bulk' : 'prompt'),
    warn: (code, detail) => warnings.push(`${code} ${detail}`),
  })
  return { router, sent, lanes, encoded, warnings, bonds }
}

describe('broadcast', () => {
  it('encodes once, and sends the same bytes to every bonded peer in order', () => {
    const { router, sent, encoded } = rig()
    router.broadcast('hello')
    expect(encoded).toEqual(['hello'])
    expect(sent.map(([peer]) => peer)).toEqual([A, B, C])
    expect(new Set(sent.map(([, bytes]) => bytes)).size).toBe(1)
  })

  it('returns whom it reached: not those whose link takes nothing', () => {
    expect(rig().router.broadcast('hello')).toEqual([A, B])
  })

  it('to some goes to those of them there is a bond with, silently', () => {
    const { router, sent, warnings } = rig()
    expect(router.broadcast('hello', [B, D])).toEqual([B])
    expect(sent.map(([peer]) => peer)).toEqual([B])
    expect(warnings).toEqual([])
  })

  it('to nobody does not even encode', () => {
    const { router, encoded } = rig()
    expect(router.broadcast('hello', [D])).toEqual([])
    expect(encoded).toEqual([])
  })

  it('looks at the bonds as they are, not as they were', () => {
    const { router, bonds } = rig()
    bonds.delete(A)
    expect(router.broadcast('hello')).toEqual([B])
  })
})

describe('sendTo', () => {
  it('sends to one peer, and says whether it is on its way', () => {
    const { router, sent, warnings } = rig()
    expect([router.sendTo(A, 'hello'), router.sendTo(C, 'hello')]).toEqual([true, false])
    expect(sent.map(([peer]) => peer)).toEqual([A, C])
    expect(warnings).toEqual([])
  })

  it('lets what is bulk go behind what is prompt, to one or to all', () => {
    const { router, lanes } = rig()
    router.sendTo(A, 'bulk 1')
    router.sendTo(A, 'hello')
    router.broadcast('bulk 2', [A, B])
    expect(lanes).toEqual(['bulk', 'prompt', 'bulk', 'bulk'])
  })

  it('without a bond warns and drops', () => {
    const { router, sent, encoded, warnings } = rig()
    expect(router.sendTo(D, 'hello')).toBe(false)
    expect([sent, encoded]).toEqual([[], []])
    expect(warnings).toEqual([expect.stringMatching(/^LinkClosed .*dddddddddd/)])
  })

  it('warns once for each lost bond, not for each message', () => {
    const { router, bonds, warnings } = rig()
    const bond = bonds.get(A)!
    bonds.delete(A)
    for (let message = 0; message < 3; message++) router.sendTo(A, 'hello')
    expect(warnings).toHaveLength(1)
    bonds.set(A, bond)
    router.sendTo(A, 'hello')
    bonds.delete(A)
    router.sendTo(A, 'hello')
    expect(warnings).toHaveLength(2)
  })
})
