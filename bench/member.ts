/** A process of `commit`, `failover` and `soak`: one member of a group and, beside it, one part of the floor. */
import { serve } from './child.ts'
import { FloorLeader, followFloor } from './floor.ts'
import { closedLoop, type Load } from './load.ts'
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

let member: Joined | null = null
let floor: FloorLeader | null = null

const value = () => new Uint8Array(VALUE_BYTES).fill(0x5a)

function joined(): Joined {
  if (!member) throw new Error('This member is not open.')
  return member
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
}

export type MemberMethods = typeof methods

serve(methods)
