/**
 * The machines of a simulation, the network between them, and the checkers that look on: who runs, what ends it and brings it back, and
 * what is looked at after every callback of the clock.
 */
import type { ErrorCode } from '../errors.ts'
import { WIRE } from '../limits.ts'
import type { Proposal, RaftMessage } from '../machines/raft/messages.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../transport/memory.ts'
import type { Link } from '../transport/transport.ts'
import type { Chance, Range } from './chance.ts'
import type { AppliedChecker } from './check-applied.ts'
import { BondsChecker } from './check-bonds.ts'
import { isOnDisk, isVoteOnDisk } from './check-persisted.ts'
import type { RaftChecker } from './check-raft.ts'
import type { Loss } from './faults/fault.ts'
import type { Plan } from './plan.ts'
import { registerMachine } from './register-machine.ts'
import type { SimulatedClock } from './simulated-clock.ts'
import type { Platter } from './simulated-disk.ts'
import { SimulatedProcess } from './simulated-process.ts'
import type { Violate } from './violation.ts'
import { watched } from './watched-transport.ts'
import type { Workload } from './workload.ts'

/** One life of a process that took somebody's goodbye. */
interface Witness {
  readonly process: SimulatedProcess
  readonly life: number
}

export interface WorldDeps {
  readonly seed: number
  readonly plan: Plan
  readonly chance: Chance
  readonly clock: SimulatedClock
  readonly raft: RaftChecker
  readonly applied: AppliedChecker
  readonly workload: Workload
  readonly violate: Violate
  readonly note: (who: string, what: string | (() => string)) => void
  /** Each message that leaves is noted too. */
  readonly notesMessages: boolean
}

/** Machines that come later, whatever becomes of them. */
const GUESTS_MAX = 3
const CLIENTS_PER_MACHINE = 2
/** Who is longer about leaving was cut off, or stopped until its deadlines had passed. */
const PROMPT_MS = 1_000
/** A process that ended is started again after one of these: while the others still elect, when they have, or long after. */
const RESTARTS_MS: readonly Range[] = [
  { min: 5, max: 150 },
  { min: 5, max: 150 },
  { min: 150, max: 4_000 },
  { min: 150, max: 4_000 },
  { min: 4_000, max: 15_000 },
]
/** In a calm: for whoever was told to end before it, or hears only now that its disk had failed. */
const PROMPT_RESTARTS_MS: readonly Range[] = [{ min: 5, max: 150 }]
/** Warnings that no run may give. */
const FATAL: ReadonlySet<ErrorCode> = new Set(['ProtocolAssertion', 'RivalGroup', 'Unexpected'])

export class SimulatedWorld {
  readonly network: MemoryNetwork
  /** Of each delivery; faults change it in place. */
  readonly delayMs = { min: 0, max: 5 }
  /** Changed in place too. */
  readonly lost: Loss = { share: 0, fromBytes: 0 }
  /** Who said goodbye without hindrance, and who took it: nobody may bring these back while one of those lives. */
  readonly departed = new Map<SimulatedProcess, readonly Witness[]>()
  /** All there ever were. */
  readonly machines: SimulatedProcess[] = []
  readonly #deps: WorldDeps
  readonly #bonds: BondsChecker
  #looks = 0
  #crashes = 0
  #restartsMs = RESTARTS_MS

  constructor(deps: WorldDeps) {
    this.#deps = deps
    const { seed, clock, violate } = deps
    this.#bonds = new BondsChecker(violate)
    this.network = createMemoryNetwork({ seed, clock, encrypted: false, delayMs: this.delayMs })
  }

  get crashes(): number {
    return this.#crashes
  }
  /** Those that have not left for good. */
  get members(): SimulatedProcess[] {
    return this.machines.filter(({ gone }) => !gone)
  }
  get leader(): SimulatedProcess | null {
    return this.machines.find(({ group }) => group?.isLeader) ?? null
  }

  nameOf(peer: SimulatedProcess['peer']): string {
    return this.machines.find((machine) => machine.peer === peer)?.name ?? peer.slice(0, 6)
  }

  // machines

  /** The first machines, which form the group. */
  found(): void {
    const { founders, voters } = this.#deps.plan
    for (let at = 0; at < founders; at++) this.#add(`n${at}`, voters)
    for (const machine of this.machines) this.start(machine)
  }

  /** A machine more, which only joins; null where there are enough. */
  join(): SimulatedProcess | null {
    const guests = this.machines.length - this.#deps.plan.founders
    if (guests >= GUESTS_MAX) return null
    const guest = this.#add(`g${guests}`, 0)
    this.start(guest)
    return guest
  }

  start(machine: SimulatedProcess): void {
    if (machine.running || machine.gone) return
    this.#deps.raft.started(machine.peer)
    this.#deps.note(machine.name, 'starts')
    machine.start()
  }

  crash(machine: SimulatedProcess, why: string): void {
    if (!machine.running) return
    const { note, workload } = this.#deps
    note(machine.name, why)
    this.#crashes++
    machine.crash()
    this.network.crash(machine.name)
    workload.lost(machine)
    this.#survives()
    this.#forgetsDeparted()
    this.#startLater(machine)
  }

  leave(process: SimulatedProcess): void {
    this.#ends(process, () => process.leave(), ['leaves', 'has left'])
  }

  stop(process: SimulatedProcess): void {
    this.#ends(process, () => process.stop(), ['is told to end', 'has ended'])
  }

  /** In its own time, and whoever is not gone for good comes back. */
  #ends(process: SimulatedProcess, end: () => Promise<boolean>, [told, ended]: readonly [string, string]): void {
    const { note, workload, clock } = this.#deps
    const sinceMs = clock.now()
    const unhindered = this.lost.share === 0
    note(process.name, told)
    void end().then((byItself) => {
      // Who crashed over its goodbye has told nobody of it, or not all.
      if (!byItself) return
      note(process.name, ended)
      if (process.gone && unhindered && clock.now() - sinceMs < PROMPT_MS && this.#isHeard(process))
        this.departed.set(process, this.#witnesses(process))
      this.#forgetsDeparted()
      workload.lost(process)
      this.#startLater(process)
    })
  }

  /** Over their bonds most others know that it went; one that was cut off has said goodbye to nobody. */
  #isHeard({ peer }: SimulatedProcess): boolean {
    const others = this.members.filter(({ group }) => group !== null)
    return others.filter(({ context }) => context?.membership.departed.has(peer)).length * 2 > others.length
  }

  /** To a clock that was set back a tombstone is of the future, and refused. */
  #witnesses({ peer }: SimulatedProcess): Witness[] {
    const told = this.members.filter(
      ({ context, clock }) => context?.membership.departed.has(peer) && clock.isPlausible,
    )
    return told.map((process) => ({ process, life: process.life }))
  }

  /** A catalog is in memory: with the last that took a tombstone may end what the network knows of that goodbye. */
  #forgetsDeparted(): void {
    for (const [process, witnesses] of this.departed)
      if (!witnesses.some(({ process: { running, life }, life: told }) => running && life === told))
        this.departed.delete(process)
  }

  #startLater(machine: SimulatedProcess): void {
    const { clock, chance } = this.#deps
    clock.setTimeout(() => this.start(machine), chance.within(chance.oneOf(this.#restartsMs)))
  }

  /** Whoever lost its disk is started again, as an operator would; one that leaves can do so without. */
  restartFailed(): void {
    for (const machine of this.machines) {
      if (!machine.gone && machine.group?.status.role === 'failed') this.crash(machine, 'is ended, as its disk failed')
    }
  }

  /** From now on whoever ends may be away for long. */
  disturb(): void {
    this.#restartsMs = RESTARTS_MS
  }

  /** Nothing is in the way any more, and everyone who has not left runs. */
  heal(): void {
    this.#deps.note('world', 'heals all')
    this.#restartsMs = PROMPT_RESTARTS_MS
    this.network.healAll()
    Object.assign(this.delayMs, { min: 0, max: 5 })
    this.lost.share = 0
    for (const machine of this.machines) {
      machine.calm()
      this.start(machine)
    }
  }

  #add(name: string, voters: number): SimulatedProcess {
    const { chance, clock, plan, workload } = this.#deps
    const machine = new SimulatedProcess({
      name,
      clock,
      chance: chance.fork(),
      voters,
      skewMs: plan.skewMs,
      syncMs: plan.syncMs,
      isGuest: voters === 0,
      preference: voters === 0 ? chance.oneOf(['normal', 'reluctant', 'observer']) : 'normal',
      timing: plan.timing,
      compaction: plan.compaction,
      bootstrap: Array.from({ length: plan.founders }, (_, at) => `memory://n${at}`),
      transport: (process) => this.#transportOf(process),
      machine: (process) => this.#registersOf(process),
      warn: (process, code, detail) => this.#warned(process, code, detail),
    })
    this.machines.push(machine)
    workload.add(machine, CLIENTS_PER_MACHINE)
    return machine
  }

  #registersOf(process: SimulatedProcess) {
    const { applied, plan, note, violate } = this.#deps
    const { life, peer, name } = process
    const isAlive = () => process.running && process.life === life
    applied.started(peer)
    return registerMachine({
      ballastBytes: plan.ballastBytes,
      applied: (command, { index }, after) => {
        if (isAlive()) applied.apply(peer, index, command, after)
      },
      spoilt: () => violate('state machine safety', `${name} restored a snapshot that is damaged`),
      restored: (state) => {
        if (!isAlive()) return
        note(name, `restores the registers of ${state.index}`)
        applied.restored(peer, state)
      },
    })
  }

  #warned({ name }: SimulatedProcess, code: ErrorCode, detail: string): void {
    const { note, violate } = this.#deps
    note(name, `warns ${code}`)
    if (FATAL.has(code)) violate('no assertion fails', `${name}: ${code} ${detail}`)
  }

  // what is looked at

  #transportOf(process: SimulatedProcess) {
    const { life } = process
    return watched(
      this.network.transport(process.name),
      (to, message, link) => {
        if (process.running && process.life === life) this.#leaving(process, to, message, link)
      },
      (bytes) => this.lost.share > 0 && bytes >= this.lost.fromBytes && this.#deps.chance.flip(this.lost.share),
    )
  }

  #leaving(process: SimulatedProcess, to: SimulatedProcess['peer'], message: RaftMessage, link: Link): void {
    const { raft, note, notesMessages, violate } = this.#deps
    const { name, peer, groupId, disk } = process
    const text = () => `to ${this.nameOf(to)}: ${textOf(message)}`
    if (process.crashAtMessage?.type === message.type) return process.crashAtMessage.crash()
    if (notesMessages) note(name, text)
    if (groupId && !isOnDisk(disk.platter(groupId), peer, to, message))
      violate('no message leaves before its persist', `${name} ${text()}`)
    if (link.queuedBytes > WIRE.linkQueueBytesMax)
      violate('queues within caps', `${name}: ${link.queuedBytes} bytes queued`)
    raft.told(peer, to, message)
  }

  /** After every callback. */
  look(): void {
    const { raft, violate } = this.#deps
    this.#looks++
    let failed = false
    const { committed } = raft
    for (const { name, peer, disk, group, raft: actor } of this.machines) {
      if (!group || !actor) continue
      const { role } = group.status
      failed ||= role === 'failed'
      const { context } = actor.getSnapshot()
      raft.look(peer, role, context)
      if (role === 'leader' && !isVoteOnDisk(disk.platter(group.id), peer, context.term))
        violate('no leader before its vote is on disk', `${name} leads term ${context.term}`)
      this.#bonds.look(name, group.actor, group.bonds, this.#looks % 16 === 0)
    }
    if (raft.committed > committed) this.#survives()
    if (failed && this.#looks % 64 === 0) this.restartFailed()
  }

  #survives(): void {
    this.#deps.raft.survives((peer) => this.#platterOf(peer))
  }

  #platterOf(peer: SimulatedProcess['peer']): Platter | null {
    const machine = this.machines.find((one) => one.peer === peer)
    const groupId = this.machines.find((one) => one.groupId)?.groupId
    return machine && groupId ? machine.disk.platter(groupId) : null
  }
}

function textOf(message: RaftMessage): string {
  if (message.type === 'AppendEntries') {
    const { term, prevIndex, prevTerm, commit, round, entries } = message
    return `AppendEntries term ${term} after ${prevIndex}/${prevTerm} commit ${commit} round ${round} entries ${entries.length}`
  }
  if (message.type === 'Propose') return `Propose ${message.proposals.map(proposalText).join(', ')}`
  if (message.type !== 'InstallSnapshot') return JSON.stringify(message)
  const { term, snapshot, chunk } = message
  return `InstallSnapshot term ${term} of ${snapshot.index}/${snapshot.term} chunk ${chunk} of ${snapshot.chunks}`
}

function proposalText(proposal: Proposal): string {
  if (proposal.kind === 'session') return `session ${proposal.nonce}`
  const { session, sequence, count } = proposal
  return `${count} from ${session}/${sequence} on`
}
