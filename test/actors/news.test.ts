/** News of a commit travels with the next entries where there are any, and is never lost, late or out of order where there are not. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { News } from '../../src/actors/news.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import type { Send } from '../../src/machines/raft/effects.ts'
import type { AppendEntries } from '../../src/machines/raft/messages.ts'
import { append, entry } from '../raft/rig.ts'

const [B, C] = ['b' as PeerId, 'c' as PeerId]
const send = (message: Send['message'], to: readonly PeerId[] = [B, C]): Send => ({ to, message, after: 0 })
const news = (commit: number, prevIndex = commit, round = 1) => send(append(1, prevIndex, 1, [], commit, round))
const entries = (commit: number, prevIndex = commit, round = 1) =>
  send(append(1, prevIndex, 1, [entry(1)], commit, round))

function setUp() {
  let turn: (() => void)[] = []
  const sent: Send[] = []
  const all = new News({ endOfTurn: (callback) => void turn.push(callback) }, (one) => void sent.push(one))
  const round = () => {
    const callbacks = turn
    turn = []
    for (const callback of callbacks) callback()
  }
  return { all, sent, round }
}

describe('news of a commit', () => {
  it('is left out where the next entries tell as much', () => {
    const { all, sent, round } = setUp()
    all.send(news(5))
    round()
    all.send(entries(5))
    round()
    round()
    expect(sent).toEqual([entries(5)])
  })

  it('leaves by itself where none follow, in the round after callers were heard', () => {
    const { all, sent, round } = setUp()
    all.send(news(5))
    round()
    expect(sent).toEqual([])
    round()
    expect(sent).toEqual([news(5)])
  })

  it('is left out for newer news', () => {
    const { all, sent, round } = setUp()
    all.send(news(5))
    all.send(news(6))
    round()
    round()
    expect(sent).toEqual([news(6)])
  })

  it.each<[string, Send]>([
    ['goes to fewer', { ...entries(5), to: [B] }],
    ['knows of fewer commits', entries(4, 5)],
    ['begins no newer round', entries(5, 5, 0)],
    ['vouches for less of the log', entries(5, 4)],
    ['is of another term', send(append(2, 5, 1, [entry(2)], 5))],
    ['is no AppendEntries', send({ type: 'ReadIndexResponse', id: 1, index: 5 as AppendEntries['commit'] })],
  ])('leaves ahead of what %s', (_, next) => {
    const { all, sent } = setUp()
    all.send(news(5))
    all.send(next)
    expect(sent).toEqual([news(5), next])
  })

  it('whatever comes: all else leaves at once and in order, and everyone learns of every commit within two rounds', () => {
    const step = fc.oneof(
      fc.constant('round' as const),
      fc.record({ has: fc.boolean(), commit: fc.nat({ max: 3 }), to: fc.constantFrom([B], [C], [B, C]) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { all, sent, round } = setUp()
        const given: Send[] = []
        const told = (peer: PeerId, sends: readonly Send[]) =>
          Math.max(
            0,
            ...sends.filter(({ to }) => to.includes(peer)).map(({ message }) => (message as AppendEntries).commit),
          )
        let commit = 0
        for (const one of steps) {
          if (one === 'round') {
            round()
            continue
          }
          commit += one.commit
          const next = { ...(one.has ? entries(commit) : news(commit)), to: one.to }
          given.push(next)
          all.send(next)
          if (one.has) expect(sent.at(-1)).toBe(next)
        }
        round()
        round()
        expect(given.filter((one) => sent.includes(one))).toEqual(sent)
        for (const peer of [B, C]) expect(told(peer, sent)).toBe(told(peer, given))
      }),
    )
  })
})
