/**
 * A group of whole nodes in one process, on a simulated clock, network, disk and random source, all from one seed: no real time passes, and
 * the same seed gives the same run to the byte. What runs is the real thing; only what it stands on is simulated.
 *
 * Lifecycle of a run: the machines start -> faults come and go while clients ask -> everything heals -> within ten election timeouts all
 * is well again -> what happened is judged. Checkers look after every callback of the clock; the first violation ends the run.
 */
import type { ErrorCode } from '../errors.ts'
import { DISCOVERY, RAFT_TIMING, type RaftTiming, WIRE } from '../limits.ts'
import type { RaftMessage } from '../machines/raft/messages.ts'
import { createMemoryNetwork } from '../transport/memory.ts'
import type { Link } from '../transport/transport.ts'
import { Chance, type Range } from './chance.ts'
import { AppliedChecker } from './check-applied.ts'
import { checkBonds } from './check-bonds.ts'
import { isOnDisk } from './check-persisted.ts'
import { RaftChecker } from './check-raft.ts'
import { FAULTS, type Fault, type Stage } from './faults.ts'
import { checkLinearizability, type HistoryOp } from './linearizability.ts'
import { registerMachine } from './register-machine.ts'
import { SimulatedClock } from './simulated-clock.ts'
import { SimulatedProcess, SKEW_MAX_MS } from './simulated-process.ts'
import { Trace } from './trace.ts'
import type { Violation } from './violation.ts'
import { watched } from './watched-transport.ts'
import { Workload } from './workload.ts'

export interface SimulationOptions {
  readonly seed: number
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
}

/** Runs the simulation of one seed to its end. */
export function simulate(options: SimulationOptions): Promise<SimulationReport> {
  return new Simulation(options).run()
}

/** Whatever became of them. */
const GUESTS_MAX = 3
const TRACE_LINES = 200
/** A process that ended is started again after one of these: while the others still elect, or when all is over. */
const RESTARTS_MS = [
  { min: 5, max: 150 },
  { min: 150, max: 4_000 },
]
/** What a sync takes where no fault slows it. */
const SYNCS_MS = [
  { min: 0, max: 2 },
  { min: 1, max: 10 },
  { min: 5, max: 40 },
]
const FAST: RaftTiming = { electionTimeoutMs: 400, electionJitterMs: 200, heartbeatIntervalMs: 100 }

/** Warnings that no run may give. */
const FATAL: ReadonlySet<ErrorCode> = new Set(['ProtocolAssertion', 'RivalGroup', 'Unexpected'])

class Simulation {
  readonly #seed: number
  readonly #chance: Chance
  readonly #clock = new SimulatedClock()
  readonly #startMs = this.#clock.now()
  readonly #trace: Trace
  readonly #traceMessages: boolean
  readonly #timing: RaftTiming
  /** How long faults last and how soon the next one comes, by the time an election takes. */
  readonly #haste: number
  readonly #syncMs: Range
  /** Then dials must fail, which takes longer than an election: faults are in no hurry. */
  readonly #formsAmongFaults: boolean
  readonly #founders: number
  readonly #faults: readonly Fault[]
  readonly #delayMs = { min: 0, max: 5 }
  readonly #network
  readonly #machines: SimulatedProcess[] = []
  readonly #raft = new RaftChecker((property, detail) => this.#violate(property, detail))
  readonly #applied = new AppliedChecker((property, detail) => this.#violate(property, detail))
  readonly #workload: Workload
  #violation: Violation | null = null
  #steps = 0
  #crashes = 0
  #partitions = 0
  #stamp = 0
  #disturbing = true

  constructor({ seed, traceLines = TRACE_LINES, traceMessages = true }: SimulationOptions) {
    this.#seed = seed
    this.#chance = new Chance(seed, 1)
    this.#trace = new Trace(traceLines)
    this.#traceMessages = traceMessages
    this.#timing = this.#chance.flip(0.7) ? FAST : RAFT_TIMING
    this.#haste = this.#chance.oneOf([0.5, 1]) * (this.#timing === FAST ? 0.3 : 1)
    this.#syncMs = this.#chance.oneOf(SYNCS_MS)
    this.#formsAmongFaults = this.#chance.flip(0.3)
    if (this.#formsAmongFaults) this.#haste = 1
    this.#founders = this.#chance.oneOf([1, 2, 3, 3, 3, 3, 3, 4, 5, 5])
    this.#faults = this.#chance.shuffled(FAULTS).slice(0, this.#chance.within({ min: 1, max: 6 }))
    this.#network = createMemoryNetwork({ seed, clock: this.#clock, encrypted: false, delayMs: this.#delayMs })
    this.#workload = new Workload({
      chance: this.#chance.fork(),
      applied: this.#applied,
      violate: (property, detail) => this.#violate(property, detail),
      stamp: () => this.#stampNow(),
      committed: () => this.#raft.committed,
      setTimeout: (callback, delayMs) => void this.#clock.setTimeout(callback, delayMs),
      note: (who, what) => this.#note(who, what),
      pauseMs: this.#chance.oneOf([
        { min: 10, max: 100 },
        { min: 50, max: 400 },
        { min: 200, max: 1_500 },
      ]),
      registers: this.#chance.within({ min: 1, max: 4 }),
    })
  }

  async run(): Promise<SimulationReport> {
    this.#note('world', `${this.#founders} machines, faults: ${this.#faults.map(({ name }) => name).join(' ')}`)
    for (let at = 0; at < this.#founders; at++) this.#addMachine(`n${at}`, this.#founders)
    for (const machine of this.#machines) this.#start(machine)
    if (!this.#formsAmongFaults) await this.#until(() => this.#allOnline(), 30_000)
    this.#disturb()
    await this.#pass(this.#haste * this.#chance.within({ min: 10_000, max: 25_000 }))
    await this.#recover()
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
      crashes: this.#crashes,
      partitions: this.#partitions,
    }
  }

  // machines

  #addMachine(name: string, voters: number): SimulatedProcess {
    const machine = new SimulatedProcess({
      name,
      clock: this.#clock,
      chance: this.#chance.fork(),
      voters,
      syncMs: this.#syncMs,
      isGuest: voters === 0,
      preference: voters === 0 ? this.#chance.oneOf(['normal', 'reluctant', 'observer']) : 'normal',
      timing: this.#timing,
      bootstrap: Array.from({ length: this.#founders }, (_, at) => `memory://n${at}`),
      transport: (process) => this.#transportOf(process),
      machine: (process) => {
        const { life, peer } = process
        this.#applied.started(peer)
        return registerMachine((command, { index }, after) => {
          if (process.running && process.life === life) this.#applied.apply(peer, index, command, after)
        })
      },
      warn: (process, code, detail) => {
        this.#note(process.name, `warns ${code}`)
        if (FATAL.has(code)) this.#violate('no assertion fails', `${process.name}: ${code} ${detail}`)
      },
    })
    this.#machines.push(machine)
    this.#workload.add(machine, 2)
    return machine
  }

  #transportOf(process: SimulatedProcess) {
    const { life } = process
    return watched(this.#network.transport(process.name), (to, message, link) => {
      if (process.running && process.life === life) this.#leaving(process, to, message, link)
    })
  }

  #leaving(process: SimulatedProcess, to: SimulatedProcess['peer'], message: RaftMessage, link: Link): void {
    if (this.#traceMessages) this.#note(process.name, `to ${this.#nameOf(to)}: ${textOf(message)}`)
    const { groupId } = process
    if (groupId && !isOnDisk(process.disk.platter(groupId), process.peer, to, message))
      this.#violate(
        'no message leaves before its persist',
        `${process.name} to ${this.#nameOf(to)}: ${textOf(message)}`,
      )
    if (link.queuedBytes > WIRE.linkQueueBytesMax)
      this.#violate('queues within caps', `${process.name}: ${link.queuedBytes} bytes queued`)
    this.#raft.told(process.peer, to, message)
  }

  #nameOf(peer: SimulatedProcess['peer']): string {
    return this.#machines.find((machine) => machine.peer === peer)?.name ?? peer.slice(0, 6)
  }

  #start(machine: SimulatedProcess): void {
    if (machine.running || machine.gone) return
    this.#raft.started(machine.peer)
    this.#note(machine.name, 'starts')
    machine.start()
  }

  #crash(machine: SimulatedProcess, why: string): void {
    if (!machine.running) return
    this.#note(machine.name, why)
    this.#crashes++
    machine.crash()
    this.#network.crash(machine.name)
    this.#workload.lost(machine)
    this.#raft.survives((peer) => this.#platterOf(peer))
    this.#clock.setTimeout(() => this.#start(machine), this.#chance.within(this.#chance.oneOf(RESTARTS_MS)))
  }

  #platterOf(peer: SimulatedProcess['peer']) {
    const machine = this.#machines.find((one) => one.peer === peer)
    const groupId = this.#machines.find((one) => one.groupId)?.groupId
    return machine && groupId ? machine.disk.platter(groupId) : null
  }

  /** Whoever lost its disk is started again, as an operator would. */
  #restartFailed(): void {
    for (const machine of this.#machines) {
      if (machine.group?.status.role === 'failed') this.#crash(machine, 'is ended, as its disk failed')
    }
  }

  // faults

  #stage(): Stage {
    const self = this
    return {
      chance: this.#chance,
      network: this.#network,
      delayMs: this.#delayMs,
      machines: this.#machines.filter(({ gone }) => !gone),
      running: this.#machines.filter(({ running, gone }) => running && !gone),
      get leader() {
        return self.#leader()
      },
      crash: (process, why) => this.#crash(process, why),
      join: () => this.#join(),
      leave: (process) => this.#leave(process),
      stop: (process) => this.#stop(process),
      after: (ms, callback) => void this.#clock.setTimeout(callback, ms),
      note: (who, what) => this.#note(who, what),
    }
  }

  #leader(): SimulatedProcess | null {
    return this.#machines.find(({ group }) => group?.isLeader) ?? null
  }

  #join(): SimulatedProcess | null {
    const guests = this.#machines.length - this.#founders
    if (guests >= GUESTS_MAX) return null
    const guest = this.#addMachine(`g${guests}`, 0)
    this.#start(guest)
    return guest
  }

  #leave(process: SimulatedProcess): void {
    this.#note(process.name, 'leaves')
    const { life } = process
    void process.leave().then(() => {
      if (process.life !== life) return
      this.#note(process.name, 'has left')
      this.#workload.lost(process)
    })
  }

  #stop(process: SimulatedProcess): void {
    this.#note(process.name, 'is told to end')
    const { life } = process
    void process.stop().then(() => {
      if (process.life !== life) return
      this.#note(process.name, 'has ended')
      this.#workload.lost(process)
      this.#clock.setTimeout(() => this.#start(process), this.#chance.within(this.#chance.oneOf(RESTARTS_MS)))
    })
  }

  /** One fault after the other, each from this run's few. */
  #disturb(): void {
    if (!this.#disturbing) return
    if (this.#machines.length > 1 || this.#chance.flip(0.5)) this.#beginOne()
    this.#clock.setTimeout(() => this.#disturb(), this.#haste * this.#chance.within({ min: 50, max: 3_000 }))
  }

  #beginOne(): void {
    const fault = this.#chance.oneOf(this.#faults)
    const stage = this.#stage()
    if (stage.machines.length < 2) return
    const undo = fault.begin(stage)
    if (undo && /parti|isolate/.test(fault.name)) this.#partitions++
    if (!undo || !fault.lastsMs) return
    this.#clock.setTimeout(() => {
      if (!this.#disturbing) return
      this.#note('world', `undoes ${fault.name}`)
      undo()
    }, this.#haste * this.#chance.within(fault.lastsMs))
  }

  #healAll(): void {
    this.#note('world', 'heals all')
    this.#disturbing = false
    this.#network.healAll()
    Object.assign(this.#delayMs, { min: 0, max: 5 })
    for (const machine of this.#machines) {
      machine.disk.calm()
      machine.clock.stop(0)
      machine.clock.skewMs = Math.max(-SKEW_MAX_MS, machine.clock.skewMs)
    }
  }

  // time

  #stampNow(): number {
    this.#stamp = Math.max(this.#stamp + 1, (this.#clock.now() - this.#startMs) * 1_000_000)
    return this.#stamp
  }

  #note(who: string, what: string): void {
    this.#trace.note(this.#clock.now() - this.#startMs, who, what)
  }

  #violate(property: string, detail: string): void {
    if (this.#violation) return
    this.#violation = { property, detail }
    this.#note('check', `VIOLATED ${property}: ${detail}`)
  }

  async #pass(ms: number): Promise<void> {
    const endMs = this.#clock.now() + ms
    await this.#until(() => this.#clock.now() >= endMs, ms)
  }

  /** Steps until `holds`, at most `limitMs`; false where it does not. */
  async #until(holds: () => boolean, limitMs: number): Promise<boolean> {
    const endMs = this.#clock.now() + limitMs
    await turn()
    while (!this.#violation) {
      if (holds()) return true
      if ((this.#clock.nextMs ?? Number.POSITIVE_INFINITY) > endMs) return false
      this.#clock.step()
      this.#steps++
      await turn()
      this.#look()
    }
    return false
  }

  /** After every callback. */
  #look(): void {
    let failed = false
    const { committed } = this.#raft
    for (const { name, peer, group, raft } of this.#machines) {
      if (!group || !raft) continue
      const role = group.status.role
      failed ||= role === 'failed'
      if (this.#raft.look(peer, role, raft.getSnapshot().context) || this.#steps % 16 === 0)
        checkBonds(name, group.actor, group.bonds, (property, detail) => this.#violate(property, detail))
    }
    if (this.#raft.committed > committed) this.#raft.survives((peer) => this.#platterOf(peer))
    if (failed && this.#steps % 64 === 0) this.#restartFailed()
  }

  // the end

  /** SEMANTICS of liveness: once faults stop, ten election timeouts are enough for everything. */
  async #recover(): Promise<void> {
    this.#healAll()
    const limitMs = 10 * (RAFT_TIMING.electionTimeoutMs + RAFT_TIMING.electionJitterMs)
    const led = await this.#until(() => this.#allOnline(), limitMs)
    if (!led && !this.#violation) this.#violate('a leader once faults stop', this.#describe())
    this.#workload.stop()
    const answered = await this.#until(() => this.#workload.open.length === 0, 11_000)
    if (!answered && !this.#violation) this.#violate('all clients answered', this.#workload.open.join(' '))
    const equal = await this.#until(() => this.#allEqual(), limitMs)
    if (!equal && !this.#violation) this.#violate('all members equal', this.#describe())
    const forgotten = await this.#until(() => this.#departedForgotten(), 3 * DISCOVERY.announceIntervalMs)
    if (!forgotten && !this.#violation) this.#violate('departed stay departed', this.#describe())
    const bonded = await this.#until(() => this.#allBonded(), 40_000)
    if (!bonded && !this.#violation) this.#violate('one bond per pair', this.#describe())
  }

  #members(): SimulatedProcess[] {
    return this.#machines.filter(({ gone }) => !gone)
  }

  #allOnline(): boolean {
    const members = this.#members()
    const leaders = new Set(members.map(({ group }) => group?.leader ?? null))
    return leaders.size === 1 && !leaders.has(null) && members.every(({ group }) => group?.status.formed)
  }

  #allEqual(): boolean {
    const members = this.#members()
    const places = new Set(members.map(({ group }) => `${group?.status.applied} ${group?.status.lastIndex}`))
    return places.size === 1 && members.every(({ group }) => (group?.status.applied ?? 0) >= this.#raft.committed)
  }

  #departedForgotten(): boolean {
    const departed = new Set(this.#machines.filter(({ gone }) => gone).map(({ peer }) => peer))
    return this.#members().every(({ peers }) => !peers.some((peer) => departed.has(peer)))
  }

  /** Both ends of each pair hold the same bond. */
  #allBonded(): boolean {
    const members = this.#members()
    return members.every((a) =>
      members.every((b) => {
        const bond = a.group?.bonds.get(b.peer)
        return a === b || (bond !== undefined && bond.id === b.group?.bonds.get(a.peer)?.id)
      }),
    )
  }

  #describe(): string {
    return this.#machines
      .map(({ name, group, gone }) => {
        const status = group?.status
        const bonds = group ? [...group.bonds].map(([peer]) => this.#nameOf(peer)).join('+') : ''
        if (gone || !status) return `${name}: ${gone ? 'gone' : 'down'}`
        const { role, term, leader, committed, applied, lastIndex } = status
        const led = leader ? this.#nameOf(leader) : '-'
        return `${name}: ${role} term ${term} leader ${led} last ${lastIndex} commit ${committed} applied ${applied} bonds ${bonds}`
      })
      .join('; ')
  }

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

function textOf(message: RaftMessage): string {
  if (message.type !== 'AppendEntries') return JSON.stringify(message)
  const { term, prevIndex, prevTerm, commit, round, entries } = message
  return `AppendEntries term ${term} after ${prevIndex}/${prevTerm} commit ${commit} round ${round} entries ${entries.length}`
}
