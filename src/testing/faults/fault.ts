/** The form of a fault: it begins at some moment and, where it lasts, is undone some time later. */
import type { RaftMessage } from '../../machines/raft/messages.ts'
import type { MemoryNetwork } from '../../transport/memory.ts'
import type { Chance, Range } from '../chance.ts'
import type { SimulatedProcess } from '../simulated-process.ts'

/** Links that are full: a share of what is sent finds no room, but what is smaller than `fromBytes` always does. */
export interface Loss {
  share: number
  fromBytes: number
}

/** What a fault may touch. */
export interface Stage {
  readonly chance: Chance
  readonly network: MemoryNetwork
  /** Of each delivery; changed in place. */
  readonly delayMs: { min: number; max: number }
  /** What links refuse of the messages between members; changed in place. */
  readonly lost: Loss
  /** The machines that take part, running or not. */
  readonly machines: readonly SimulatedProcess[]
  readonly running: readonly SimulatedProcess[]
  readonly leader: SimulatedProcess | null
  crash(process: SimulatedProcess, why: string): void
  /** A machine more, which only joins; null where there are enough. */
  join(): SimulatedProcess | null
  leave(process: SimulatedProcess): void
  stop(process: SimulatedProcess): void
  /** Its clients ask for many things at once, now. */
  flood(process: SimulatedProcess): void
  after(ms: number, callback: () => void): void
  /** After so many callbacks of the clock, whosever they are. */
  afterSteps(steps: number, callback: () => void): void
  note(who: string, what: string): void
}

export interface Fault {
  readonly name: string
  /** How long until it is undone; absent where nothing is to be undone. */
  readonly lastsMs?: Range
  /** It is counted as a partition. */
  readonly parts?: boolean
  /** Returns what undoes it; null where it cannot happen now. */
  readonly begin: (stage: Stage) => (() => void) | null
}

export type MessageType = RaftMessage['type']

export const nothing = (): void => {}

/** Two machines; null where there is only one. */
export function twoOf({ chance, machines }: Stage): readonly [SimulatedProcess, SimulatedProcess] | null {
  const [a, b] = chance.shuffled(machines)
  return a && b ? [a, b] : null
}

/** A fault that comes over one machine that runs, the leader as often as any. */
export function comesOver(name: string, begin: (process: SimulatedProcess, stage: Stage) => void): Fault {
  return {
    name,
    begin: (stage) => {
      const { chance, running, leader } = stage
      if (running.length === 0) return null
      begin(leader?.running && chance.flip(0.3) ? leader : chance.oneOf(running), stage)
      return nothing
    },
  }
}
