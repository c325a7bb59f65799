/**
 * What a network does to links. A link is ordered and reliable while it lives, as TCP is: within one nothing is doubled or reordered. It can
 * be slow, silent (a path is cut, one way or both; what was sent waits), full (what does not fit is refused, and so lost), or gone: then what
 * was on its way is lost, and both ends dial anew. Messages of different links, and of one pair's old and new link, overtake each other.
 */
import type { Range } from '../chance.ts'
import { type Fault, nothing, type Stage, twoOf } from './fault.ts'

const delay: Fault = {
  name: 'delay',
  lastsMs: { min: 500, max: 5_000 },
  begin: ({ chance, delayMs, note }) => {
    const before = { ...delayMs }
    delayMs.max = chance.oneOf([20, 100, 400, 1_500])
    delayMs.min = chance.flip(0.3) ? delayMs.max / 2 : delayMs.min
    note('net', `delays up to ${delayMs.max} ms`)
    return () => Object.assign(delayMs, before)
  },
}

/** Often there is room for a heartbeat where there is none for a batch of entries, or for a piece of a snapshot. */
function fill({ chance, lost, note }: Stage): () => void {
  lost.share = chance.oneOf([0.05, 0.2, 0.5])
  lost.fromBytes = chance.oneOf([0, 30, 300, 3_000])
  note('net', `is full for ${lost.share * 100} % of what is sent in ${lost.fromBytes} bytes or more`)
  return () => {
    lost.share = 0
  }
}

const lose: Fault = {
  name: 'lose',
  lastsMs: { min: 500, max: 5_000 },
  begin: fill,
}

const cut: Fault = {
  name: 'cut',
  lastsMs: { min: 100, max: 8_000 },
  begin: (stage) => {
    const two = twoOf(stage)
    if (!two) return null
    const [a, b] = two
    stage.note('net', `cuts ${a.name}-${b.name}`)
    stage.network.cut(a.name, b.name)
    return () => stage.network.heal(a.name, b.name)
  },
}

const cutOneWay: Fault = {
  name: 'cutOneWay',
  lastsMs: { min: 100, max: 8_000 },
  begin: (stage) => {
    const two = twoOf(stage)
    if (!two) return null
    const [a, b] = two
    stage.note('net', `cuts ${a.name}>${b.name}`)
    stage.network.cutOneWay(a.name, b.name)
    return () => stage.network.heal(a.name, b.name)
  },
}

export const CROWDED_MS: Range = { min: 200, max: 2_000 }

/** As a path is there again, all that waited wants to go at once. */
export function crowd(stage: Stage): void {
  stage.after(stage.chance.within(CROWDED_MS), fill(stage))
}

/**
 * A firewall that goes up between: half the time it also ends the links, and then both ends know at once. A leader without a majority is
 * often at its busiest: what it takes from its clients then does not leave, and must go when another leads. Links may be full afterwards.
 */
function part(stage: Stage, sides: readonly (readonly string[])[]): () => void {
  const { chance, network, machines, leader, note } = stage
  network.partition(sides)
  const sideOf = (name: string): number => sides.findIndex((side) => side.includes(name))
  const ends = chance.flip(0.5)
  note(
    'net',
    `parts ${sides.map((side) => side.join('+') || '-').join(' | ')}${ends ? ', and ends the links between' : ''}`,
  )
  for (const { name: a } of ends ? machines : []) {
    for (const { name: b } of machines) if (a < b && sideOf(a) !== sideOf(b)) network.dropLinks(a, b)
  }
  const beside = leader === null ? [] : machines.filter(({ name }) => sideOf(name) === sideOf(leader.name))
  if (leader !== null && beside.length * 2 <= machines.length && chance.flip(0.5)) stage.flood(leader)
  return () => {
    network.partition([])
    if (chance.flip(0.3)) crowd(stage)
  }
}

/** Each machine to any of two or three sides. */
function sidesOf({ chance, machines }: Stage, count = chance.within({ min: 2, max: 3 })): string[][] {
  const sides = Array.from({ length: count }, (): string[] => [])
  for (const { name } of machines) chance.oneOf(sides).push(name)
  return sides
}

/** Two rooms, as many machines in each as can be. */
function halvesOf({ chance, machines }: Stage): string[][] {
  const names = chance.shuffled(machines).map(({ name }) => name)
  const half = Math.ceil(names.length / 2)
  return [names.slice(0, half), names.slice(half)]
}

/** Both sides are large enough to take themselves for all there is. */
export const halves: Fault = {
  name: 'halves',
  lastsMs: { min: 2_000, max: 9_000 },
  parts: true,
  begin: (stage) => part(stage, halvesOf(stage)),
}

const partition: Fault = {
  name: 'partition',
  lastsMs: { min: 500, max: 9_000 },
  parts: true,
  begin: (stage) => part(stage, sidesOf(stage)),
}

export const isolateLeader: Fault = {
  name: 'isolateLeader',
  lastsMs: { min: 1_000, max: 9_000 },
  parts: true,
  begin: (stage) => {
    const { leader } = stage
    return leader ? part(stage, [[leader.name]]) : null
  },
}

/** Cuts every pair across two sides, by `cutPair`. */
function cutAcross(
  { network }: Stage,
  [one, other]: readonly string[][],
  cutPair: (a: string, b: string) => void,
): () => void {
  const pairs = (one ?? []).flatMap((a) => (other ?? []).map((b) => [a, b] as const))
  for (const [a, b] of pairs) cutPair(a, b)
  return () => {
    for (const [a, b] of pairs) network.heal(a, b)
  }
}

/** What one side says reaches the other, but not what that answers. */
const partOneWay: Fault = {
  name: 'partOneWay',
  lastsMs: { min: 500, max: 9_000 },
  parts: true,
  begin: (stage) => {
    const sides = sidesOf(stage, 2)
    stage.note('net', `parts ${sides.map((side) => side.join('+') || '-').join(' > ')}`)
    return cutAcross(stage, sides, (a, b) => stage.network.cutOneWay(a, b))
  },
}

/** Two sides that see each other only through one machine in the middle. */
const bridge: Fault = {
  name: 'bridge',
  lastsMs: { min: 500, max: 9_000 },
  parts: true,
  begin: (stage) => {
    const [middle, ...others] = stage.chance.shuffled(stage.machines)
    if (!middle || others.length < 2) return null
    const sides = sidesOf({ ...stage, machines: others }, 2)
    stage.note('net', `parts ${sides.map((side) => side.join('+') || '-').join(` | ${middle.name} | `)}`)
    return cutAcross(stage, sides, (a, b) => stage.network.cut(a, b))
  },
}

const dropLinks: Fault = {
  name: 'dropLinks',
  begin: (stage) => {
    const two = twoOf(stage)
    if (!two) return null
    const [a, b] = two
    stage.note('net', `drops the links ${a.name}-${b.name}`)
    stage.network.dropLinks(a.name, b.name)
    return nothing
  },
}

/** Links end, and it takes so long to get through that both ends have dialled before either hears of the other. */
const dialBoth: Fault = {
  name: 'dialBoth',
  lastsMs: { min: 500, max: 2_000 },
  begin: ({ chance, network, machines, delayMs, note }) => {
    const before = { ...delayMs }
    Object.assign(delayMs, { min: 80, max: chance.oneOf([120, 300]) })
    note('net', 'drops all links, and is slow')
    for (const { name: a } of machines) for (const { name: b } of machines) if (a < b) network.dropLinks(a, b)
    return () => Object.assign(delayMs, before)
  },
}

export const NETWORK_FAULTS: readonly Fault[] = [
  delay,
  lose,
  cut,
  cutOneWay,
  partition,
  halves,
  isolateLeader,
  partOneWay,
  bridge,
  dropLinks,
  dialBoth,
]
