/**
 * The members of a chaos run: who runs, with which folder, reached by which paths; and what faults do to them.
 *
 * Lifecycle of a member: forked -> opened -> running <-> stopped (SIGSTOP) -> killed -> forked again with the same folder.
 *
 * Invariants: a member has one process at most, for its store has one lease; `close` leaves no process.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Fault } from './faults.ts'
import { CallFailed, MemberProcess } from './member-process.ts'
import { ChaosNetwork } from './network.ts'

const OPEN_TIMEOUT_MS = 30_000
const ONLINE_TIMEOUT_MS = 31_000
const LEADS_TIMEOUT_MS = 500
/** Voters that a group may have at first; the others come as learners. */
const VOTERS_MAX = 5

export interface ClusterOptions {
  readonly members: number
  readonly folder: string
  /** The module of a member's process. */
  readonly module: URL
  readonly note: (text: string) => void
}

export interface Tally {
  kills: number
  cuts: number
  stops: number
  /** Members that ended without being told to. */
  deaths: number
}

export class ChaosCluster {
  readonly tally: Tally = { kills: 0, cuts: 0, stops: 0, deaths: 0 }
  readonly #options: ClusterOptions
  readonly #network: ChaosNetwork
  readonly #processes: (MemberProcess | null)[]
  readonly #opened = new WeakSet<MemberProcess>()
  readonly #secret = randomBytes(32).toString('hex')
  #closed = false

  private constructor(options: ClusterOptions, network: ChaosNetwork) {
    this.#options = options
    this.#network = network
    this.#processes = Array.from({ length: options.members }, () => null)
  }

  static async open(options: ClusterOptions): Promise<ChaosCluster> {
    return new ChaosCluster(options, await ChaosNetwork.open(options.members))
  }

  get members(): readonly number[] {
    return [...this.#processes.keys()]
  }

  /** Starts every member that does not run. */
  async startAll(): Promise<void> {
    await Promise.all(this.members.map((member) => this.start(member)))
  }

  /** Resolves once all are in a group with a leader; rejects `CallFailed`. */
  async online(): Promise<void> {
    await Promise.all(this.members.map((member) => this.process(member)?.call({ type: 'online' }, ONLINE_TIMEOUT_MS)))
  }

  /** The process of a member that runs, stopped or not. */
  process(member: number): MemberProcess | null {
    const process = this.#processes[member]
    return process?.running ? process : null
  }

  /** The process of a member that runs and was opened: it can be asked. */
  opened(member: number): MemberProcess | null {
    const process = this.process(member)
    return process && this.#opened.has(process) ? process : null
  }

  /** Starts a member that does not run; resolves once it listens, or was killed before. */
  async start(member: number): Promise<void> {
    const { folder, module, note, members } = this.#options
    if (this.#closed || this.process(member)) return
    const before = this.#processes[member]
    const own = join(folder, `member-${member + 1}`)
    mkdirSync(own, { recursive: true })
    const process = new MemberProcess(module, {
      note: (text) => note(`member ${member + 1}: ${text}`),
      died: (how) => {
        this.tally.deaths++
        note(`member ${member + 1} ${how}`)
      },
    })
    this.#processes[member] = process
    await before?.exited
    const others = this.members.filter((other) => other !== member)
    const settings = {
      network: 'tessera.chaos',
      secret: this.#secret,
      voters: Math.min(members, VOTERS_MAX),
      folder: own,
      name: nameOf(member),
      routes: Object.fromEntries(others.map((to) => [nameOf(to), this.#network.address(member, to)])),
    }
    try {
      const address = (await process.call({ type: 'open', settings }, OPEN_TIMEOUT_MS)) as string
      this.#opened.add(process)
      if (this.process(member) === process) this.#network.listens(member, Number(new URL(address).port))
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error
      if (this.process(member) !== process) return
      this.tally.deaths++
      note(`member ${member + 1} does not open: ${error.message}`)
      process.kill()
    }
  }

  /** Returns what makes it good again. */
  async inflict(fault: Fault): Promise<() => void | Promise<void>> {
    switch (fault.kind) {
      case 'kill':
        return this.#kill(fault.members)
      case 'killLeader': {
        const leader = await this.#leader()
        return leader === null ? () => undefined : this.#kill([leader])
      }
      case 'stop': {
        const process = this.process(fault.member)
        if (process) this.tally.stops++
        process?.pause()
        return () => process?.resume()
      }
      default:
        if (fault.kind !== 'slow') this.tally.cuts++
        return this.#network.impose(fault.conditions)
    }
  }

  /** Every path is clear, every member runs. */
  async heal(): Promise<void> {
    this.#network.heal()
    for (const process of this.#processes) process?.resume()
    await this.startAll()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#network.close()
    for (const process of this.#processes) process?.kill()
    await Promise.all(this.#processes.map((process) => process?.exited))
  }

  #kill(members: readonly number[]): () => Promise<void> {
    for (const member of members) {
      const process = this.process(member)
      if (!process) continue
      this.tally.kills++
      this.#network.listens(member, null)
      process.kill()
    }
    return async () => {
      await Promise.all(members.map((member) => this.start(member)))
    }
  }

  async #leader(): Promise<number | null> {
    const leads = await Promise.all(
      this.members.map((member) =>
        this.process(member)
          ?.call({ type: 'leads' }, LEADS_TIMEOUT_MS)
          // Whoever does not answer now cannot be told from one that does not lead.
          .catch(() => false),
      ),
    )
    const leader = leads.indexOf(true)
    return leader < 0 ? null : leader
  }
}

/** Members are counted from 1 wherever a person reads of them. */
function nameOf(member: number): string {
  return `ws://member-${member + 1}`
}
