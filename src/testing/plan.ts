/** What a run is like, drawn from its seed before anything happens. */
import { COMPACTION, type Compaction, RAFT_TIMING, type RaftTiming } from '../limits.ts'
import type { Chance, Range } from './chance.ts'
import { FAULTS } from './faults/all.ts'
import { crashAtWrite } from './faults/disk.ts'
import type { Fault } from './faults/fault.ts'
import { guests } from './faults/membership.ts'
import { isolateLeader } from './faults/network.ts'
import { SKEW_MAX_MS } from './process-clock.ts'

export interface Plan {
  readonly timing: RaftTiming
  /** How long faults last and how soon the next one comes, by the time an election takes. */
  readonly haste: number
  /** What a sync takes where no fault slows it. */
  readonly syncMs: Range
  /** Then dials must fail, which takes longer than an election: faults are in no hurry. */
  readonly formsAmongFaults: boolean
  /** How far from the true time a machine's clock may be when it starts; 0: as it was when it ended. */
  readonly skewMs: number
  /** The network is parted before anyone has met, and little else happens: a machine that starts again looks for all others anew. */
  readonly startsParted: boolean
  readonly founders: number
  /** Of the group they form: all of them, or just more than half, so that any two groups they could form share one. */
  readonly voters: number
  /** Mostly so that snapshots are taken every few commands. */
  readonly compaction: Compaction
  /** What every snapshot holds besides the registers: where it is much, a snapshot travels in several chunks. */
  readonly ballastBytes: number
  /** A few of all there are. */
  readonly faults: readonly Fault[]
  /** How often there are faults, each time followed by a calm in which all must be well again. */
  readonly storms: number
  /** How long each time. */
  readonly disturbedMs: number
  /** Between two operations of one client. */
  readonly pauseMs: Range
  readonly registers: number
  /** How many commands a client may ask at once. */
  readonly burst: Range
}

const FAST: RaftTiming = { electionTimeoutMs: 400, electionJitterMs: 200, heartbeatIntervalMs: 100 }
const SYNCS_MS = [
  { min: 0, max: 2 },
  { min: 1, max: 10 },
  { min: 5, max: 40 },
]
const PAUSES_MS = [
  { min: 10, max: 100 },
  { min: 50, max: 400 },
  { min: 200, max: 1_500 },
]

/** A leader that is cut off gathers a long tail of them. */
const BURSTS = [
  { min: 3, max: 20 },
  { min: 3, max: 20 },
  { min: 20, max: 80 },
]
/** Entries between two snapshots. */
const SNAPSHOTS_EACH = [5, 5, 10, 20, 60, COMPACTION.entriesMax]
const TRAILING = [0, 0, 0, 2, 10]
/** Two or three chunks. */
const BALLASTS = [0, 0, 0, 0, 300_000, 600_000]
/** Log bytes after which a snapshot is due however large the last one was: some hundred commands. */
const BYTES_MAX = 16_000

function compactionOf(chance: Chance, ballastBytes: number): Compaction {
  const entriesMax = chance.oneOf(SNAPSHOTS_EACH)
  if (entriesMax === COMPACTION.entriesMax) return COMPACTION
  const bytesMax = ballastBytes > 0 ? BYTES_MAX : COMPACTION.bytesMax
  return { ...COMPACTION, entriesMax, bytesMax, trailingMax: chance.oneOf(TRAILING) }
}

const FOUNDERS = [1, 2, 3, 3, 3, 3, 4, 4, 5, 5]
/** Enough that both halves find someone. */
const PARTED_FOUNDERS = [4, 5, 5]

export interface PlanWishes {
  /** For half as long, all else alike. */
  readonly brief: boolean
  /** Only these. */
  readonly faults: readonly string[] | undefined
}

export function planOf(chance: Chance, { brief, faults }: PlanWishes): Plan {
  const timing = chance.flip(0.7) ? FAST : RAFT_TIMING
  const hurried = chance.oneOf([0.5, 1]) * (timing === FAST ? 0.3 : 1)
  const formsAmongFaults = chance.flip(0.3)
  const startsParted = formsAmongFaults && !faults && chance.flip(0.6)
  const founders = chance.oneOf(startsParted ? PARTED_FOUNDERS : FOUNDERS)
  const storms = chance.oneOf([1, 2, 3])
  const ballastBytes = chance.oneOf(BALLASTS)
  const haste = formsAmongFaults ? 1 : hurried
  return {
    timing,
    haste,
    syncMs: chance.oneOf(SYNCS_MS),
    formsAmongFaults,
    startsParted,
    skewMs: chance.oneOf([0, 1_000, SKEW_MAX_MS, SKEW_MAX_MS]),
    founders,
    voters: chance.flip(0.7) ? founders : Math.floor(founders / 2) + 1,
    compaction: compactionOf(chance, ballastBytes),
    ballastBytes,
    faults: faults ? faults.map(faultNamed) : faultsOf(chance, startsParted ? 2 : 8),
    storms,
    disturbedMs: (haste * chance.within({ min: 10_000, max: 25_000 }) * (brief ? 0.5 : 1)) / storms,
    pauseMs: chance.oneOf(PAUSES_MS),
    registers: chance.within({ min: 1, max: 4 }),
    burst: chance.oneOf(BURSTS),
  }
}

/** What the protocol is there for: in many runs. */
const OFTEN = [guests, isolateLeader, crashAtWrite]

function faultsOf(chance: Chance, max: number): readonly Fault[] {
  const some = chance.shuffled(FAULTS).slice(0, chance.within({ min: 1, max }))
  return [...new Set([...some, ...OFTEN.filter(() => chance.flip(0.3))])]
}

function faultNamed(name: string): Fault {
  const fault = FAULTS.find((one) => one.name === name)
  if (!fault) throw new RangeError(`There is no fault ${name}.`)
  return fault
}
