/** The group that benchmarks run: its state machine counts, so that what is measured is the way to it. */
import { lmdb } from '../src/actors/storage/lmdb.ts'
import {
  createNode,
  type Group,
  GroupKey,
  Identity,
  memory,
  type StateMachine,
  type TesseraNode,
} from '../src/index.ts'
import type { RaftTiming } from '../src/limits.ts'

export type Counter = StateMachine<Uint8Array, null, null, number>

export function counter(): Counter {
  let count = 0
  return {
    id: 'bench.counter',
    version: 1,
    apply: () => {
      count++
      return null
    },
    query: () => count,
    snapshot: () => [Buffer.from(`${count}`)],
    restore: ([chunk]) => {
      count = Number(chunk)
    },
  }
}

/** The value of every command. */
export const VALUE_BYTES = 64

export interface MemberSettings {
  readonly voters: number
  readonly bootstrap: readonly string[]
  /** A folder for durable storage; absent: memory. */
  readonly folder?: string
  /** Decides the identity of a durable member: one byte. */
  readonly seed?: number
  readonly timing?: Partial<RaftTiming>
}

export interface Joined {
  readonly node: TesseraNode
  readonly group: Group<Counter>
}

export async function openMember({
  voters,
  bootstrap,
  folder,
  seed = 1,
  timing = {},
}: MemberSettings): Promise<Joined> {
  const durable = folder !== undefined
  const node = await createNode({
    network: 'bench',
    listen: 'ws://127.0.0.1:0',
    bootstrap,
    identity: durable ? Identity.fromSeed(new Uint8Array(32).fill(seed)) : Identity.ephemeral(),
    storage: durable ? lmdb(folder) : memory(),
  })
  const key = GroupKey.fromSecret(new Uint8Array(32).fill(7))
  return { node, group: node.join({ key, machine: counter(), voters, timing }) }
}
