/**
 * The group's books: pure steps from a context and an event to the next context and the orders that follow. The chart
 * (`machine.ts`) says in which state a step is taken; `vocabulary.ts` carries the orders out.
 *
 * Invariants: at most one bond of a peer holds its claim; only a holder becomes steady; a peer has at most one dial of ours and
 * one redial under way; each steady bond is registered once and unregistered once.
 */
import type { CloseReason } from '../../errors.ts'
import type { BondId } from '../../identity/digest.ts'
import type { PeerId } from '../../identity/keys.ts'
import type { BondInput, BondNews, BondOrder, BondRole } from '../bond/events.ts'
import { closeReasonFor, redialPolicy } from '../bond/reasons.ts'
import { nextUint32, type RandomState } from '../random.ts'
import {
  comesFirst,
  decideClaim,
  isAlone,
  isBusyDialling,
  isFirstRound,
  isOutlived,
  isWanted,
  mayDial,
  NEW_SLOT,
  nextInRing,
  patience,
  redialDelay,
  settle,
} from './dialling.ts'
import type { CatalogPeer, GroupContext, GroupEvent, Slot } from './events.ts'

export type Order =
  | { readonly order: 'spawn'; readonly bond: string; readonly input: BondInput }
  | { readonly order: 'send'; readonly bond: string; readonly event: BondOrder }
  /** The bond has ended: its actor ref is dropped. */
  | { readonly order: 'forget'; readonly bond: string }
  | { readonly order: 'redial'; readonly peer: PeerId; readonly delayMs: number }
  | { readonly order: 'cancelRedial'; readonly peer: PeerId }
  /** And tells all others, who may not know the newcomer yet. */
  | { readonly order: 'register'; readonly peer: PeerId; readonly bond: string; readonly bondId: BondId }
  | {
      readonly order: 'unregister'
      readonly peer: PeerId
      readonly bond: string
      readonly bondId: BondId
      readonly reason: CloseReason
      /** The peer is no member any more. While we leave ourselves, nobody else is taken to leave. */
      readonly departed: boolean
    }
  | { readonly order: 'refuseLink'; readonly linkNumber: number; readonly reason: CloseReason }

export type Step = readonly [GroupContext, readonly Order[]]
type On<Type extends GroupEvent['type']> = Extract<GroupEvent, { type: Type }>
type News<Type extends BondNews['type']> = Extract<BondNews, { type: Type }>

const slotOf = (context: GroupContext, peer: PeerId): Slot => context.peers[peer] ?? NEW_SLOT

function withSlot(context: GroupContext, peer: PeerId, slot: Slot): GroupContext {
  return { ...context, peers: { ...context.peers, [peer]: slot } }
}

function withoutKey<Value>(record: Readonly<Record<string, Value>>, key: string): Readonly<Record<string, Value>> {
  const { [key]: _, ...others } = record
  return others
}

/** One step after the other, their orders in a row. */
function inTurn<Item>(start: GroupContext, items: readonly Item[], step: (c: GroupContext, item: Item) => Step): Step {
  const orders: Order[] = []
  let context = start
  for (const item of items) {
    const [next, more] = step(context, item)
    context = next
    orders.push(...more)
  }
  return [context, orders]
}

/** `bond:3f9a2c`, or `bond:3f9a2c/2` while that one lives. */
function newBondId(bonds: GroupContext['bonds'], peer: PeerId): string {
  const name = `bond:${peer.slice(0, 6)}`
  let id = name
  for (let count = 2; id in bonds; count++) id = `${name}/${count}`
  return id
}

function fork(random: RandomState): [RandomState, RandomState] {
  const [a, afterA] = nextUint32(random)
  const [b, afterB] = nextUint32(afterA)
  const [c, afterC] = nextUint32(afterB)
  const [d, rest] = nextUint32(afterC)
  return [[a, b, c, d], rest]
}

function spawn(context: GroupContext, peer: PeerId, role: BondRole, linkNumber: number | null): Step {
  const bond = newBondId(context.bonds, peer)
  const [seed, random] = fork(context.random)
  const { self, network, group } = context
  const { addresses } = slotOf(context, peer)
  const input = { role, self, peer, network, group, addresses, linkNumber, seed }
  return [
    { ...context, random, bonds: { ...context.bonds, [bond]: { peer, role } } },
    [{ order: 'spawn', bond, input }],
  ]
}

/** A peer that is wanted, free, and not waiting for a redial is to be dialled. */
function queue(context: GroupContext, peer: PeerId): GroupContext {
  const slot = slotOf(context, peer)
  if (context.leaving || !mayDial(context.self, peer, slot)) return context
  return withSlot(context, peer, { ...slot, queued: true })
}

/** Dials those whose turn it is, as long as not enough dials are under way; with the last of them, time begins to run for all others. */
function dialQueued(context: GroupContext): Step {
  const orders: Order[] = []
  let now = context
  while (!isBusyDialling(now.peers)) {
    const peer = nextInRing(now.self, queuedOf(now))
    if (peer === null) break
    const [next, more] = dial(now, peer)
    now = next
    orders.push(...more)
  }
  if (isFirstRound(now.peers)) return [now, orders]
  const [patient, redials] = inTurn(now, awaitedOf(now), giveTime)
  return [patient, [...orders, ...redials]]
}

/** Those that come first and are given the time to dial us: all that are wanted and free, and neither queued nor due for a redial. */
function awaitedOf({ self, peers, leaving }: GroupContext): PeerId[] {
  if (leaving) return []
  return (Object.keys(peers) as PeerId[]).filter((peer) => mayDial(self, peer, peers[peer]!))
}

function giveTime(context: GroupContext, peer: PeerId): Step {
  return redialIn(context, peer, slotOf(context, peer), patience(context.random))
}

function queuedOf({ peers }: GroupContext): PeerId[] {
  return (Object.keys(peers) as PeerId[]).filter((peer) => peers[peer]?.queued)
}

/** Unless it has dialled us meanwhile. */
function dial(context: GroupContext, peer: PeerId): Step {
  const slot = { ...slotOf(context, peer), queued: false }
  const free = withSlot(context, peer, slot)
  if (!mayDial(context.self, peer, slot)) return [free, []]
  const outbound = newBondId(context.bonds, peer)
  return spawn(withSlot(free, peer, settle({ ...slot, outbound })), peer, 'dialler', null)
}

export function catalogChanged(context: GroupContext, { peers }: On<'group.catalog'>): Step {
  const [told, orders] = inTurn(context, peers, (now, one) => {
    if (one.peer === context.self) return [now, []]
    const outlived = closeOutlived(now, one)
    const [next, more] = one.departed ? peerLeft(now, one) : peerNamed(now, one)
    return [next, [...outlived, ...more]]
  })
  const [next, dials] = dialQueued(told)
  return [next, [...orders, ...dials]]
}

function closeOutlived({ peers }: GroupContext, { peer, incarnation }: CatalogPeer): Order[] {
  const slot = peers[peer]
  if (!slot?.bond || !isOutlived(slot, incarnation)) return []
  return [{ order: 'send', bond: slot.bond, event: { type: 'bond.superseded' } }]
}

function peerLeft(context: GroupContext, { peer, version, incarnation }: CatalogPeer): Step {
  const slot = context.peers[peer]
  if (!slot) return [context, []]
  const [next, orders] = calm(context, peer)
  const gone = { ...slotOf(next, peer), version, incarnation, departed: true }
  return isAlone(gone) ? [dropSlot(next, peer), orders] : [withSlot(next, peer, gone), orders]
}

function peerNamed(context: GroupContext, { peer, addresses, version, incarnation }: CatalogPeer): Step {
  const slot = context.peers[peer] ?? newSlot(context, peer)
  const named = withSlot(context, peer, { ...slot, addresses, version, incarnation, departed: false })
  // Elsewhere now, or another process: what failed at the old one says nothing about the new one.
  const moved = addresses.join() !== slot.addresses.join() || incarnation > slot.incarnation
  const [next, orders] = moved ? calm(named, peer) : [named, []]
  return [want(next, peer), orders]
}

/** A peer that comes first, and that nothing is known against, is awaited (`awaitedOf`); any other is dialled when its turn comes. */
function want(context: GroupContext, peer: PeerId): GroupContext {
  return slotOf(context, peer).attempt > 0 || comesFirst(context.self, peer) ? queue(context, peer) : context
}

/** Its link may have been here before its name. */
function newSlot({ bonds }: GroupContext, peer: PeerId): Slot {
  const inbound = Object.keys(bonds).find((bond) => bonds[bond]?.peer === peer) ?? null
  return { ...NEW_SLOT, inbound }
}

/** No redial waits any longer, and the next one starts from the shortest pause. */
function calm(context: GroupContext, peer: PeerId): Step {
  const slot = slotOf(context, peer)
  const next = withSlot(context, peer, { ...slot, attempt: 0, redialDue: false, queued: false })
  return [next, slot.redialDue ? [{ order: 'cancelRedial', peer }] : []]
}

function dropSlot(context: GroupContext, peer: PeerId): GroupContext {
  return { ...context, peers: withoutKey(context.peers, peer) as GroupContext['peers'] }
}

export function linkAccepted(context: GroupContext, { linkNumber, peer }: On<'group.linkAccepted'>): Step {
  if (peer === context.self) return refuseLink('AlreadyBonded')(context, { linkNumber })
  const [next, orders] = spawn(context, peer, 'acceptor', linkNumber)
  const slot = context.peers[peer]
  // A stranger's link leaves nothing in the books.
  return [slot ? withSlot(next, peer, { ...slot, inbound: newBondId(context.bonds, peer) }) : next, orders]
}

export const refuseLink =
  (reason: CloseReason) =>
  (context: GroupContext, { linkNumber }: { readonly linkNumber: number }): Step => [
    context,
    [{ order: 'refuseLink', linkNumber, reason }],
  ]

export function bondClaims(context: GroupContext, { bond, peer, role }: News<'bond.claim'>): Step {
  if (!(bond in context.bonds)) return [context, []]
  const slot = slotOf(context, peer)
  const verdict = decideClaim(context.self, slot, { bond, peer, role })
  if (verdict === 'refuse') return refuseClaim(context, { bond })
  const superseded: Order[] =
    verdict === 'supersede' && slot.bond ? [{ order: 'send', bond: slot.bond, event: { type: 'bond.superseded' } }] : []
  const granted: Order = { order: 'send', bond, event: { type: 'bond.granted' } }
  return [withSlot(context, peer, settle({ ...slot, bond }, false)), [...superseded, granted]]
}

export function refuseClaim(context: GroupContext, { bond }: { readonly bond: string }): Step {
  return [context, [{ order: 'send', bond, event: { type: 'bond.refused' } }]]
}

export function bondSteady(context: GroupContext, { bond, peer, bondId }: News<'bond.steady'>): Step {
  const slot = context.peers[peer]
  if (slot?.bond !== bond || slot.phase === 'steady') return [context, []]
  const steady = settle({ ...slot, bondId, departed: false, blockedVersion: null }, true)
  const [next, dials] = dialQueued(withSlot(context, peer, steady))
  return [next, [{ order: 'register', peer, bond, bondId }, ...dials]]
}

/** Steady long enough: what went before is forgotten. */
export function bondSettled(context: GroupContext, { peer, bond }: On<'group.settled'>): Step {
  const slot = context.peers[peer]
  if (slot?.bond !== bond) return [context, []]
  return [withSlot(context, peer, { ...slot, attempt: 0 }), []]
}

export function bondEnded(context: GroupContext, news: News<'bond.ended'>): Step {
  const [ended, orders] = takeFromBooks(context, news)
  const [next, dials] = dialQueued(ended)
  return [next, [...orders, ...dials]]
}

function takeFromBooks(context: GroupContext, { bond, peer, reason }: News<'bond.ended'>): Step {
  const slot = context.peers[peer]
  const orders: Order[] = [{ order: 'forget', bond }]
  const after = { ...context, bonds: withoutKey(context.bonds, bond) }
  if (!slot) return [after, orders]
  if (slot.bond === bond && slot.phase === 'steady' && slot.bondId !== null) {
    const { bondId } = slot
    const closed = closeReasonFor(reason)
    const departed = closed === 'Departed' && !context.leaving
    orders.push({ order: 'unregister', peer, bond, bondId, reason: closed, departed })
  }
  const freed = settle({
    ...slot,
    bond: slot.bond === bond ? null : slot.bond,
    outbound: slot.outbound === bond ? null : slot.outbound,
    inbound: slot.inbound === bond ? null : slot.inbound,
  })
  if (freed.bond !== null) return [withSlot(after, peer, freed), orders]
  const policy = redialPolicy(reason)
  const judged = {
    ...freed,
    departed: freed.departed || policy === 'never',
    blockedVersion: policy === 'whenEntryChanges' ? freed.version : freed.blockedVersion,
  }
  const [next, more] = redialLater(withSlot(after, peer, judged), peer)
  return [next, [...orders, ...more]]
}

/** Nobody is left alone by accident: where no other bond or dial stands and the peer is wanted, a redial is due. */
function redialLater(context: GroupContext, peer: PeerId): Step {
  const slot = slotOf(context, peer)
  if (!isAlone(slot)) return [context, []]
  if (slot.departed) {
    const [calmed, orders] = calm(context, peer)
    return [dropSlot(calmed, peer), orders]
  }
  if (context.leaving || slot.redialDue || slot.queued || !isWanted(slot)) return [context, []]
  const failed = { ...slot, attempt: slot.attempt + 1 }
  return redialIn(context, peer, failed, redialDelay(slot.attempt, context.random))
}

function redialIn(context: GroupContext, peer: PeerId, slot: Slot, [delayMs, random]: [number, RandomState]): Step {
  return [{ ...withSlot(context, peer, { ...slot, redialDue: true }), random }, [{ order: 'redial', peer, delayMs }]]
}

export function redialDue(context: GroupContext, { peer }: On<'group.redial'>): Step {
  const slot = context.peers[peer]
  if (!slot) return [context, []]
  const free = withSlot(context, peer, { ...slot, redialDue: false })
  return dialQueued(isFirstRound(context.peers) ? want(free, peer) : queue(free, peer))
}

/** The last each bond is told: that this member departs, or only that its process ends. */
export function sayGoodbye(context: GroupContext): Step {
  return tellBonds(context.suspends ? { type: 'bond.close', reason: 'GracefulShutdown' } : { type: 'bond.depart' })(
    context,
  )
}

export function tellBonds(event: BondOrder): (context: GroupContext) => Step {
  return (context) => [context, Object.keys(context.bonds).map((bond) => ({ order: 'send', bond, event }))]
}

/** From here on nobody is dialled. */
export function stopDialling(context: GroupContext): Step {
  const peers = Object.keys(context.peers) as PeerId[]
  return inTurn({ ...context, leaving: true }, peers, calm)
}
