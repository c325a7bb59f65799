/**
 * Tickets: what a peer shows, in its signed entry, to be let into a group. A validator judges the tickets of one
 * class. All validators must pass; of several tickets of one class the longest-lived valid one counts; the
 * earliest expiry of all rules.
 */
import type { PeerEntry } from './peer-entry.ts'

export interface Ticket {
  readonly class: string
  readonly data: Uint8Array
}

/** Milliseconds since the epoch; `Infinity` where a ticket never expires. */
export interface TicketGrant {
  readonly expires: number
}

export interface TicketRefusal {
  readonly refused: string
}

export interface TicketValidator {
  readonly class: string
  /** Part of the group id: members with other rules are in another group. */
  readonly signature: string
  validate(data: Uint8Array, entry: PeerEntry): TicketGrant | TicketRefusal | Promise<TicketGrant | TicketRefusal>
}
