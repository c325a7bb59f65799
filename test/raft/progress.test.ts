/** What a leader knows of one follower (Raft figure 2, Thesis §10.2.1), and what it may send it. */
import { describe, expect, it } from 'vitest'
import { RAFT, RAFT_TIMING } from '../../src/limits.ts'
import type { Snapshot } from '../../src/machines/raft/messages.ts'
import {
  chunkSent,
  chunksTaken,
  heard,
  isStaleRejection,
  matched,
  maySend,
  maySendChunk,
  type Progress,
  probing,
  rejected,
  resentWhenStalled,
  restarted,
  sent,
  transferring,
} from '../../src/machines/raft/progress.ts'
import { index } from './rig.ts'

const replicating = (match: number): Progress => matched(probing(index(match + 1), 0), index(match))

describe('a probe', () => {
  it('is one message at a time, sent again from the same place', () => {
    const once = sent(probing(index(5), 0), index(9), 100)
    expect(maySend(probing(index(5), 0), index(4))).toBe(true)
    expect(maySend(once, index(9))).toBe(false)
    expect(once).toMatchObject({ next: 5, inFlight: [] })
  })

  it('that is answered becomes replication', () => {
    expect(matched(sent(probing(index(5), 0), index(9), 100), index(9))).toMatchObject({
      state: 'replicate',
      match: 9,
      next: 10,
      probing: false,
    })
  })

  it('follows the hint of a rejection, but always moves back', () => {
    expect(rejected(probing(index(9), 0), index(8), 3)).toMatchObject({ next: 3, probing: false })
    expect(rejected(probing(index(9), 0), index(8), 20)).toMatchObject({ next: 8 })
  })

  it('never looks before what is known to match', () => {
    expect(rejected(replicating(6), index(9), 2)).toMatchObject({ state: 'probe', match: 6, next: 7 })
  })
})

describe('replication', () => {
  it('runs ahead of the answers, which free what they cover', () => {
    const ahead = sent(sent(replicating(2), index(4), 10), index(6), 20)
    expect(ahead).toMatchObject({ next: 7, inFlightBytes: 30 })
    expect(matched(ahead, index(4))).toMatchObject({
      match: 4,
      next: 7,
      inFlight: [{ lastIndex: 6 }],
      inFlightBytes: 20,
    })
    expect(matched(ahead, index(6))).toMatchObject({ match: 6, next: 7, inFlight: [], inFlightBytes: 0 })
  })

  it('stops at the caps of its window, and has nothing to send at the end of the log', () => {
    expect(maySend(sent(replicating(2), index(3), RAFT.inFlightBytesMax), index(9))).toBe(false)
    expect(maySend(sent(replicating(2), index(3), 1), index(9))).toBe(true)
    expect(maySend(replicating(9), index(9))).toBe(false)
    let full = replicating(0)
    for (let count = 1; count <= RAFT.inFlightMessagesMax; count++) full = sent(full, index(count), 1)
    expect(maySend(full, index(999))).toBe(false)
  })

  it('does not go back for an answer that comes late', () => {
    const later = matched(replicating(9), index(4))
    expect(later).toMatchObject({ match: 9, next: 10 })
    expect(heard(heard(later, 5, 7), 6, 3)).toMatchObject({ lastContactMs: 6, round: 7 })
  })

  it('starts over with a new bond, keeping what is certain', () => {
    const again = restarted(sent(replicating(2), index(4), 10), index(3))
    expect(again).toMatchObject({ state: 'probe', match: 2, next: 3, inFlight: [], inFlightBytes: 0, probing: false })
  })
})

describe('a snapshot on its way over a link that is slow and loses nothing', () => {
  /** How many chunks are sent where each of so many takes so long. */
  const sentOver = (chunkMs: number, chunks: number): number => {
    let progress = transferring(probing(index(1), 0), { index: index(10), chunks } as Snapshot, 0)
    const link: number[] = []
    let sends = 0
    const feed = (): void => {
      for (; maySendChunk(progress); progress = chunkSent(progress), sends++) link.push(progress.transfer!.next)
    }
    feed()
    for (let held = 0, nowMs = 0; held < chunks; ) {
      nowMs += 100
      if (nowMs % RAFT_TIMING.heartbeatIntervalMs === 0)
        progress = resentWhenStalled(progress, nowMs, RAFT_TIMING.electionTimeoutMs)
      if (nowMs % chunkMs === 0) {
        if (link.shift() === held) held++
        progress = chunksTaken(progress, index(10), held, nowMs)
      }
      feed()
    }
    return sends
  }

  it.each([500, 2_100, 4_000, 9_000])('of %i ms a chunk sends little of it twice', (chunkMs) => {
    expect(sentOver(chunkMs, 40)).toBeLessThanOrEqual(40 + 6 * RAFT.snapshotChunksInFlightMax)
  })
})

describe('a rejection', () => {
  it.each([
    ['of what has matched since', replicating(5), 5, true],
    ['of what is under way', replicating(5), 6, false],
    ['of an earlier probe', probing(index(4), 0), 7, true],
    ['of this probe', probing(index(4), 0), 3, false],
  ])('%s', (_, progress, prevIndex, stale) => {
    expect(isStaleRejection(progress, index(prevIndex))).toBe(stale)
  })
})
