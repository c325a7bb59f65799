/**
 * A machine of a test: an identity and a disk that last, and on it one process after the other, each a whole node with one group. What
 * leaves it for its peers is seen, so that a test can hold a process to what the one before it said.
 */
import type { Group } from '../../src/actors/group.ts'
import { createNode, type TesseraNode } from '../../src/actors/node.ts'
import type { JoinOptions } from '../../src/actors/options.ts'
import type { RaftActor } from '../../src/actors/raft.ts'
import { Identity, type PeerId } from '../../src/identity/keys.ts'
import type { RaftMessage } from '../../src/machines/raft/messages.ts'
import { Chance } from '../../src/testing/chance.ts'
import { ProcessClock } from '../../src/testing/process-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { watched } from '../../src/testing/watched-transport.ts'
import { counter, KEY, NETWORK, type World } from './world.ts'

type JoinExtras = Pick<JoinOptions<ReturnType<typeof counter>>, 'compaction'>
export type CounterGroup = Group<ReturnType<typeof counter>>

interface Running {
  readonly clock: ProcessClock
  readonly node: TesseraNode
  readonly group: CounterGroup
}

export class Machine {
  readonly disk: SimulatedDisk
  readonly peer: PeerId
  /** Everything its processes told its peers. */
  readonly told: { readonly to: PeerId; readonly message: RaftMessage }[] = []
  readonly #world: World
  readonly #name: string
  readonly #voters: number
  readonly #identity: Identity
  readonly #chance: Chance
  readonly #options: JoinExtras
  #running: Running | null = null
  #place: string
  #heard = () => {}

  constructor(world: World, name: string, voters: number, seed: number, options: JoinExtras = {}) {
    this.#options = options
    this.#world = world
    this.#name = name
    this.#place = name
    this.#voters = voters
    this.#chance = new Chance(seed, name.charCodeAt(name.length - 1))
    this.#identity = Identity.fromSeed(this.#chance.bytes(32), 'fixed')
    this.peer = this.#identity.peer
    this.disk = new SimulatedDisk(this.#chance.fork(), { min: 0, max: 2 })
  }

  get runs(): boolean {
    return this.#running !== null
  }
  get place(): string {
    return this.#place
  }
  get node(): TesseraNode {
    return this.#now.node
  }
  get group(): CounterGroup {
    return this.#now.group
  }
  get raft(): RaftActor {
    return this.group.actor.getSnapshot().children.raft as unknown as RaftActor
  }

  get #now(): Running {
    if (!this.#running) throw new Error(`${this.#name} does not run`)
    return this.#running
  }

  /** A process at `memory://<place>` that knows the machines at `others`. */
  async start(others: readonly string[], place = this.#name): Promise<void> {
    const clock = new ProcessClock(this.#world.clock, 0)
    const random = this.#chance.fork()
    const node = await this.#world.until(
      createNode({
        network: NETWORK,
        listen: `memory://${place}`,
        bootstrap: others.map((other) => `memory://${other}`),
        identity: this.#identity,
        storage: this.disk.storage(clock),
        transport: watched(this.#world.network.transport(place), (to, message) => {
          this.told.push({ to, message })
          this.#heard()
        }),
        clock,
        random: () => random.uint32(),
        warn: (code) => this.#world.warnings.push(code),
      }),
    )
    this.#place = place
    this.#running = {
      clock,
      node,
      group: node.join({ key: KEY, machine: counter(), voters: this.#voters, ...this.#options }),
    }
  }

  /** SIGKILL: the process is gone, its peers' links break at once. */
  kill(): void {
    this.vanish()
    this.#world.network.crash(this.#place)
  }

  /** The power goes: nothing of the process is left, and nobody is told, not even by a broken link. */
  vanish(): void {
    this.#now.clock.kill()
    this.#running = null
    this.disk.crash()
  }

  /** Kills its process as soon as it has told its peers this many messages in all; resolves then. */
  killedAfterTelling(messages: number): Promise<void> {
    return new Promise((resolve) => {
      this.#heard = () => {
        if (this.told.length < messages || !this.runs) return
        this.#heard = () => {}
        queueMicrotask(() => {
          this.kill()
          resolve()
        })
      }
    })
  }

  /** The process ends by itself; the member is to come back. */
  async stop(): Promise<void> {
    const { node } = this
    await node.stop()
    this.#running = null
  }
}

/** Some machines that are one group. */
export class Machines {
  readonly all: readonly Machine[]
  readonly #world: World

  constructor(world: World, size: number, seed: number, options: JoinExtras = {}) {
    this.#world = world
    this.all = Array.from({ length: size }, (_, at) => new Machine(world, `m${at}`, size, seed, options))
  }

  static async formed(world: World, size: number, seed: number, options: JoinExtras = {}): Promise<Machines> {
    const machines = new Machines(world, size, seed, options)
    for (const machine of machines.all) await machines.start(machine)
    await world.until(Promise.all(machines.all.map(({ group }) => group.when.online())))
    return machines
  }

  get running(): Machine[] {
    return this.all.filter(({ runs }) => runs)
  }
  get leader(): Machine {
    return this.running.find(({ group }) => group.isLeader) as Machine
  }
  get followers(): Machine[] {
    return this.running.filter(({ group }) => !group.isLeader)
  }
  get peers(): PeerId[] {
    return this.all.map(({ peer }) => peer).sort()
  }

  async start(machine: Machine, place?: string): Promise<void> {
    const others = this.all.filter((other) => other !== machine).map((other) => other.place)
    await machine.start(others, place)
  }

  /** Each command a `{ add: 1 }`, on any member. */
  async add(count: number, on = this.running[0] as Machine): Promise<void> {
    await this.#world.until(on.group.executeMany(Array.from({ length: count }, () => ({ add: 1 }))))
  }

  /** Resolves with what each running member has applied, once each has applied all that is committed. */
  async totals(): Promise<number[]> {
    await this.#world.until(Promise.all(this.running.map(({ group }) => group.when.online())))
    const committed = await Promise.all(this.running.map(({ group }) => this.#world.until(group.query('total'))))
    return committed.map(({ answer }) => answer)
  }

  async stop(): Promise<void> {
    await this.#world.until(Promise.all(this.running.map((machine) => machine.stop())))
  }
}
