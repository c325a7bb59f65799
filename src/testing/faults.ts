/**
 * What may go wrong, as a table. A fault begins at some moment and, where it lasts, is undone some time later.
 *
 * Links are ordered and reliable while they live, as over TCP: so within one nothing is lost, doubled or reordered. What a network does to
 * them is delay, silence (a path is cut, one way or both; what was sent waits) and loss of the whole link, after which both ends dial anew,
 * often at once. Messages of different links, and of one pair's old and new link, overtake each other freely.
 */

import type { MemoryNetwork } from '../transport/memory.ts'
import type { Chance, Range } from './chance.ts'
import { type SimulatedProcess, SKEW_MAX_MS } from './simulated-process.ts'

/** What a fault may touch. */
export interface Stage {
  readonly chance: Chance
  readonly network: MemoryNetwork
  /** Of each delivery; changed in place. */
  readonly delayMs: { min: number; max: number }
  /** The machines that take part, running or not. */
  readonly machines: readonly SimulatedProcess[]
  readonly running: readonly SimulatedProcess[]
  readonly leader: SimulatedProcess | null
  crash(process: SimulatedProcess, why: string): void
  /** A machine more, which only joins; null where there are enough. */
  join(): SimulatedProcess | null
  leave(process: SimulatedProcess): void
  stop(process: SimulatedProcess): void
  after(ms: number, callback: () => void): void
  note(who: string, what: string): void
}

export interface Fault {
  readonly name: string
  /** How long until it is undone; absent where nothing is to be undone. */
  readonly lastsMs?: Range
  /** Returns what undoes it; null where it cannot happen now. */
  readonly begin: (stage: Stage) => (() => void) | null
}

const nothing = (): void => {}

function twoOf({ chance, machines }: Stage): [SimulatedProcess, SimulatedProcess] {
  const [a, b] = chance.shuffled(machines)
  return [a as SimulatedProcess, b as SimulatedProcess]
}

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

const cut: Fault = {
  name: 'cut',
  lastsMs: { min: 100, max: 8_000 },
  begin: (stage) => {
    const [a, b] = twoOf(stage)
    stage.note('net', `cuts ${a.name}-${b.name}`)
    stage.network.cut(a.name, b.name)
    return () => stage.network.heal(a.name, b.name)
  },
}

const cutOneWay: Fault = {
  name: 'cutOneWay',
  lastsMs: { min: 100, max: 8_000 },
  begin: (stage) => {
    const [a, b] = twoOf(stage)
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

const partition: Fault = {
  name: 'partition',
  lastsMs: { min: 500, max: 9_000 },
  begin: (stage) => {
    const { chance, machines } = stage
    const sides = Array.from({ length: chance.within({ min: 2, max: 3 }) }, (): string[] => [])
    for (const { name } of machines) chance.oneOf(sides).push(name)
    return part(stage, sides)
  },
}

const isolateLeader: Fault = {
  name: 'isolateLeader',
  lastsMs: { min: 1_000, max: 9_000 },
  begin: (stage) => (stage.leader ? part(stage, [[stage.leader.name]]) : null),
}

const dropLinks: Fault = {
  name: 'dropLinks',
  begin: (stage) => {
    const [a, b] = twoOf(stage)
    stage.note('net', `drops the links ${a.name}-${b.name}`)
    stage.network.dropLinks(a.name, b.name)
    return nothing
  },
}

const freeze: Fault = {
  name: 'freeze',
  begin: ({ chance, network, running, note, after }) => {
    const process = running.length > 0 ? chance.oneOf(running) : null
    if (!process) return null
    const ms = chance.oneOf([200, 700, 3_000, 7_000])
    note(process.name, `is stopped for ${ms} ms`)
    process.clock.stop(ms)
    network.stall(process.name)
    after(ms, () => network.resume(process.name))
    return nothing
  },
}

/** Within what time servers get wrong. */
const jumpClock: Fault = {
  name: 'jumpClock',
  begin: ({ chance, running, note }) => {
    const process = running.length > 0 ? chance.oneOf(running) : null
    if (!process) return null
    const ms = chance.oneOf([-15_000, -3_000, -100, 100, 3_000, 15_000])
    note(process.name, `has its clock set by ${ms} ms`)
    process.clock.skewMs = Math.max(-SKEW_MAX_MS, Math.min(SKEW_MAX_MS, process.clock.skewMs + ms))
    return nothing
  },
}

/** By an hour, and back once somebody notices. */
const loseClock: Fault = {
  name: 'loseClock',
  lastsMs: { min: 300, max: 6_000 },
  begin: ({ chance, running, note }) => {
    const process = running.length > 0 ? chance.oneOf(running) : null
    if (!process) return null
    const { clock } = process
    const before = clock.skewMs
    note(process.name, 'has its clock set back by an hour')
    clock.skewMs = before - 3_600_000
    return () => {
      clock.skewMs = before
    }
  },
}

const crash: Fault = {
  name: 'crash',
  begin: ({ chance, running, crash: down }) => {
    const process = running.length > 0 ? chance.oneOf(running) : null
    if (!process) return null
    down(process, 'crashes')
    return nothing
  },
}

const crashLeader: Fault = {
  name: 'crashLeader',
  begin: ({ leader, crash: down }) => {
    if (!leader) return null
    down(leader, 'crashes as leader')
    return nothing
  },
}

const crashAll: Fault = {
  name: 'crashAll',
  begin: ({ running, crash: down }) => {
    for (const process of running) down(process, 'crashes with all others')
    return nothing
  },
}

/** As a power cut: nobody is told, the links just fall silent. */
const powerCut: Fault = {
  name: 'powerCut',
  lastsMs: { min: 3_000, max: 9_000 },
  begin: ({ chance, network, running, machines, crash: down }) => {
    const process = running.length > 0 ? chance.oneOf(running) : null
    if (!process) return null
    const others = machines.filter((other) => other !== process)
    for (const other of others) network.cut(process.name, other.name)
    down(process, 'loses its power')
    return () => {
      for (const other of others) network.heal(process.name, other.name)
    }
  },
}

const crashAtWrite: Fault = {
  name: 'crashAtWrite',
  begin: ({ chance, running, crash: down }) => {
    const process = running.length > 0 ? chance.oneOf(running) : null
    if (!process) return null
    const moment = chance.oneOf(['write', 'synced'] as const)
    const vote = chance.flip(0.5)
    const why = `crashes at a ${moment}${vote ? ' with a vote' : ''}`
    process.disk.weather.crashAt = { moment, vote, crash: () => down(process, why) }
    return nothing
  },
}

const slowDisk: Fault = {
  name: 'slowDisk',
  lastsMs: { min: 500, max: 6_000 },
  begin: ({ chance, machines, note }) => {
    const { name, disk } = chance.oneOf(machines)
    const before = disk.weather.syncMs
    disk.weather.syncMs = chance.oneOf([
      { min: 5, max: 40 },
      { min: 50, max: 300 },
      { min: 800, max: 2_500 },
    ])
    note(name, `syncs in ${disk.weather.syncMs.max} ms`)
    return () => {
      disk.weather.syncMs = before
    }
  },
}

const failSync: Fault = {
  name: 'failSync',
  begin: ({ chance, running, note }) => {
    const process = running.length > 0 ? chance.oneOf(running) : null
    if (!process) return null
    note(process.name, 'has a failing sync ahead')
    process.disk.weather.failsNext = true
    return nothing
  },
}

const fullDisk: Fault = {
  name: 'fullDisk',
  lastsMs: { min: 500, max: 4_000 },
  begin: ({ chance, machines, note }) => {
    const { name, disk } = chance.oneOf(machines)
    note(name, 'has a full disk')
    disk.weather.full = true
    return () => {
      disk.weather.full = false
    }
  },
}

/** Machines come after the group was formed; any may go again, one at a time, while a majority of the voters stays. */
const guests: Fault = {
  name: 'guests',
  begin: (stage) => {
    const mayLeave = stage.running.filter((process) => mayGo(stage, process))
    if (mayLeave.length === 0 || stage.chance.flip(0.4)) return stage.join() ? nothing : null
    stage.leave(stage.chance.oneOf(mayLeave))
    return nothing
  },
}

/** Everyone who went before is out of the configuration, and the voters that stay and run are a majority of it. */
function mayGo({ leader, machines, running }: Stage, process: SimulatedProcess): boolean {
  const configuration = leader?.context?.configuration
  if (!configuration || !process.group) return false
  const { voters } = configuration
  const isHere = (peer: string): boolean => machines.some((machine) => machine.peer === peer)
  const staying = running.filter(({ peer, group }) => peer !== process.peer && group !== null && voters.includes(peer))
  return voters.every(isHere) && staying.length > voters.length / 2
}

/** A program that is told to end, and is started again. */
const stop: Fault = {
  name: 'stop',
  begin: ({ chance, running, stop: end }) => {
    const joined = running.filter(({ group }) => group !== null)
    if (joined.length === 0) return null
    end(chance.oneOf(joined))
    return nothing
  },
}

const transfer: Fault = {
  name: 'transfer',
  begin: ({ chance, leader, machines, note }) => {
    if (!leader?.group) return null
    const to = chance.oneOf(machines)
    note(leader.name, `is asked to hand over to ${to.name}`)
    const told = (what: string) => () => note(leader.name, `${what} ${to.name}`)
    leader.group.transferLeadership(to.peer).then(told('has handed over to'), told('has not handed over to'))
    return nothing
  },
}

export const FAULTS: readonly Fault[] = [
  delay,
  cut,
  cutOneWay,
  partition,
  isolateLeader,
  dropLinks,
  freeze,
  jumpClock,
  loseClock,
  crash,
  crashLeader,
  crashAll,
  powerCut,
  crashAtWrite,
  slowDisk,
  failSync,
  fullDisk,
  guests,
  stop,
  transfer,
]
