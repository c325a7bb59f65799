/** A formed group on simulated time, and what an AbortSignal must do to any promise of the API. */
import { expect } from 'vitest'
import type { Group, NodeOptions, TesseraNode } from '../../src/index.ts'
import { counter, createWorld, KEY, type World } from '../nodes/world.ts'

export type Counter = ReturnType<typeof counter>
export type CounterGroup = Group<Counter>

export interface Formed {
  readonly world: World
  readonly nodes: readonly TesseraNode[]
  readonly groups: readonly CounterGroup[]
  readonly leader: CounterGroup
  readonly follower: CounterGroup
  readonly nodeOf: (group: CounterGroup) => TesseraNode
  readonly addressOf: (group: CounterGroup) => string
}

/** Three nodes, or `size` of them, that are one group. */
export async function formed(
  seed: number,
  { size = 3, delayMs = 0, ...options }: Partial<NodeOptions> & { size?: number; delayMs?: number } = {},
): Promise<Formed> {
  const world = createWorld(seed, { delayMs })
  const nodes: TesseraNode[] = []
  for (let i = 0; i < size; i++) nodes.push(await world.node(`n${i}`, options))
  const groups = nodes.map((node) => node.join({ key: KEY, machine: counter(), voters: size }))
  await world.until(Promise.all(groups.map((group) => group.when.online())))
  await world.until(Promise.all(groups.map((group) => allBonded(group, size))))
  const leader = groups.find((group) => group.isLeader) as CounterGroup
  const follower = groups.find((group) => !group.isLeader) as CounterGroup
  const nodeOf = (group: CounterGroup) => nodes[groups.indexOf(group)] as TesseraNode
  return { world, nodes, groups, leader, follower, nodeOf, addressOf: (group) => nodeOf(group).addresses[0] as string }
}

async function allBonded(group: CounterGroup, size: number): Promise<void> {
  const bonds = group.bonds.view()
  while (bonds.size < size - 1) await bonds.changed()
}

/** Every node but these is out of reach of them. */
export function isolate({ world, groups, addressOf }: Formed, ...alone: CounterGroup[]): void {
  const others = groups.filter((group) => !alone.includes(group))
  world.network.partition([alone.map(addressOf), others.map(addressOf)])
}

type Call = (options: { readonly signal: AbortSignal }) => Promise<unknown>

/** Rejects `Aborted` at once where the signal has fired, and as soon as it fires; the reason is kept as the cause. */
export async function expectAbortable(call: Call): Promise<void> {
  const reason = new Error('enough')
  const aborted = { code: 'Aborted', retryable: false, cause: reason }
  await expect(call({ signal: AbortSignal.abort(reason) })).rejects.toMatchObject(aborted)
  const controller = new AbortController()
  const pending = call({ signal: controller.signal })
  controller.abort(reason)
  await expect(pending).rejects.toMatchObject(aborted)
}
