/**
 * A stray: an accepted link that asks for a group nobody joined here. It gets a bond of its own, which reads on just far enough to say so
 * (`DifferentNetwork`, `GroupNotFound`) and never comes to prove anything.
 */
import type { PeerId } from '../identity/keys.ts'
import type { BondInput } from '../machines/bond/events.ts'
import { bondMachine } from '../machines/bond/machine.ts'
import { type BondDeps, bondLogic, type Entries } from './bond.ts'

export type StrayDeps = Pick<BondDeps, 'clock' | 'endpoint' | 'self' | 'network' | 'accepted'> & {
  readonly entries: Omit<Entries, 'bonded'>
}

export function strayLogic({ entries, ...deps }: StrayDeps): typeof bondMachine {
  return bondLogic(bondMachine, {
    ...deps,
    group: null,
    entries: { ...entries, bonded: () => [] },
    deliver: () => {},
    attach: () => {},
    acquainted: () => {},
  })
}

export type StrayLink = Pick<BondInput, 'self' | 'network' | 'seed'> & {
  readonly linkNumber: number
  readonly peer: PeerId
}

export function strayInput({ self, network, linkNumber, peer, seed }: StrayLink): BondInput {
  return { role: 'acceptor', self, peer, network, group: null, addresses: [], linkNumber, seed }
}
