/**
 * Clients: each sits at one member and does one operation at a time there, as a user of `Group` would. What they did becomes the history
 * that is checked for linearizability; every answer is also compared, when it comes, with the log place it claims.
 *
 * An operation whose process crashed has an unknown outcome, as one has that was given up.
 */
import { TesseraError } from '../errors.ts'
import type { Chance, Range } from './chance.ts'
import type { AppliedChecker } from './check-applied.ts'
import type { HistoryOp } from './linearizability.ts'
import type { RegisterCommand, RegisterResult } from './register-machine.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { Violate } from './violation.ts'

/** More than others commit until a leader that was cut off is heard again. */
const FLOOD: Range = { min: 20, max: 150 }
/** A client that gives up soon leaves a command behind whose fate nobody knows. */
const DEADLINES_MS = [100, 3_000, 6_000, 10_000] as const

/** What may be asked, and how often. */
const OPERATIONS = [
  { kind: 'set', weight: 4 },
  { kind: 'add', weight: 4 },
  /** Several adds at once: a leader that is cut off gathers a long tail of them. */
  { kind: 'burst', weight: 2 },
  { kind: 'cas', weight: 4 },
  { kind: 'strong', weight: 5 },
  { kind: 'weak', weight: 2 },
  { kind: 'fail', weight: 1 },
] as const

type Kind = (typeof OPERATIONS)[number]['kind']

export interface WorkloadDeps {
  readonly chance: Chance
  readonly applied: AppliedChecker
  readonly violate: Violate
  /** Later at each call, in simulated nanoseconds. */
  readonly stamp: () => number
  /** The highest index that anyone has committed. */
  readonly committed: () => number
  readonly setTimeout: (callback: () => void, delayMs: number) => void
  readonly note: (who: string, what: string) => void
  /** Between two operations of one client. */
  readonly pauseMs: Range
  readonly registers: number
  /** How many commands a client may ask at once. */
  readonly burst: Range
}

interface Running {
  readonly life: number
  readonly record: Omit<HistoryOp, 'outcome' | 'result' | 'end_ns'> | null
  /** Calls without an answer. */
  open: number
}

export class Workload {
  readonly history: HistoryOp[] = []
  readonly #deps: WorkloadDeps
  readonly #clients: SimulatedClient[] = []
  /** Ids of commands that were handed back untouched. */
  readonly refused: string[] = []
  #asking = true
  #commands = 0

  constructor(deps: WorkloadDeps) {
    this.#deps = deps
  }

  get deps(): WorkloadDeps {
    return this.#deps
  }
  get asking(): boolean {
    return this.#asking
  }
  /** Operations that have no outcome yet. */
  get open(): readonly string[] {
    return this.#clients.filter(({ busy }) => busy).map(({ name }) => name)
  }
  get answered(): number {
    return this.history.filter(({ outcome }) => outcome === 'ok').length
  }

  add(process: SimulatedProcess, count: number): void {
    for (let at = 0; at < count; at++) {
      const client = new SimulatedClient(this, process, `${process.name}.${at}`)
      this.#clients.push(client)
      client.askLater()
    }
  }

  /** Operations begin. */
  ask(): void {
    this.#asking = true
  }

  /** No further operation begins. */
  rest(): void {
    this.#asking = false
  }

  /** The clients of `process` ask for many things at once. */
  flood(process: SimulatedProcess): void {
    for (const client of this.#clients) if (client.process === process) client.flood()
  }

  /** `process` has crashed or left. */
  lost(process: SimulatedProcess): void {
    for (const client of this.#clients) if (client.process === process) client.lost()
  }

  nextId(): string {
    return `c${++this.#commands}`
  }

  /** Values are never used twice, so that each can be traced to its write. */
  nextValue(): number {
    return ++this.#commands
  }
}

function chosen(chance: Chance): Kind {
  let left = chance.below(OPERATIONS.reduce((sum, { weight }) => sum + weight, 0))
  for (const { kind, weight } of OPERATIONS) {
    left -= weight
    if (left < 0) return kind
  }
  return 'strong'
}

class SimulatedClient {
  readonly process: SimulatedProcess
  readonly name: string
  readonly #workload: Workload
  #running: Running | null = null
  /** It asks when its pause is over; never twice at a time, however many operations end meanwhile. */
  #pauses = false
  /** What this client read last, by key: what it swaps from. */
  readonly #known = new Map<string, number | null>()
  #weakLife = 0
  #weakIndex = 0

  constructor(workload: Workload, process: SimulatedProcess, name: string) {
    this.#workload = workload
    this.process = process
    this.name = name
  }

  get busy(): boolean {
    return this.#running !== null
  }

  askLater(): void {
    if (this.#pauses) return
    this.#pauses = true
    const { setTimeout, chance, pauseMs } = this.#workload.deps
    setTimeout(() => {
      this.#pauses = false
      this.#ask()
    }, chance.within(pauseMs))
  }

  lost(): void {
    if (!this.#running) return
    this.#running.open = 1
    this.#end(this.#running, 'unknown', null)
  }

  #ask(): void {
    const { chance, registers, burst } = this.#workload.deps
    if (!this.#workload.asking || !this.process.group || this.#running) return this.askLater()
    const kind = chosen(chance)
    const key = `${kind === 'add' || kind === 'burst' ? 'sum' : 'register'}${chance.below(registers)}`
    if (kind === 'strong') this.#read(key)
    else if (kind === 'weak') this.#readWeakly(key)
    else if (kind !== 'burst') this.#execute([this.#command(kind, key)])
    else this.#addMany(key, chance.within(burst))
  }

  flood(): void {
    if (this.#running || !this.process.group || !this.#workload.asking) return
    this.#addMany('sum0', this.#workload.deps.chance.within(FLOOD))
  }

  #addMany(key: string, count: number): void {
    this.#execute(Array.from({ length: count }, () => this.#command('add', key)))
  }

  #command(kind: 'set' | 'add' | 'cas' | 'fail', key: string): RegisterCommand {
    const id = this.#workload.nextId()
    if (kind === 'set') return { type: 'set', id, key, value: this.#workload.nextValue() }
    if (kind === 'add') return { type: 'add', id, key, by: 1 }
    if (kind === 'fail') return { type: 'fail', id, key }
    return { type: 'cas', id, key, from: this.#known.get(key) ?? null, to: this.#workload.nextValue() }
  }

  #begin(record: Pick<HistoryOp, 'op' | 'key' | 'args'> | null, open = 1): Running {
    const start_ns = this.#workload.deps.stamp()
    this.#running = { life: this.process.life, record: record && { client: this.name, ...record, start_ns }, open }
    return this.#running
  }

  #end(running: Running, outcome: HistoryOp['outcome'], result: unknown): void {
    if (running !== this.#running || --running.open > 0) return
    this.#running = null
    const { history, deps } = this.#workload
    if (running.record) history.push({ ...running.record, end_ns: deps.stamp(), outcome, result })
    this.askLater()
  }

  /** Several only of kinds that have no record. */
  #execute(commands: readonly RegisterCommand[]): void {
    const { note, chance } = this.#workload.deps
    const { group } = this.process
    const [first] = commands
    if (!group || !first) return
    const running = this.#begin(recordOf(first), commands.length)
    const timeoutMs = chance.oneOf(DEADLINES_MS)
    for (const command of commands) {
      note(this.name, `asks ${textOf(command)}`)
      group.execute(command, { timeoutMs }).then(
        ({ index, result }) => this.#executed(running, command, index, result),
        (error: unknown) => this.#rejected(running, command, error),
      )
    }
  }

  #executed(running: Running, command: RegisterCommand, index: number, result: RegisterResult): void {
    if (running !== this.#running) return
    const { applied, violate, note } = this.#workload.deps
    note(this.name, `has ${command.id} at ${index}: ${result}`)
    if (applied.placeOf(command.id) !== index)
      violate(
        'each call has its own result',
        `${command.id} took effect at ${applied.placeOf(command.id)}, its caller was told ${index}`,
      )
    const before = applied.valueAt(command.key, index - 1)
    const right =
      command.type === 'cas' ? before === command.from : command.type === 'add' ? (before ?? 0) + command.by : null
    if (command.type === 'fail' || result !== right)
      violate('each call has its own result', `${textOf(command)} at ${index} gave ${result}, not ${right}`)
    if (command.type === 'set') this.#known.set(command.key, command.value)
    if (command.type === 'cas' && result === true) this.#known.set(command.key, command.to)
    this.#end(running, 'ok', result)
  }

  #rejected(running: Running, command: RegisterCommand, error: unknown): void {
    if (running !== this.#running) return
    const { applied, violate, note } = this.#workload.deps
    const code = error instanceof TesseraError ? error.code : String(error)
    note(this.name, `has no answer to ${command.id}: ${code}`)
    if (code === 'CommandFailed') {
      if (command.type !== 'fail')
        violate('each call has its own result', `${textOf(command)} failed: ${String(error)}`)
      else if (applied.placeOf(command.id) === undefined)
        violate('each call has its own result', `${command.id} failed without being applied`)
      return this.#end(running, 'ok', null)
    }
    if (code === 'Busy') this.#workload.refused.push(command.id)
    this.#end(running, code === 'Busy' ? 'fail' : 'unknown', null)
  }

  #read(key: string): void {
    const { note, committed, violate } = this.#workload.deps
    const { group } = this.process
    if (!group) return
    const least = committed()
    const running = this.#begin({ op: 'get', key, args: [] })
    note(this.name, `asks ${key}`)
    group.query({ key }, { consistency: 'strong', timeoutMs: 6_000 }).then(
      ({ answer, index }) => {
        if (running !== this.#running) return
        note(this.name, `has ${key} at ${index}: ${answer}`)
        if (index < least)
          violate('strong reads are fresh', `${this.name} read at ${index}, and ${least} was committed before`)
        this.#compare(key, index, answer)
        this.#known.set(key, answer)
        this.#end(running, 'ok', answer)
      },
      () => {
        if (running !== this.#running) return
        note(this.name, `has no answer to ${key}`)
        this.#end(running, 'fail', null)
      },
    )
  }

  /** Monotone within one life of the member. */
  #readWeakly(key: string): void {
    const { group, life } = this.process
    const { violate } = this.#workload.deps
    if (!group) return
    const running = this.#begin(null)
    group.query({ key }, { consistency: 'weak' }).then(
      ({ answer, index }) => {
        if (running !== this.#running) return
        if (life === this.#weakLife && index < this.#weakIndex)
          violate('weak reads monotone', `${this.name} read at ${index} after ${this.#weakIndex}`)
        this.#weakLife = life
        this.#weakIndex = index
        this.#compare(key, index, answer)
        this.#end(running, 'ok', answer)
      },
      () => this.#end(running, 'fail', null),
    )
  }

  #compare(key: string, index: number, answer: number | null): void {
    const right = this.#workload.deps.applied.valueAt(key, index)
    if (answer !== right)
      this.#workload.deps.violate(
        'answers belong to their index',
        `${key} at ${index} is ${right}, ${this.name} read ${answer}`,
      )
  }
}

/** Sums are checked by their places; a register's history must be linearizable. */
function recordOf(command: RegisterCommand): Pick<HistoryOp, 'op' | 'key' | 'args'> | null {
  if (command.type === 'set') return { op: 'set', key: command.key, args: [command.value] }
  if (command.type === 'cas') return { op: 'cas', key: command.key, args: [command.from, command.to] }
  return null
}

function textOf({ type, id, key, ...rest }: RegisterCommand): string {
  return `${id} ${type} ${key} ${Object.values(rest).join(' ')}`.trim()
}
