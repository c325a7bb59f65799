/**
 * Who is a member. A configuration is in force from the moment it is in the log, committed or not (Raft §6), so cutting
 * the log brings the one before it back. `Configurations` holds the positions that may still matter: the newest committed
 * one and everything after it. Changes go one at a time (Thesis §4.1), and a leader starts one only when the one before is
 * committed and an entry of its own term is, else two changes in flight could make two majorities (Ongaro 2015, on §4.1).
 */
import type { PeerId } from '../../identity/keys.ts'
import { type Configuration, type ConfigurationAt, type Entry, type LogIndex, spanOf } from './messages.ts'

export type Configurations = readonly ConfigurationAt[]

export const NO_CONFIGURATION: Configuration = { voters: [], learners: [] }

export function latest(configurations: Configurations): Configuration {
  return configurations.at(-1)?.configuration ?? NO_CONFIGURATION
}

export function latestIndex(configurations: Configurations): number {
  return configurations.at(-1)?.index ?? 0
}

/** What is in force after the log was cut before `from` and continued with `entries`. */
export function afterWrite(configurations: Configurations, from: LogIndex, entries: readonly Entry[]): Configurations {
  const kept = latestIndex(configurations) < from ? configurations : configurations.filter(({ index }) => index < from)
  const added: ConfigurationAt[] = []
  let index = from as number
  for (const entry of entries) {
    if (entry.kind === 'configuration') added.push({ index: index as LogIndex, configuration: entry.configuration })
    index += spanOf(entry)
  }
  return added.length === 0 ? kept : [...kept, ...added]
}

/** Positions before the newest committed one can never come back. */
export function afterCommit(configurations: Configurations, commitIndex: LogIndex): Configurations {
  const newest = configurations.findLastIndex(({ index }) => index <= commitIndex)
  return newest > 0 ? configurations.slice(newest) : configurations
}

export function isVoter({ voters }: Configuration, peer: PeerId): boolean {
  return voters.includes(peer)
}

export function isMember(configuration: Configuration, peer: PeerId): boolean {
  return isVoter(configuration, peer) || configuration.learners.includes(peer)
}

/** All members but one, voters first. */
export function othersThan({ voters, learners }: Configuration, self: PeerId): PeerId[] {
  return [...voters, ...learners].filter((peer) => peer !== self)
}

/** Thesis §4.2.1: a newcomer follows the log before it may count. */
export function withLearner({ voters, learners }: Configuration, peer: PeerId): Configuration {
  return { voters, learners: [...learners, peer].sort() }
}

/** Thesis §4.2.1: a learner that has caught up may count from now on. */
export function withVoter({ voters, learners }: Configuration, peer: PeerId): Configuration {
  return { voters: [...voters, peer].sort(), learners: learners.filter((learner) => learner !== peer) }
}

/** Thesis §4.1: one member less. */
export function without({ voters, learners }: Configuration, peer: PeerId): Configuration {
  const others = (members: readonly PeerId[]): PeerId[] => members.filter((member) => member !== peer)
  return { voters: others(voters), learners: others(learners) }
}
