/**
 * What must hold again once faults have stopped, in this order and each within its time: a leader whom all know, an answer for each client,
 * the same log and state at every member, nobody who said goodbye unhindered in anyone's catalog, and one bond for each pair, the same at both ends.
 */
import { DISCOVERY, RAFT, RAFT_TIMING, type RaftTiming } from '../limits.ts'
import type { RaftChecker } from './check-raft.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { SimulatedWorld } from './simulated-world.ts'
import type { Violate } from './violation.ts'
import type { Workload } from './workload.ts'

export interface RecoveryDeps {
  readonly world: SimulatedWorld
  readonly workload: Workload
  readonly raft: RaftChecker
  readonly violate: Violate
  /** What the group runs by. */
  readonly timing: RaftTiming
  /** Lets time pass until `holds`; false where it does not within `limitMs`, or the run is over. */
  readonly until: (holds: () => boolean, limitMs: number) => Promise<boolean>
}

/** A long tail and a snapshot on a slow disk take no less time in a group that elects fast. */
const EQUAL_MS = tenElections(RAFT_TIMING)
/** Longer than the longest pause before a redial. */
const BONDED_MS = 40_000

function tenElections({ electionTimeoutMs, electionJitterMs }: RaftTiming): number {
  return 10 * (electionTimeoutMs + electionJitterMs)
}

export async function checkRecovered({ world, workload, raft, violate, timing, until }: RecoveryDeps): Promise<void> {
  const must = async (property: string, holds: () => boolean, limitMs: number): Promise<void> => {
    if (!(await until(holds, limitMs))) violate(property, describe(world))
  }
  // Forming needs a bond of every two founders, and following one with the leader: redials may have backed off.
  await must('a group once faults stop', () => allFormed(world), BONDED_MS)
  await must('a leader once faults stop', () => mostFollow(world), tenElections(timing))
  await must('a leader whom all know', () => allOnline(world), BONDED_MS)
  workload.rest()
  await must('all clients answered', () => workload.open.length === 0, RAFT.executeTimeoutMs + 1_000)
  await must('all members equal', () => allEqual(world, raft), EQUAL_MS)
  await must('departed stay departed', () => departedForgotten(world), 3 * DISCOVERY.announceIntervalMs)
  await must('one bond per pair', () => allBonded(world), BONDED_MS)
}

/** Everyone who is to form the group has; who joins later is none of its founders. */
function allFormed({ members }: SimulatedWorld): boolean {
  return members.every(({ isGuest, group }) => isGuest || group?.status.formed)
}

/** One leader, in the eyes of more than half. */
function mostFollow({ members }: SimulatedWorld): boolean {
  return members.some(({ peer }) => members.filter(({ group }) => group?.leader === peer).length * 2 > members.length)
}

/** One leader, in the eyes of all. */
export function allOnline({ members }: SimulatedWorld): boolean {
  const leaders = new Set(members.map(({ group }) => group?.leader ?? null))
  return leaders.size === 1 && !leaders.has(null) && members.every(({ group }) => group?.status.formed)
}

function allEqual({ members }: SimulatedWorld, { committed }: RaftChecker): boolean {
  const places = new Set(members.map(({ group }) => `${group?.status.applied} ${group?.status.lastIndex}`))
  if (places.size > 1 || !members.every(({ group }) => (group?.status.applied ?? 0) >= committed)) return false
  return new Set(members.map(({ registers }) => registers)).size === 1
}

function departedForgotten({ departed, members }: SimulatedWorld): boolean {
  const gone = new Set([...departed.keys()].map(({ peer }) => peer))
  return members.every(({ peers }) => !peers.some((peer) => gone.has(peer)))
}

function allBonded({ members }: SimulatedWorld): boolean {
  const isBonded = (a: SimulatedProcess, b: SimulatedProcess): boolean => {
    const bond = a.group?.bonds.get(b.peer)
    return bond !== undefined && bond.id === b.group?.bonds.get(a.peer)?.id
  }
  return members.every((a) => members.every((b) => a === b || isBonded(a, b)))
}

function describe(world: SimulatedWorld): string {
  return world.machines.map((machine) => stateOf(machine, world)).join('; ')
}

function stateOf({ name, group, gone, peers, registers }: SimulatedProcess, world: SimulatedWorld): string {
  if (gone || !group) return `${name}: ${gone ? 'gone' : 'down'}`
  const { role, term, leader, committed, applied, lastIndex } = group.status
  const bonds = [...group.bonds].map(([peer]) => world.nameOf(peer)).join('+')
  const known = peers.map((peer) => world.nameOf(peer)).join('+')
  const led = leader ? world.nameOf(leader) : '-'
  return `${name}: ${role} term ${term} leader ${led} last ${lastIndex} commit ${committed} applied ${applied} bonds ${bonds} knows ${known} holds ${registers}`
}
