/**
 * The clients of a chaos run: each does one operation after the other, at its own member while that runs, else at any other. What they do
 * comes from the seed; when, from how fast they are answered.
 *
 * A command whose fate is unknown is not made again here: the member's own session does that. A client that gave one up goes on
 * under a new name, since the old one may still be at work.
 */
import { Chance } from '../../src/testing/chance.ts'
import type { ChaosCluster } from './cluster.ts'
import type { History, RegisterCall } from './history.ts'
import type { MemberProcess } from './member-process.ts'

export const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'] as const

const CLIENTS_PER_MEMBER = 2
/** Past the member's own deadline: then its process is stopped, or stuck. */
const PATIENCE_MS = 5_000
const THINKING_MS = { min: 0, max: 25 }
/** Writes of one client have numbers from a range of its own, so that each is unique whatever the timing. */
const IDS_PER_CLIENT = 1_000_000

export class Clients {
  readonly #running: Promise<unknown>
  #ended = false

  constructor(seed: number, cluster: ChaosCluster, history: History) {
    const count = cluster.members.length * CLIENTS_PER_MEMBER
    const clients = Array.from({ length: count }, (_, number) => this.#run(seed, number, cluster, history))
    this.#running = Promise.all(clients)
  }

  /** Resolves once every operation under way is answered or given up; rejects where a client itself failed. */
  async end(): Promise<void> {
    this.#ended = true
    await this.#running
  }

  async #run(seed: number, number: number, cluster: ChaosCluster, history: History): Promise<void> {
    const chance = new Chance(seed, 2, number)
    const seen = new Map<string, number | null>()
    let id = (number + 1) * IDS_PER_CLIENT
    let lives = 1
    while (!this.#ended) {
      await pause(chance.within(THINKING_MS))
      const process = memberFor(number % cluster.members.length, cluster, chance)
      if (!process) continue
      const call = chosen(chance, seen, id++)
      const client = `${number + 1}.${lives}`
      const { outcome, result } = await history.record(client, call, () => process.call(call, PATIENCE_MS))
      if (outcome === 'unknown') lives++
      if (outcome !== 'ok') continue
      if (call.type === 'get') seen.set(call.key, result as number | null)
      else if (call.type === 'set' || result === true) seen.set(call.key, call.id)
    }
  }
}

/** After all: every key, from every member. Resolves with the keys that one could not be asked for before the deadline. */
export async function readAll(cluster: ChaosCluster, history: History, deadlineMs: number): Promise<string[]> {
  const unread: string[] = []
  const ends = performance.now() + deadlineMs
  const readOne = async (member: number, key: string): Promise<void> => {
    const call = { type: 'get', key } as const
    const client = `last.${member + 1}.${key}`
    while (performance.now() < ends) {
      const process = cluster.opened(member)
      if (process) {
        const { outcome } = await history.record(client, call, () => process.call(call, PATIENCE_MS))
        if (outcome === 'ok') return
      }
      await pause(THINKING_MS.max)
    }
    unread.push(`${key} at member ${member + 1}`)
  }
  await Promise.all(cluster.members.flatMap((member) => KEYS.map((key) => readOne(member, key))))
  return unread
}

function memberFor(home: number, cluster: ChaosCluster, chance: Chance): MemberProcess | null {
  const own = cluster.opened(home)
  if (own) return own
  const others = cluster.members.flatMap((member) => cluster.opened(member) ?? [])
  return others.length === 0 ? null : chance.oneOf(others)
}

function chosen(chance: Chance, seen: ReadonlyMap<string, number | null>, id: number): RegisterCall {
  const key = chance.oneOf(KEYS)
  const what = chance.unit()
  if (what < 0.45) return { type: 'get', key }
  if (what < 0.75) return { type: 'set', key, id }
  return { type: 'cas', key, expected: seen.get(key) ?? null, id }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
