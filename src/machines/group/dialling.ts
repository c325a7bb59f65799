/**
 * Who is dialled and when, and which of two links survives when both ends dial at once (SEMANTICS §3, 'Who dials').
 *
 * The claim. A pair of members keeps one bond, so each end has one claim per peer, and a link must hold the claims of both ends to
 * become steady. Let s be the link dialled by the smaller id S, l the one dialled by the larger id L. A dialler claims before
 * it says a word; an acceptor when it has heard that word. Hence:
 *
 * 1. S decides. The claim at S goes to whichever of s and l comes first, and is not taken away as long as that link lives.
 * 2. If s comes first at S, it speaks to L. At L it takes the claim even from l: l cannot be steady at L, for that needs an
 *    answer from S, and S gave its claim to s. S refuses l. So s stands, and l is closed by both.
 * 3. If l comes first at S, s is refused at S before it spoke, so L never hears of it and keeps l. So l stands.
 *
 * Both ends decide alike, and no link is closed for a double dial unless the other one already holds S's claim: none is never left,
 * nor two. Only a link that is lost in between can leave none, and then both ends redial, because an end redials whenever a bond
 * ended and no other holds its claim.
 *
 * A process that died without a word leaves its bond steady at the other end, which refuses the process that comes after it until liveness
 * gives up. A newer incarnation in the peer's entry tells earlier (`isOutlived`): then that bond has one end only, and closing it
 * takes the claim from nobody.
 */

import type { PeerId } from '../../identity/keys.ts'
import { BOND } from '../../limits.ts'
import type { BondRole } from '../bond/events.ts'
import { nextBetween, type RandomState } from '../random.ts'
import type { Slot } from './events.ts'

export const NEW_SLOT: Slot = {
  addresses: [],
  version: '',
  incarnation: 0,
  departed: false,
  phase: 'idle',
  bond: null,
  bondId: null,
  outbound: null,
  inbound: null,
  attempt: 0,
  redialDue: false,
  queued: false,
  blockedVersion: null,
}

/** `supersede`: granted, and the holder has lost. */
export type ClaimVerdict = 'grant' | 'refuse' | 'supersede'

export interface Claim {
  readonly bond: string
  readonly peer: PeerId
  readonly role: BondRole
}

export function decideClaim(self: PeerId, slot: Slot, { bond, peer, role }: Claim): ClaimVerdict {
  if (slot.bond === null || slot.bond === bond) return 'grant'
  const ownDialHolds = slot.bond === slot.outbound && slot.phase !== 'steady'
  return ownDialHolds && role === 'acceptor' && peer < self ? 'supersede' : 'refuse'
}

/** The slot with the phase that its claim and dial amount to. */
export function settle(slot: Slot, steady = slot.phase === 'steady'): Slot {
  if (slot.bond !== null) return { ...slot, phase: steady ? 'steady' : 'claimed' }
  return { ...slot, bondId: null, phase: slot.outbound === null ? 'idle' : 'dialling' }
}

/** It belongs to this group, can be reached, and nothing it shows was refused. */
export function isWanted(slot: Slot): boolean {
  return !slot.departed && slot.addresses.length > 0 && slot.blockedVersion !== slot.version
}

/**
 * The process at the other end of a steady bond is gone: the peer has signed an entry as a newer one. Before a bond is steady each end
 * has the other's own entry, so a steady slot never names an older process than the one its bond leads to.
 */
export function isOutlived({ phase, incarnation }: Slot, told: number): boolean {
  return phase === 'steady' && incarnation > 0 && told > incarnation
}

/** Neither bonded nor dialled by either end. */
export function isAlone({ bond, outbound, inbound }: Slot): boolean {
  return bond === null && outbound === null && inbound === null
}

export function mayDial(self: PeerId, peer: PeerId, slot: Slot): boolean {
  return peer !== self && isWanted(slot) && isAlone(slot) && !slot.redialDue && !slot.queued
}

/** The ring of all ids has so many places. */
const RING = 2 ** 32
const placeOf = (peer: PeerId) => Number.parseInt(peer.slice(0, 8), 16)

/**
 * One end of each pair dials first: the one from which the way round the ring is the shorter. The other leaves it the time, since both hear of
 * each other at about the same moment, and of two links one is made in vain. Ids are as good as random, so all dial alike many.
 */
export function comesFirst(self: PeerId, peer: PeerId): boolean {
  const way = (placeOf(peer) - placeOf(self) + RING) % RING
  return way === 0 || way === RING / 2 ? self < peer : way < RING / 2
}

/**
 * How long the peer is given that comes first: it may not have heard of us, or may not reach us. It begins when the first round is over, so that
 * nobody asks again and again meanwhile whether it is.
 */
export function patience(random: RandomState): [number, RandomState] {
  return nextBetween(random, BOND.patienceMs, 2 * BOND.patienceMs)
}

/** Those that come after this member are still being dialled for the first time, and those that come before it are as busy as it is. */
export function isFirstRound(peers: Readonly<Record<string, Slot>>): boolean {
  return Object.values(peers).some((slot) => slot.attempt === 0 && (slot.queued || isDialUnderWay(slot)))
}

/** A dial of ours that has not come to a steady bond yet. */
export function isDialUnderWay({ outbound, phase }: Slot): boolean {
  return outbound !== null && phase !== 'steady'
}

/** Who dials everyone at once is too busy to answer anyone within the deadlines, and then all of it was in vain. */
export function isBusyDialling(peers: Readonly<Record<string, Slot>>): boolean {
  return Object.values(peers).filter(isDialUnderWay).length >= BOND.dialsMax
}

/**
 * Of those to be dialled, whoever follows this member in the ring: so where many start at once, not all of them dial the same few at a time.
 */
export function nextInRing(self: PeerId, peers: readonly PeerId[]): PeerId | null {
  const [first = null, ...others] = peers
  const isBefore = (a: PeerId, b: PeerId) => (a > self === b > self ? a < b : a > self)
  return others.reduce((next, peer) => (next !== null && isBefore(peer, next) ? peer : next), first)
}

/** Full jitter: anything up to a bound that doubles with each attempt, so that many who lost one peer do not return as one. */
export function redialDelay(attempt: number, random: RandomState): [number, RandomState] {
  const bound = Math.min(BOND.redialMaxMs, BOND.redialMinMs * 2 ** Math.min(attempt, 16))
  return nextBetween(random, 0, bound)
}
