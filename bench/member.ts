/** A process of `commit`, `failover` and `soak`: one member of a group and, beside it, one part of the floor. */
import { setTimeout as sleep } from 'node:timers/promises'
import { serve } from './child.ts'
import { FloorLeader, followFloor } from './floor.ts'
import { closedLoop, type Load } from './load.ts'
import { heldBytes } from './memory.ts'
import { type Joined, type MemberSettings, openMember, VALUE_BYTES } from './subject.ts'

export interface LoadRequest {
  readonly subject: 'tessera' | 'floor'
  readonly inFlight: number
  readonly seconds: number
}

export interface MemberReport {
  readonly peer: string
  readonly leader: string | null
  readonly committed: number
  readonly applied: number
  readonly bonds: number
}

/** A command that was offered, and when it was answered: `process.hrtime` counts alike in all processes of a machine. */
interface Offered {
  readonly offered: bigint
  readonly answered: bigint
}

/** Commands offered in vain are given up soon: others follow each millisecond. */
const OFFER_MS = 1
const GIVE_UP_MS = 30_000

let member: Joined | null = null
let floor: FloorLeader | null = null

const value = () => new Uint8Array(VALUE_BYTES).fill(0x5a)

function joined(): Joined {
  if (!member) throw new Error('This member is not open.')
  return member
}

const answers: Offered[] = []
let onAnswer: () => void = () => {}

/** One command each millisecond, whatever becomes of the others. */
function offerSteadily(): void {
  const { group } = joined()
  setInterval(() => {
    const offered = process.hrtime.bigint()
    group.execute(value(), { timeoutMs: GIVE_UP_MS }).then(
      () => {
        answers.push({ offered, answered: process.hrtime.bigint() })
        onAnswer()
      },
      (error: unknown) => void process.stderr.write(`A command failed: ${error}\n`),
    )
  }, OFFER_MS)
}

/** Milliseconds from `sinceText` to the first answer to a command offered later. */
function answeredAfter(sinceText: string): Promise<number> {
  const since = BigInt(sinceText)
  return new Promise((resolve) => {
    onAnswer = () => {
      const first = answers.find(({ offered }) => offered > since)
      if (first) resolve(Number(first.answered - since) / 1e6)
    }
    onAnswer()
  })
}

interface SoakRequest {
  readonly inFlight: number
  readonly pauseMs: number
  readonly seconds: number
}

export interface Soaked {
  readonly answered: number
  /** Given up at their deadline, which a machine with other work to do may cause. */
  readonly failed: number
}

/** Commands and strong reads by turns. */
async function soak({ inFlight, pauseMs, seconds }: SoakRequest): Promise<Soaked> {
  const { group } = joined()
  const endMs = Date.now() + seconds * 1_000
  let [answered, failed] = [0, 0]
  const client = async () => {
    for (let turn = 0; Date.now() < endMs; turn++) {
      const call = turn % 2 === 0 ? group.execute(value()) : group.query(null)
      await call.then(
        () => answered++,
        () => failed++,
      )
      await sleep(pauseMs)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, client))
  return { answered, failed }
}

const methods = {
  open: async (settings: MemberSettings): Promise<readonly string[]> => {
    member = await openMember(settings)
    return member.node.addresses
  },
  status: async (_: null): Promise<MemberReport> => {
    const { node, group } = joined()
    const { leader, committed, applied } = group.status
    return { peer: node.id, leader, committed, applied, bonds: group.bonds.size }
  },
  leadFloor: async (folder: string | null): Promise<string> => {
    floor = await FloorLeader.open(folder ?? undefined)
    return floor.address
  },
  followFloor: ({ address, folder }: { address: string; folder: string | null }): Promise<void> =>
    followFloor(address, folder ?? undefined),
  floorStands: async (_: null): Promise<boolean> => floor?.complete === true,
  load: ({ subject, inFlight, seconds }: LoadRequest): Promise<Load> => {
    const { group } = joined()
    const bare = floor
    if (subject === 'tessera') return closedLoop(() => group.execute(value()), inFlight, seconds)
    if (!bare) throw new Error('The floor is led by another process.')
    return closedLoop(() => bare.execute(value()), inFlight, seconds)
  },
  offerSteadily: async (leadInMs: number): Promise<void> => {
    offerSteadily()
    await sleep(leadInMs)
  },
  answeredAfter,
  soak,
  /** One bond of this member goes down; the group dials it again. */
  reconnect: async (_: null): Promise<void> => {
    const bonds = [...joined().group.bonds]
    await bonds[Math.floor(Math.random() * bonds.length)]?.[1].close('Cancelled')
  },
  heldBytes: (_: null): Promise<number> => heldBytes(),
}

export type MemberMethods = typeof methods

serve(methods)
