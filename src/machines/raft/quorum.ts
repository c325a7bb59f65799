/**
 * Counting. Only voters of a configuration count, whoever else answers (Raft §6, Thesis §4.2.1): a learner's vote or
 * match moves nothing, and a peer outside the configuration does not exist here.
 */
import type { PeerId } from '../../identity/keys.ts'
import type { Configuration } from './messages.ts'

/** How many voters are a majority. */
export function majority(configuration: Configuration): number {
  return Math.floor(configuration.voters.length / 2) + 1
}

/** The largest value that a majority of voters have reached; 0 where there are no voters. */
export function reachedByMajority(configuration: Configuration, reached: (voter: PeerId) => number): number {
  // In falling order, each put in its place: voters are few, and this is asked at every answer.
  const values: number[] = []
  for (const voter of configuration.voters) {
    const value = reached(voter)
    let place = values.length
    for (; place > 0 && values[place - 1]! < value; place--) values[place] = values[place - 1]!
    values[place] = value
  }
  return values[majority(configuration) - 1] ?? 0
}

/** Do a majority of voters satisfy the test? Nobody is a majority of nobody. */
export function isMajority(configuration: Configuration, test: (voter: PeerId) => boolean): boolean {
  let count = 0
  for (const voter of configuration.voters) if (test(voter)) count++
  return count >= majority(configuration)
}

/** Raft §5.2: a majority of the voters granted. */
export function isWon(configuration: Configuration, votes: ReadonlyMap<PeerId, boolean>): boolean {
  return isMajority(configuration, (voter) => votes.get(voter) === true)
}

/** So many voters refused that a majority can no longer grant. */
export function isLost(configuration: Configuration, votes: ReadonlyMap<PeerId, boolean>): boolean {
  return !isMajority(configuration, (voter) => votes.get(voter) !== false)
}
