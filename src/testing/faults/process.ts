/** What happens to processes: stopped, slowed, killed between any two callbacks or at any message; and to the clocks they read. */
import { type ProcessClock, plausible } from '../process-clock.ts'
import type { SimulatedProcess } from '../simulated-process.ts'
import { comesOver, type Fault, type MessageType, nothing, type Stage } from './fault.ts'

function standStill({ name, clock }: SimulatedProcess, { network, after }: Stage, ms: number): void {
  clock.stop(ms)
  network.stall(name)
  after(ms, () => network.resume(name))
}

/** As by SIGSTOP. */
const freeze = comesOver('freeze', (process, stage) => {
  const ms = stage.chance.oneOf([200, 700, 3_000, 7_000])
  stage.note(process.name, `is stopped for ${ms} ms`)
  standStill(process, stage, ms)
})

/** A machine that has too much to do: it runs for a moment and stands for a longer one, again and again. */
const slow: Fault = {
  name: 'slow',
  lastsMs: { min: 500, max: 6_000 },
  begin: (stage) => {
    const process = stage.running.length > 0 ? stage.chance.oneOf(stage.running) : null
    if (!process) return null
    const { runsMs, standsMs } = stage.chance.oneOf([
      { runsMs: 5, standsMs: 45 },
      { runsMs: 20, standsMs: 80 },
      { runsMs: 50, standsMs: 250 },
    ])
    const { clock } = process
    let slowed = true
    stage.note(process.name, `stands still for ${standsMs} of ${runsMs + standsMs} ms`)
    const again = (): void => {
      if (!slowed || process.clock !== clock || !process.running) return
      standStill(process, stage, standsMs)
      stage.after(standsMs + runsMs, again)
    }
    again()
    return () => {
      slowed = false
    }
  },
}

function set(clock: ProcessClock, skewMs: number): void {
  clock.skewMs = plausible(skewMs)
}

/** Within what time servers get wrong. */
const jumpClock = comesOver('jumpClock', ({ name, clock }, { chance, note }) => {
  const ms = chance.oneOf([-15_000, -3_000, -100, 100, 3_000, 15_000])
  note(name, `has its clock set by ${ms} ms`)
  set(clock, clock.skewMs + ms)
})

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

const crash = comesOver('crash', (process, { crash: down }) => down(process, 'crashes'))

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

const crashSeveral: Fault = {
  name: 'crashSeveral',
  begin: ({ chance, running, crash: down }) => {
    const several = chance.shuffled(running).slice(0, chance.within({ min: 1, max: running.length }))
    for (const process of several) down(process, `crashes, one of ${several.length}`)
    return nothing
  },
}

/** At a moment that is no time of any clock: in the middle of what happens at once. */
const crashAtStep = comesOver('crashAtStep', (process, { chance, afterSteps, crash: down }) => {
  const { life } = process
  const steps = chance.within({ min: 1, max: 300 })
  afterSteps(steps, () => {
    if (process.life === life) down(process, `crashes after ${steps} steps`)
  })
})

const MESSAGES: readonly MessageType[] = [
  'AppendEntries',
  'AppendEntriesResponse',
  'PreVote',
  'PreVoteResponse',
  'RequestVote',
  'RequestVoteResponse',
  'TimeoutNow',
  'InstallSnapshot',
  'InstallSnapshotResponse',
  'Propose',
]

/** Just before a message leaves. */
const crashAtMessage = comesOver('crashAtMessage', (process, { chance, crash: down }) => {
  const type = chance.oneOf(MESSAGES)
  process.crashAtMessage = { type, crash: () => down(process, `crashes before it has sent ${type}`) }
})

/** Nobody is told, the links just fall silent. */
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

export const PROCESS_FAULTS: readonly Fault[] = [
  freeze,
  slow,
  jumpClock,
  loseClock,
  crash,
  crashLeader,
  crashAll,
  crashSeveral,
  crashAtStep,
  crashAtMessage,
  powerCut,
]
