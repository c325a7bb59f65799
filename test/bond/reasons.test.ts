import { describe, expect, it } from 'vitest'
import { CLOSE_CODES, type CloseReason } from '../../src/errors.ts'
import { closeReasonFor, ENDINGS, type EndReason, outcomeOf, redialPolicy } from '../../src/machines/bond/reasons.ts'

const REASONS = Object.keys(CLOSE_CODES) as CloseReason[]

describe('what the end of a bond means', () => {
  it('knows every close reason, and the two ends that come before a link', () => {
    expect(Object.keys(ENDINGS).sort()).toEqual([...REASONS, 'DialFailed', 'Unauthorized'].sort())
  })

  it('counts silence, a lost link, a failed dial and a broken handshake as failed, all others as closed', () => {
    const failed = Object.keys(ENDINGS).filter((reason) => outcomeOf(reason as EndReason) === 'failed')
    expect(failed.sort()).toEqual(['DialFailed', 'InvalidHandshake', 'Timeout', 'UnexpectedClose'])
  })

  it.each(['InvalidProof', 'NotAllowed', 'Unauthorized'] as const)('%s is final for this entry version', (reason) => {
    expect(redialPolicy(reason)).toBe('whenEntryChanges')
  })

  it('a departed peer is never dialled', () => {
    expect(redialPolicy('Departed')).toBe('never')
  })

  it.each(REASONS.filter((reason) => !['InvalidProof', 'NotAllowed', 'Departed'].includes(reason)))(
    '%s is redialled with backoff',
    (reason) => {
      expect(redialPolicy(reason)).toBe('backoff')
    },
  )

  it('tells a peer only reasons of the close table', () => {
    expect(closeReasonFor('Unauthorized')).toBe('NotAllowed')
    expect(closeReasonFor('DialFailed')).toBe('UnexpectedClose')
    for (const reason of REASONS) expect(closeReasonFor(reason)).toBe(reason)
  })
})
