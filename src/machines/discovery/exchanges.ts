/**
 * The exchanges that are under way: each is a child of the discovery machine of its own, with a deadline of its own, so a peer
 * that stays silent delays nobody. Pure bookkeeping; the machine spawns and stops.
 */
import type { PeerId } from '../../identity/keys.ts'
import { nextUint32, type RandomState } from '../random.ts'
import type { CatalogRecord } from './catalog.ts'

/** Whom an exchange is with. A bootstrap address has no peer yet. */
export interface ExchangeTarget {
  readonly peer: PeerId | null
  readonly addresses: readonly string[]
}
export interface Exchange extends ExchangeTarget {
  readonly kind: 'bootstrap' | 'sync' | 'announce'
  /** Who is asked instead, one after the other, until one answers. */
  readonly otherwise?: readonly CatalogRecord[]
}
/** By the id of the child. */
export type Exchanges = Readonly<Record<string, Exchange>>

/** One sync with a peer is enough at a time. */
export function isSyncing(exchanges: Exchanges, peer: PeerId): boolean {
  return Object.values(exchanges).some((one) => one.kind !== 'announce' && one.peer === peer)
}

export function without(exchanges: Exchanges, id: string): Exchanges {
  const { [id]: _, ...others } = exchanges
  return others
}

/** An exchange of this kind with the peer of a record. */
export function exchange(kind: Exchange['kind']): (record: CatalogRecord) => Exchange {
  return ({ entry: { peer, addresses } }) => ({ kind, peer, addresses })
}

/** A sync with the first of `records`, or with the next where that one does not answer. */
export function syncInTurn([first, ...otherwise]: readonly CatalogRecord[]): readonly Exchange[] {
  return first ? [{ ...exchange('sync')(first), otherwise }] : []
}

/** Up to `count` of `records`, each as likely as any other (Fisher-Yates), and the random state after. */
export function pick(
  records: readonly CatalogRecord[],
  count: number,
  random: RandomState,
): [readonly CatalogRecord[], RandomState] {
  const shuffled = [...records]
  let state = random
  const picked = Math.min(count, shuffled.length)
  for (let i = 0; i < picked; i++) {
    const [bits, next] = nextUint32(state)
    const j = i + (bits % (shuffled.length - i))
    ;[shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!]
    state = next
  }
  return [shuffled.slice(0, picked), state]
}
