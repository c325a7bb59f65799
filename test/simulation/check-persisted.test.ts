/** What a disk must hold for a message of a formation to leave: also where one sync brought more than one step of forming. */
import { describe, expect, it } from 'vitest'
import type { GroupId } from '../../src/identity/digest.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import type { Formation } from '../../src/machines/raft/effects.ts'
import type { FormationId, LogIndex, RaftMessage, Term } from '../../src/machines/raft/messages.ts'
import { Chance } from '../../src/testing/chance.ts'
import { isOnDisk } from '../../src/testing/check-persisted.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

const GROUP = 'a'.repeat(64) as GroupId
const SELF = 'b'.repeat(64) as PeerId
const PEER = 'c'.repeat(64) as PeerId
const X = '1'.repeat(32) as FormationId
const Y = '2'.repeat(32) as FormationId
const voters = [SELF, PEER]

const NONE: Formation = { status: 'none', id: null, voters: [], refused: [] }
const bound = (id: FormationId, refused: FormationId[] = []): Formation => ({ status: 'accepted', id, voters, refused })
const formed = (id: FormationId): Formation => ({ status: 'formed', id, voters, refused: [] })
const proposal = (formation: FormationId): RaftMessage => ({ type: 'FormationProposal', formation, voters })
const answer = (formation: FormationId, accepted: boolean): RaftMessage => ({
  type: 'FormationAnswer',
  formation,
  voters,
  accepted,
})

/** May it leave once all these were written, one after the other? */
async function may(message: RaftMessage, ...formations: Formation[]): Promise<boolean> {
  const clock = new SimulatedClock(0)
  const disk = new SimulatedDisk(new Chance(1), { min: 5, max: 5 })
  const store = disk.storage(clock).open(GROUP, SELF)
  for (const [at, formation] of formations.entries()) {
    const hardState = { term: 0 as Term, votedFor: null, formation }
    store.write({ number: at + 1, hardState, from: 1 as LogIndex, entries: [], snapshot: null }, () => {})
  }
  expect(isOnDisk(disk.platter(GROUP), SELF, PEER, message), 'before its sync').toBe(false)
  await clock.advance(5 * formations.length)
  return isOnDisk(disk.platter(GROUP), SELF, PEER, message)
}

describe('a message of a formation leaves', () => {
  it('once its acceptance is on disk', async () => {
    expect(await may(proposal(X), bound(X))).toBe(true)
    expect(await may(answer(X, true), bound(X))).toBe(true)
  })

  it('though a later write has released what it accepted, and formed another', async () => {
    const written = [bound(X), { ...NONE, refused: [X] }, bound(Y, [X]), formed(Y)]
    expect(await may(proposal(X), ...written)).toBe(true)
    expect(await may(answer(X, true), ...written)).toBe(true)
  })

  it('not for a formation that was never accepted, whatever was refused or formed', async () => {
    for (const message of [proposal(X), answer(X, true)]) {
      expect(await may(message, { ...NONE, refused: [X] })).toBe(false)
      expect(await may(message, formed(Y))).toBe(false)
    }
  })

  it('as a refusal once that is on disk, or a log, which refuses all', async () => {
    expect(await may(answer(X, false), bound(Y))).toBe(false)
    expect(await may(answer(X, false), bound(Y, [X]))).toBe(true)
    expect(await may(answer(X, false), formed(Y))).toBe(true)
  })
})
