/** Persist before send: nothing leaves before the write it names is on disk (Raft figure 2, Thesis §10.2.1). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Outbox } from '../../src/actors/raft.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import type { Send } from '../../src/machines/raft/effects.ts'

const send = (round: number, after: number): Send => ({
  to: ['a' as PeerId],
  message: { type: 'ReadIndex', id: round },
  after,
})

describe('outbox', () => {
  it('lets a message go at once when its write is safe, and holds it otherwise', () => {
    const sent: Send[] = []
    const outbox = new Outbox((one) => sent.push(one))
    outbox.send(send(1, 0))
    outbox.send(send(2, 1))
    expect(sent).toEqual([send(1, 0)])
    outbox.safe(1)
    expect(sent).toEqual([send(1, 0), send(2, 1)])
  })

  it('never sends early, loses nothing, and keeps the order of what waits for the same write', () => {
    const step = fc.oneof(fc.record({ wait: fc.nat({ max: 5 }) }), fc.record({ safe: fc.nat({ max: 3 }) }))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let safe = 0
        let round = 0
        const sent: Send[] = []
        const outbox = new Outbox((one) => {
          expect(one.after).toBeLessThanOrEqual(safe)
          sent.push(one)
        })
        for (const one of steps) {
          if ('wait' in one) outbox.send(send(++round, safe + one.wait))
          else {
            safe += one.safe
            outbox.safe(safe)
          }
        }
        safe += 100
        outbox.safe(safe)
        expect(sent).toHaveLength(round)
        for (const after of new Set(sent.map((one) => one.after))) {
          const rounds = sent.flatMap((one) =>
            one.after === after && one.message.type === 'ReadIndex' ? [one.message.id] : [],
          )
          expect(rounds).toEqual([...rounds].sort((a, b) => a - b))
        }
      }),
    )
  })
})
