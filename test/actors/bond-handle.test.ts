import { createAtom } from '@xstate/store'
import { describe, expect, it } from 'vitest'
import { Bond } from '../../src/actors/bond-handle.ts'
import type { PeerEntry } from '../../src/identity/peer-entry.ts'
import type { Lane, Link } from '../../src/transport/transport.ts'
import { BOND_ID } from '../bond/rig.ts'

function rig() {
  const sent: [Uint8Array, Lane | undefined][] = []
  const link = { send: (bytes: Uint8Array, lane?: Lane) => sent.push([bytes, lane]) > 0 } as Partial<Link> as Link
  const standing = { link: link as Link | null, rtt: { srttMs: 1, rttvarMs: 2 } }
  const peer = createAtom({} as PeerEntry)
  return { sent, standing, bond: new Bond({ id: BOND_ID, standing, peer, state: () => null, requestClose: () => {} }) }
}

describe('a bond’s handle', () => {
  it('sends in the lane it is told: a snapshot must not go ahead of what is prompt', () => {
    const { sent, bond } = rig()
    const bytes = Uint8Array.of(1)
    expect([bond.send(bytes, 'bulk'), bond.send(bytes, 'prompt')]).toEqual([true, true])
    expect(sent.map(([, lane]) => lane)).toEqual(['bulk', 'prompt'])
  })

  it('tells how far away its peer is, as its link has measured it', () => {
    expect(rig().bond.rtt).toEqual({ srttMs: 1, rttvarMs: 2 })
  })

  it('sends nothing once its link is down', () => {
    const { sent, standing, bond } = rig()
    standing.link = null
    expect(bond.send(Uint8Array.of(1), 'prompt')).toBe(false)
    expect(sent).toEqual([])
  })
})
