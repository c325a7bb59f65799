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

/** `expires`: when the tickets must be judged again, `Infinity` where never. `why`: for a person; never sent to the peer. */
export type TicketVerdict =
  | { readonly granted: true; readonly expires: number }
  | { readonly granted: false; readonly why: string }

const refuse = (why: string): TicketVerdict => ({ granted: false, why })

/** Whether the tickets of `entry` pass all `validators` at `nowMs`. Never rejects: a validator that throws refuses. */
export async function judgeTickets(
  entry: PeerEntry,
  validators: readonly TicketValidator[],
  nowMs: number,
): Promise<TicketVerdict> {
  const verdicts = await Promise.all(validators.map((validator) => judgeClass(entry, validator, nowMs)))
  let expires = Number.POSITIVE_INFINITY
  for (const verdict of verdicts) {
    if (!verdict.granted) return verdict
    expires = Math.min(expires, verdict.expires)
  }
  return { granted: true, expires }
}

/** The longest-lived grant among the tickets of one validator's class, or why there is none. */
async function judgeClass(entry: PeerEntry, validator: TicketValidator, nowMs: number): Promise<TicketVerdict> {
  const tickets = entry.tickets.filter((ticket) => ticket.class === validator.class)
  if (tickets.length === 0) return refuse(`There is no ticket of class ${validator.class}.`)
  const verdicts = await Promise.all(tickets.map((ticket) => judgeOne(ticket, entry, validator, nowMs)))
  return verdicts.reduce((best, next) => {
    if (!next.granted) return best
    return best.granted && best.expires >= next.expires ? best : next
  })
}

async function judgeOne(
  ticket: Ticket,
  entry: PeerEntry,
  validator: TicketValidator,
  nowMs: number,
): Promise<TicketVerdict> {
  try {
    const answer = await validator.validate(ticket.data, entry)
    if ('refused' in answer) return refuse(`Ticket ${ticket.class}: ${answer.refused}`)
    // Written so that NaN, which compares false with everything, is refused too.
    if (!(answer.expires > nowMs)) return refuse(`Ticket ${ticket.class} has expired.`)
    return { granted: true, expires: answer.expires }
  } catch (error) {
    return refuse(`Ticket ${ticket.class} could not be judged: ${error instanceof Error ? error.message : error}`)
  }
}
