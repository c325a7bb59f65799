/**
 * What a network does to links. A link is ordered and reliable while it lives, as TCP is: within one nothing is doubled or reordered. It can
 * be slow, silent (a path is cut, one way or both; what was sent waits), full (what does not fit is refused, and so lost), or gone: then what
 * was on its way is lost, and both ends dial anew. Messages of different links, and of one pair's old and new link, overtake each other.
 */
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

const lose: Fault = {
  name: 'lose',
  lastsMs: { min: 500, max: 5_000 },
  begin: ({ chance, lost, note }) => {
    lost.share = chance.oneOf([0.02, 0.1, 0.4])
    note('net', `is full for ${lost.share * 100} % of what is sent`)
    return () => {
      lost.share = 0
    }
  },
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

/** A firewall that goes up between: half the time it also ends the links, and then both ends know at once. */
function part({ chance, network, machines, note }: Stage, sides: readonly (readonly string[])[]): () => void {
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
  return () => network.partition([])
}

/** Each machine to any of two or three sides. */
function sidesOf({ chance, machines }: Stage, count = chance.within({ min: 2, max: 3 })): string[][] {
  const sides = Array.from({ length: count }, (): string[] => [])
  for (const { name } of machines) chance.oneOf(sides).push(name)
  return sides
}

export const partition: Fault = {
  name: 'partition',
  lastsMs: { min: 500, max: 9_000 },
  parts: true,
  begin: (stage) => part(stage, sidesOf(stage)),
}

/** Often while its clients are at their busiest: what it takes from them no longer leaves, and must go when another leads. */
const isolateLeader: Fault = {
  name: 'isolateLeader',
  lastsMs: { min: 1_000, max: 9_000 },
  parts: true,
  begin: (stage) => {
    const { leader, chance } = stage
    if (!leader) return null
    const undo = part(stage, [[leader.name]])
    if (chance.flip(0.5)) stage.flood(leader)
    return undo
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
  isolateLeader,
  partOneWay,
  bridge,
  dropLinks,
  dialBoth,
]
