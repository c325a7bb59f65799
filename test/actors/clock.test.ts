/** The end of a turn: one look, in order, at all that is to be done before the event loop goes on. */
import { beforeEach, describe, expect, test } from 'vitest'
import { TurnEnd } from '../../src/clock.ts'

describe('the end of a turn', () => {
  let armed: (() => void)[]
  let done: string[]
  let turn: TurnEnd
  const note = (name: string) => () => void done.push(name)
  /** Ends turns until nothing is due; returns how many it took. */
  const endTurns = (max: number): number => {
    let turns = 0
    while (armed.length > 0 && turns < max) {
      turns++
      armed.shift()?.()
    }
    return turns
  }

  beforeEach(() => {
    armed = []
    done = []
    turn = new TurnEnd(
      (run) => armed.push(run),
      (run) => run(),
    )
  })

  test('does nothing before, and everything in the order in which it was asked for', () => {
    turn.add(note('first'))
    turn.add(note('second'))
    expect(done).toEqual([])
    expect(armed).toHaveLength(1)
    expect(endTurns(10)).toBe(1)
    expect(done).toEqual(['first', 'second'])
  })

  test('takes with it what is asked for meanwhile, after all that was asked for before', () => {
    turn.add(() => {
      done.push('gather')
      turn.add(() => {
        done.push('send')
        turn.add(note('flush'))
      })
    })
    turn.add(note('other'))
    expect(endTurns(10)).toBe(1)
    expect(done).toEqual(['gather', 'other', 'send', 'flush'])
  })

  test('lets promises be heard before it goes on, and what leaves go last', async () => {
    turn = new TurnEnd(
      (run) => armed.push(run),
      (run) => queueMicrotask(() => process.nextTick(run)),
    )
    turn.add(note('leave'), 'last')
    turn.add(() => {
      done.push('answer')
      void Promise.resolve().then(async () => {
        await undefined
        done.push('hear')
        turn.add(note('ask'))
        turn.add(note('leave too'), 'last')
      })
    })
    expect(endTurns(10)).toBe(1)
    await new Promise((resolve) => setImmediate(resolve))
    expect(done).toEqual(['answer', 'hear', 'ask', 'leave', 'leave too'])
    expect(armed).toHaveLength(0)
  })

  test('lets what is to be last wait for nobody without end', () => {
    const again = () => turn.add(again)
    turn.add(again)
    turn.add(note('leave'), 'last')
    endTurns(1)
    expect(done).toEqual(['leave'])
  })

  test('leaves what asks again without end to later turns, so that sockets and timers get theirs', () => {
    let calls = 0
    const again = () => {
      calls++
      turn.add(again)
    }
    turn.add(again)
    expect(endTurns(3)).toBe(3)
    expect(calls).toBeGreaterThan(3)
    expect(armed).toHaveLength(1)
  })

  test('one that throws among the last takes no other with it', () => {
    turn.add(() => {
      throw new RangeError('of its own')
    }, 'last')
    turn.add(note('leave'), 'last')
    expect(() => endTurns(1)).toThrow('of its own')
    expect(endTurns(10)).toBe(1)
    expect(done).toEqual(['leave'])
  })

  test('one that throws takes no other with it', () => {
    turn.add(note('before'))
    turn.add(() => {
      turn.add(note('asked for by it'))
      throw new RangeError('of its own')
    })
    turn.add(note('after'))
    expect(() => endTurns(1)).toThrow('of its own')
    expect(done).toEqual(['before'])
    expect(endTurns(10)).toBe(1)
    expect(done).toEqual(['before', 'after', 'asked for by it'])
  })
})
