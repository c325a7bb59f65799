import { utf8ToBytes } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { digest } from '../../src/identity/digest.ts'
import { Identity } from '../../src/identity/keys.ts'
import type { PeerEntry } from '../../src/identity/peer-entry.ts'
import { judgeTickets, type Ticket, type TicketValidator } from '../../src/identity/ticket.ts'

const NOW_MS = 1_000_000

const ticket = (className: string, text: string): Ticket => ({ class: className, data: utf8ToBytes(text) })

const entryWith = (...tickets: Ticket[]): PeerEntry => ({
  protocolVersion: 1,
  network: digest('network'),
  peer: Identity.fromSeed(new Uint8Array(32)).peer,
  incarnation: 1,
  update: 1,
  departed: false,
  addresses: [],
  tags: [],
  groups: [],
  tickets,
})

/** Reads the ticket's text: a number is its expiry, anything else is refused. */
const expiry = (className: string): TicketValidator => ({
  class: className,
  signature: `expiry of ${className}`,
  validate(data) {
    const expires = Number(new TextDecoder().decode(data))
    return Number.isNaN(expires) ? { refused: 'it is no number' } : { expires }
  },
})

describe('the tickets of a peer', () => {
  it('are granted for ever where nothing is asked', async () => {
    expect(await judgeTickets(entryWith(), [], NOW_MS)).toEqual({ granted: true, expires: Infinity })
  })

  it('must hold one of the class asked for', async () => {
    const verdict = await judgeTickets(entryWith(ticket('badge', '2000000')), [expiry('pass')], NOW_MS)
    expect(verdict).toEqual({ granted: false, why: 'There is no ticket of class pass.' })
  })

  it.each([
    ['longest first', ['3000000', '2000000']],
    ['longest last', ['2000000', '3000000']],
    ['an expired and a refused one beside', ['5', 'nonsense', '3000000', '6']],
  ])('count by the longest-lived valid one of a class: %s', async (_, texts) => {
    const entry = entryWith(...texts.map((text) => ticket('pass', text)))
    expect(await judgeTickets(entry, [expiry('pass')], NOW_MS)).toEqual({ granted: true, expires: 3_000_000 })
  })

  it('must pass all validators, and the earliest expiry rules', async () => {
    const entry = entryWith(ticket('a', '3000000'), ticket('b', '2000000'), ticket('c', 'Infinity'))
    const validators = [expiry('a'), expiry('b'), expiry('c')]
    expect(await judgeTickets(entry, validators, NOW_MS)).toEqual({ granted: true, expires: 2_000_000 })
    expect(await judgeTickets(entry, [...validators, expiry('d')], NOW_MS)).toMatchObject({ granted: false })
  })

  it('are expired at their last millisecond', async () => {
    const at = (text: string) => judgeTickets(entryWith(ticket('pass', text)), [expiry('pass')], NOW_MS)
    expect(await at(`${NOW_MS}`)).toEqual({ granted: false, why: 'Ticket pass has expired.' })
    expect(await at(`${NOW_MS + 1}`)).toEqual({ granted: true, expires: NOW_MS + 1 })
  })

  it('are refused with the reason of the validator', async () => {
    const verdict = await judgeTickets(entryWith(ticket('pass', 'nonsense')), [expiry('pass')], NOW_MS)
    expect(verdict).toEqual({ granted: false, why: 'Ticket pass: it is no number' })
  })

  it('are refused, not an error, where the validator throws, rejects or answers nonsense', async () => {
    const answers: TicketValidator['validate'][] = [
      () => {
        throw new Error('broken')
      },
      () => Promise.reject(new Error('broken')),
      () => ({ expires: Number.NaN }),
      () => undefined as unknown as { expires: number },
      () => ({ expires: 'never' }) as unknown as { expires: number },
    ]
    for (const validate of answers) {
      const validator = { class: 'pass', signature: 's', validate }
      const verdict = await judgeTickets(entryWith(ticket('pass', 'x')), [validator], NOW_MS)
      expect(verdict).toMatchObject({ granted: false, why: expect.stringContaining('pass') })
    }
  })

  it('are shown to the validator with the entry, whose peer they must be of', async () => {
    const entry = entryWith(ticket('pass', 'x'))
    const seen: unknown[] = []
    const validator: TicketValidator = {
      class: 'pass',
      signature: 's',
      async validate(data, of) {
        seen.push(data, of)
        return { expires: Infinity }
      },
    }
    await judgeTickets(entry, [validator], NOW_MS)
    expect(seen).toEqual([utf8ToBytes('x'), entry])
  })
})
