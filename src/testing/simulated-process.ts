/**
 * One simulated machine: an identity and a disk that last, and on it one process after the other, each a whole node with its group.
 *
 * Lifecycle of a process: started -> running (the group is joined) -> crashed, all of it at once | left. `life` counts them.
 */
import type { Group } from '../actors/group.ts'
import { createNode, type TesseraNode } from '../actors/node.ts'
import type { RaftActor } from '../actors/raft.ts'
import type { ErrorCode } from '../errors.ts'
import type { GroupId } from '../identity/digest.ts'
import { GroupKey } from '../identity/group-key.ts'
import { Identity, type PeerId } from '../identity/keys.ts'
import type { Compaction, RaftTiming } from '../limits.ts'
import type { RaftContext } from '../machines/raft/machine.ts'
import type { LeadershipPreference, RaftMessage } from '../machines/raft/messages.ts'
import type { Transport } from '../transport/transport.ts'
import type { Chance, Range } from './chance.ts'
import { ProcessClock, plausible } from './process-clock.ts'
import type { RegisterMachine, SimulatedRegisters } from './register-machine.ts'
import type { SimulatedClock } from './simulated-clock.ts'
import { SimulatedDisk } from './simulated-disk.ts'

const NETWORK = 'simulation'
const KEY = GroupKey.fromSecret(new Uint8Array(32).fill(7))

export interface ProcessDeps {
  readonly name: string
  readonly clock: SimulatedClock
  readonly chance: Chance
  /** How far its clock may be off when it starts; 0: as far as it was. */
  readonly skewMs: number
  /** What a sync of its disk takes. */
  readonly syncMs: Range
  /** 0: it only joins. */
  readonly voters: number
  /** It came after the group was formed, and may leave. */
  readonly isGuest: boolean
  readonly preference: LeadershipPreference
  readonly timing: RaftTiming
  readonly compaction: Compaction
  readonly bootstrap: readonly string[]
  /** The transport of a new process of this machine. */
  readonly transport: (process: SimulatedProcess) => Transport
  readonly machine: (process: SimulatedProcess) => SimulatedRegisters
  readonly warn: (process: SimulatedProcess, code: ErrorCode, detail: string) => void
}

export class SimulatedProcess {
  readonly name: string
  readonly peer: PeerId
  readonly disk: SimulatedDisk
  /** Called once, when the next message of this type is about to leave. */
  crashAtMessage: { readonly type: RaftMessage['type']; readonly crash: () => void } | null = null
  readonly #deps: ProcessDeps
  readonly #identity: Identity
  #clock: ProcessClock
  #node: TesseraNode | null = null
  #group: Group<RegisterMachine> | null = null
  #machine: SimulatedRegisters | null = null
  #groupId: GroupId | null = null
  #life = 0
  #running = false
  #gone = false

  constructor(deps: ProcessDeps) {
    this.#deps = deps
    this.name = deps.name
    this.#identity = Identity.fromSeed(deps.chance.bytes(32), 'fixed')
    this.peer = this.#identity.peer
    this.disk = new SimulatedDisk(deps.chance.fork(), deps.syncMs)
    this.#clock = new ProcessClock(deps.clock, 0)
  }

  get clock(): ProcessClock {
    return this.#clock
  }
  /** Null while no process runs, or it has not joined yet. */
  get group(): Group<RegisterMachine> | null {
    return this.#running ? this.#group : null
  }
  /** Known since it first joined, and kept. */
  get groupId(): GroupId | null {
    return this.#groupId
  }
  get life(): number {
    return this.#life
  }
  get running(): boolean {
    return this.#running
  }
  get isGuest(): boolean {
    return this.#deps.isGuest
  }
  /** It was told to leave for good: whatever comes of that, it does not come back. */
  get gone(): boolean {
    return this.#gone
  }
  /** Whom its node takes for present in the network. */
  get peers(): readonly PeerId[] {
    return this.#running ? (this.#node?.peers ?? []).map(({ peer }) => peer) : []
  }
  get raft(): RaftActor | null {
    return (this.group?.actor.getSnapshot().children.raft as RaftActor | undefined) ?? null
  }
  get context(): RaftContext | null {
    return this.raft?.getSnapshot().context ?? null
  }
  /** What its state machine holds, as text. */
  get registers(): string | null {
    return this.group && this.#machine ? this.#machine.text() : null
  }
  get address(): string {
    return `memory://${this.name}`
  }

  start(): void {
    if (this.#running || this.#gone) return
    const { clock, chance, skewMs, voters, preference, timing, compaction, transport, machine, warn } = this.#deps
    const life = ++this.#life
    this.#running = true
    this.#clock = new ProcessClock(
      clock,
      skewMs > 0 ? chance.within({ min: -skewMs, max: skewMs }) : plausible(this.#clock.skewMs),
    )
    const own = this.#clock
    const random = chance.fork()
    createNode({
      network: NETWORK,
      listen: this.address,
      bootstrap: this.#deps.bootstrap.filter((address) => address !== this.address),
      identity: this.#identity,
      storage: this.disk.storage(own),
      transport: transport(this),
      clock: own,
      random: () => random.uint32(),
      warn: (code, detail) => {
        if (this.#running && this.#life === life) warn(this, code, detail)
      },
    }).then(
      (node) => {
        if (!this.#running || this.#life !== life) return
        this.#node = node
        this.#machine = machine(this)
        this.#group = node.join({ key: KEY, machine: this.#machine, voters, preference, timing, compaction })
        this.#groupId = this.#group.id
      },
      (error: unknown) => {
        if (this.#running && this.#life === life) warn(this, 'Unexpected', String(error))
      },
    )
  }

  /** No fault holds it any more. */
  calm(): void {
    this.disk.calm()
    this.#clock.stop(0)
    this.#clock.skewMs = plausible(this.#clock.skewMs)
    this.crashAtMessage = null
  }

  /** All of it is gone at once. The network must be told apart. */
  crash(): void {
    if (!this.#running) return
    this.#running = false
    this.crashAtMessage = null
    this.#clock.kill()
    this.disk.crash()
    this.#node = null
    this.#group = null
  }

  /** Leaves the group and the network for good, and ends; false where it was ended before it had done so. */
  async leave(): Promise<boolean> {
    this.#gone = true
    await this.#group?.leave()
    return this.stop()
  }

  /** Ends as a program does that is told to: cleanly, and to come back as the same member; false where it was ended before. */
  async stop(): Promise<boolean> {
    const life = this.#life
    await this.#node?.stop()
    if (!this.#running || this.#life !== life) return false
    this.crash()
    return true
  }
}
