/**
 * Why a bond ended, and what follows from it: whether it `failed` (nobody wanted it) or was `closed` (somebody said why), and
 * whether the group dials that peer again (SEMANTICS §3).
 */
import type { CloseReason } from '../../errors.ts'

/** A close reason, or one of the two ends that come before there is a link to close. */
export type EndReason = CloseReason | 'Unauthorized' | 'DialFailed'
export type Outcome = 'failed' | 'closed'

/** Redial after a pause; once the peer's entry (or ours) is a newer one; or not before the peer comes back by itself. */
export type RedialPolicy = 'backoff' | 'whenEntryChanges' | 'never'

interface Ending {
  readonly outcome: Outcome
  readonly redial: RedialPolicy
}

const failed: Ending = { outcome: 'failed', redial: 'backoff' }
const closed: Ending = { outcome: 'closed', redial: 'backoff' }
/** A verdict over what an entry shows, so it stands as long as the entry does. */
const refused: Ending = { outcome: 'closed', redial: 'whenEntryChanges' }

/** What each reason means when the link ends with it. */
export const ENDINGS: Readonly<Record<EndReason, Ending>> = {
  Timeout: failed,
  UnexpectedClose: failed,
  InvalidHandshake: failed,
  DialFailed: failed,
  NotAllowed: refused,
  InvalidProof: refused,
  Unauthorized: refused,
  Departed: { outcome: 'closed', redial: 'never' },
  // The group redials only where no bond stands: then the link that won has been lost meanwhile.
  AlreadyBonded: closed,
  Cancelled: closed,
  DifferentNetwork: closed,
  GracefulShutdown: closed,
  GroupNotFound: closed,
  InvalidProtocol: closed,
  ProtocolViolation: closed,
  Success: closed,
  TooSlow: closed,
  UnknownPeer: closed,
}

export function outcomeOf(reason: EndReason): Outcome {
  return ENDINGS[reason].outcome
}

export function redialPolicy(reason: EndReason): RedialPolicy {
  return ENDINGS[reason].redial
}

/** What the link is closed with: a peer learns only reasons of the close table. */
export function closeReasonFor(reason: EndReason): CloseReason {
  if (reason === 'Unauthorized') return 'NotAllowed'
  if (reason === 'DialFailed') return 'UnexpectedClose'
  return reason
}
