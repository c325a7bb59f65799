/**
 * One bond per pair, as one member sees it: of the bonds it runs at most one per peer is steady, and its registry holds exactly those. That
 * both ends mean the same link is asked at the end, when nothing is under way.
 */

import type { Bond } from '../actors/bond-handle.ts'
import type { GroupActor } from '../actors/group-core.ts'
import type { PeerId } from '../identity/keys.ts'
import type { ReadonlyRegistry } from '../machines/group/registry.ts'
import type { Violate } from './violation.ts'

interface BondSnapshot {
  readonly value: unknown
  readonly context: { readonly peer: PeerId; readonly bondId: string | null }
}

/** The steady bonds of a group's actor: peer and bond id. */
function steadyBonds(actor: GroupActor): { readonly peer: PeerId; readonly bondId: string | null }[] {
  const { children } = actor.getSnapshot()
  return Object.entries(children).flatMap(([id, child]) => {
    if (!id.startsWith('bond:') || !child) return []
    const { value, context } = child.getSnapshot() as BondSnapshot
    return typeof value === 'object' && value !== null && 'steady' in value ? [context] : []
  })
}

export class BondsChecker {
  readonly #violate: Violate
  /** The snapshot of each group's actor that was looked at last. */
  readonly #seen = new WeakMap<GroupActor, unknown>()

  constructor(violate: Violate) {
    this.#violate = violate
  }

  /** Looks where the group has changed; with `anyway` also where only a bond may have. */
  look(name: string, actor: GroupActor, registry: ReadonlyRegistry<Bond>, anyway: boolean): void {
    const snapshot = actor.getSnapshot()
    if (!anyway && this.#seen.get(actor) === snapshot) return
    this.#seen.set(actor, snapshot)
    this.#check(name, actor, registry)
  }

  #check(name: string, actor: GroupActor, registry: ReadonlyRegistry<Bond>): void {
    const held = new Map<PeerId, string | null>()
    for (const { peer, bondId } of steadyBonds(actor)) {
      if (held.has(peer)) this.#violate('one bond per pair', `${name} has two steady bonds with ${peer}`)
      held.set(peer, bondId)
    }
    for (const [peer, bond] of registry) {
      if (held.get(peer) !== bond.id)
        this.#violate('registry equal to the live bonds', `${name} registers a bond with ${peer} that is not steady`)
    }
    for (const peer of held.keys()) {
      if (!registry.has(peer))
        this.#violate('registry equal to the live bonds', `${name} does not register its bond with ${peer}`)
    }
  }
}
