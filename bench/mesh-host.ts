/** A process that hosts many nodes, all in one group: for `handshake` and `mesh`. */
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Group } from '../src/index.ts'
import { createNode, GroupKey, type TesseraNode } from '../src/index.ts'
import { serve } from './child.ts'
import { freePorts } from './peers.ts'
import { type Counter, counter } from './subject.ts'
import { countWireBytes, wireBytes } from './wire-bytes.ts'

const MESH_TIMEOUT_MS = 120_000
const nodes: { node: TesseraNode; group: Group<Counter> }[] = []

countWireBytes()

/** All at once, each knowing only the first; resolves with the seconds until everyone is bonded with everyone. */
async function start(count: number): Promise<number> {
  const ports = await freePorts(count)
  const key = GroupKey.fromSecret(new Uint8Array(32).fill(9))
  const bootstrap = [`ws://127.0.0.1:${ports[0]}`]
  const startMs = performance.now()
  const started = ports.map(async (port, i) => {
    const node = await createNode({ network: 'bench', listen: `ws://127.0.0.1:${port}`, bootstrap })
    // Three form the group; if all might, there would soon be several.
    nodes.push({ node, group: node.join({ key, machine: counter(), voters: i < 3 ? 3 : 0 }) })
  })
  await Promise.all(started)
  while (nodes.some(({ group }) => group.bonds.size < count - 1)) {
    if (performance.now() - startMs > MESH_TIMEOUT_MS) throw new Error(`${count} nodes do not become a full mesh.`)
    await sleep(10)
  }
  return (performance.now() - startMs) / 1_000
}

const methods = {
  start,
  /** What this process does by itself for so long. */
  idle: async (seconds: number): Promise<{ cpuPercent: number; bytesPerSecond: number }> => {
    const [cpu, bytes, startMs] = [process.cpuUsage(), wireBytes().written + wireBytes().read, performance.now()]
    await sleep(seconds * 1_000)
    const elapsedMs = performance.now() - startMs
    const { user, system } = process.cpuUsage(cpu)
    const moved = wireBytes().written + wireBytes().read - bytes
    return { cpuPercent: (user + system) / 10 / elapsedMs, bytesPerSecond: moved / (elapsedMs / 1_000) }
  },
}

export type MeshMethods = typeof methods

serve(methods)
