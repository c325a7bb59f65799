/**
 * A group of whole nodes in one process, on a simulated clock, network, disk and random source, all from one seed: no real time passes, and
 * the same seed gives the same run to the byte. What runs is the real thing; only what it stands on is simulated.
 *
 * Lifecycle of a run: the machines start -> faults come and go while clients ask -> everything heals -> within ten election timeouts all
 * is well again -> once more, or twice -> one leaves -> what happened is judged. Checkers look after every callback of the clock; the first
 * violation ends the run.
 */
import { Chance } from './chance.ts'
import { AppliedChecker } from './check-applied.ts'
import { RaftChecker } from './check-raft.ts'
import { allOnline, checkRecovered } from './check-recovered.ts'
import type { Fault, Stage } from './faults/fault.ts'
import { mayGo } from './faults/membership.ts'
import { CROWDED_MS, crowd, halves } from './faults/network.ts'
import { checkLinearizability, type HistoryOp } from './linearizability.ts'
import { type Plan, planOf } from './plan.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedWorld } from './simulated-world.ts'
import { Trace } from './trace.ts'
import type { Violation } from './violation.ts'
import { Workload } from './workload.ts'

export interface SimulationOptions {
  readonly seed: number
  /** Half as long under faults, all else alike. Default: false. */
  readonly brief?: boolean
  /** Names of the faults that happen, all others never. Default: a few, drawn from the seed. */
  readonly faults?: readonly string[]
  /** How many of the last lines of the trace are kept. Default: 200. */
  readonly traceLines?: number
  /** Each message that leaves is a line too. Default: true. */
  readonly traceMessages?: boolean
}

export interface SimulationReport {
  readonly seed: number
  readonly violation: Violation | null
  readonly trace: readonly string[]
  readonly history: readonly HistoryOp[]
  /** Callbacks of the clock. */
  readonly steps: number
  /** Commands that took effect. */
  readonly commands: number
  readonly leaders: number
  readonly crashes: number
  readonly partitions: number
  /** Snapshots that a state machine was restored from, at a start or from a leader. */
  readonly restores: number
  /** How often each fault began. */
  readonly faults: Readonly<Record<string, number>>
}

/** Runs the simulation of one seed to its end. */
export function simulate(options: SimulationOptions): Promise<SimulationReport> {
  return new Simulation(options).run()
}

const TRACE_LINES = 200
/** Several times what the busiest runs take: past it, messages cause each other without end. */
const STEPS_MAX = 400_000
/** However long it takes to form a group that nobody disturbs. */
const FORMS_MS = 30_000
/** However long it takes to leave a group that is well. */
const LEAVES_MS = 10_000

class Simulation {
  readonly #seed: number
  readonly #chance: Chance
  readonly #clock = new SimulatedClock()
  readonly #startMs = this.#clock.now()
  readonly #trace: Trace
  readonly #plan: Plan
  readonly #raft = new RaftChecker((property, detail) => this.#violate(property, detail))
  readonly #applied = new AppliedChecker((property, detail) => this.#violate(property, detail))
  readonly #workload: Workload
  readonly #world: SimulatedWorld
  /** What undoes the faults that last. */
  readonly #lasting = new Set<() => void>()
  /** What is to happen after so many callbacks of the clock. */
  #atStep: { readonly step: number; readonly callback: () => void }[] = []
  #violation: Violation | null = null
  #steps = 0
  #partitions = 0
  readonly #faults: Record<string, number> = {}
  #stamp = 0
  /** Which storm it is; 0 in a calm. */
  #storm = 0

  constructor({ seed, brief = false, faults, traceLines = TRACE_LINES, traceMessages = true }: SimulationOptions) {
    this.#seed = seed
    this.#chance = new Chance(seed, 1)
    this.#trace = new Trace(traceLines)
    this.#plan = planOf(this.#chance, { brief, faults })
    const { pauseMs, registers, burst } = this.#plan
    const shared = {
      applied: this.#applied,
      violate: (property: string, detail: string) => this.#violate(property, detail),
      note: (who: string, what: string | (() => string)) => this.#note(who, what),
    }
    this.#workload = new Workload({
      ...shared,
      chance: this.#chance.fork(),
      stamp: () => this.#stampNow(),
      committed: () => this.#raft.committed,
      setTimeout: (callback, delayMs) => void this.#clock.setTimeout(callback, delayMs),
      pauseMs,
      registers,
      burst,
    })
    this.#world = new SimulatedWorld({
      ...shared,
      seed,
      plan: this.#plan,
      chance: this.#chance.fork(),
      clock: this.#clock,
      raft: this.#raft,
      workload: this.#workload,
      notesMessages: traceMessages,
    })
  }

  async run(): Promise<SimulationReport> {
    const { founders, faults, formsAmongFaults, startsParted, storms } = this.#plan
    this.#note('world', `${founders} machines, faults: ${faults.map(({ name }) => name).join(' ')}`)
    this.#world.found()
    if (startsParted) this.#begin(halves)
    if (!formsAmongFaults) await this.#until(() => allOnline(this.#world), FORMS_MS)
    for (let storm = 1; storm <= storms; storm++) await this.#rage(storm)
    await this.#farewell()
    this.#judge()
    return this.#report()
  }

  #report(): SimulationReport {
    return {
      seed: this.#seed,
      violation: this.#violation,
      trace: this.#trace.lines(),
      history: this.#workload.history,
      steps: this.#steps,
      commands: this.#applied.commands,
      leaders: this.#raft.leaders,
      crashes: this.#world.crashes,
      partitions: this.#partitions,
      restores: this.#applied.restores,
      faults: this.#faults,
    }
  }

  // faults

  #stage(): Stage {
    const world = this.#world
    const { network, delayMs, lost, members } = world
    return {
      chance: this.#chance,
      network,
      delayMs,
      lost,
      machines: members,
      running: members.filter(({ running }) => running),
      leader: world.leader,
      crash: (process, why) => world.crash(process, why),
      join: () => world.join(),
      leave: (process) => world.leave(process),
      stop: (process) => world.stop(process),
      flood: (process) => this.#workload.flood(process),
      after: (ms, callback) => void this.#clock.setTimeout(callback, ms),
      afterSteps: (steps, callback) => void this.#atStep.push({ step: this.#steps + steps, callback }),
      note: (who, what) => this.#note(who, what),
    }
  }

  async #rage(storm: number): Promise<void> {
    const { disturbedMs } = this.#plan
    this.#storm = storm
    this.#world.disturb()
    this.#workload.ask()
    this.#disturb(storm)
    const endMs = this.#clock.now() + disturbedMs
    await this.#until(() => this.#clock.now() >= endMs, disturbedMs)
    await this.#calm()
    await this.#recovers()
  }

  /** One fault after the other, each from this run's few. */
  #disturb(storm: number): void {
    if (this.#storm !== storm) return
    this.#begin(this.#chance.oneOf(this.#plan.faults))
    this.#clock.setTimeout(() => this.#disturb(storm), this.#plan.haste * this.#chance.within({ min: 50, max: 3_000 }))
  }

  #begin({ name, begin, lastsMs, parts }: Fault): void {
    const undo = begin(this.#stage())
    if (!undo) return
    this.#faults[name] = (this.#faults[name] ?? 0) + 1
    if (parts) this.#partitions++
    if (!lastsMs) return
    this.#lasting.add(undo)
    this.#clock.setTimeout(() => {
      if (!this.#lasting.delete(undo)) return
      this.#note('world', `undoes ${name}`)
      undo()
    }, this.#plan.haste * this.#chance.within(lastsMs))
  }

  /** Nothing is in the way any more; but links may be full for a while, as all goes out that waited. */
  async #calm(): Promise<void> {
    this.#storm = 0
    this.#atStep = []
    for (const undo of this.#lasting) undo()
    this.#lasting.clear()
    this.#world.heal()
    if (!this.#chance.flip(0.5)) return
    crowd(this.#stage())
    await this.#until(() => this.#world.lost.share === 0, CROWDED_MS.max)
  }

  /** Of a group that is well, one leaves: all others must hear of it, whatever has happened before. */
  async #farewell(): Promise<void> {
    const stage = this.#stage()
    const some = stage.running.filter((process) => mayGo(stage, process))
    if (this.#violation || some.length === 0) return
    const process = this.#chance.oneOf(some)
    this.#world.leave(process)
    await this.#until(() => !process.running, LEAVES_MS)
    await this.#recovers()
  }

  #recovers(): Promise<void> {
    return checkRecovered({
      world: this.#world,
      workload: this.#workload,
      raft: this.#raft,
      timing: this.#plan.timing,
      violate: (property, detail) => this.#violate(property, detail),
      until: (holds, limitMs) => this.#until(holds, limitMs),
    })
  }

  // time

  #stampNow(): number {
    this.#stamp = Math.max(this.#stamp + 1, (this.#clock.now() - this.#startMs) * 1_000_000)
    return this.#stamp
  }

  #note(who: string, what: string | (() => string)): void {
    this.#trace.note(this.#clock.now() - this.#startMs, who, what)
  }

  #violate(property: string, detail: string): void {
    if (this.#violation) return
    this.#violation = { property, detail }
    this.#note('check', `VIOLATED ${property}: ${detail}`)
  }

  /** Steps until `holds`, at most `limitMs`; false where it does not, or something is violated. */
  async #until(holds: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.#clock.now() + limitMs
    await turn()
    while (!this.#violation) {
      if (holds()) return true
      if ((this.#clock.nextMs ?? Number.POSITIVE_INFINITY) > endMs) return false
      this.#clock.step()
      this.#steps++
      if (this.#steps > STEPS_MAX) this.#violate('comes to rest', `${this.#steps} callbacks, and no end`)
      await turn()
      this.#world.look()
      this.#runDue()
    }
    return false
  }

  #runDue(): void {
    if (this.#atStep.length === 0) return
    const due = this.#atStep.filter(({ step }) => step <= this.#steps)
    this.#atStep = this.#atStep.filter(({ step }) => step > this.#steps)
    for (const { callback } of due) callback()
  }

  // the end

  #judge(): void {
    if (this.#violation) return
    const { violations, undecided } = checkLinearizability(this.#workload.history)
    for (const { key, placed, of, stuck } of violations)
      this.#violate('linearizable', `${key}: ${placed} of ${of} in order, then ${JSON.stringify(stuck)}`)
    if (undecided.length > 0) this.#violate('linearizable', `${undecided.join(' ')}: undecided`)
    for (const id of this.#workload.refused) {
      if (this.#applied.placeOf(id) !== undefined)
        this.#violate('exactly once', `${id} was handed back and took effect`)
    }
  }
}

/** Lets every promise that waits for nothing but others settle: one turn of the real event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
