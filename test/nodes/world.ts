/**
 * Nodes of one process on a simulated clock and a memory network: the whole stack, deterministic from one seed, in no real time.
 */
import { createNode, type TesseraNode } from '../../src/actors/node.ts'
import type { NodeOptions } from '../../src/actors/options.ts'
import { GroupKey } from '../../src/identity/group-key.ts'
import { Identity } from '../../src/identity/keys.ts'
import { nextUint32, randomFrom } from '../../src/machines/random.ts'
import type { StateMachine } from '../../src/machines/state-machine.ts'
import { SimulatedClock } from '../../src/testing/simulated-clock.ts'
import { createMemoryNetwork } from '../../src/transport/memory.ts'

/** Adds numbers; throws on a negative one. */
export function counter(): StateMachine<{ add: number }, number, 'total', number> {
  let total = 0
  return {
    id: 'counter',
    version: 1,
    apply: ({ add }) => {
      if (add < 0) throw new RangeError('only upwards')
      total += add
      return total
    },
    query: () => total,
    snapshot: () => [new TextEncoder().encode(`${total}`)],
    restore: ([bytes]) => {
      total = Number(new TextDecoder().decode(bytes))
    },
  }
}

export const KEY = GroupKey.fromSecret(new Uint8Array(32).fill(7))
export const NETWORK = 'test'

export interface World {
  readonly clock: SimulatedClock
  readonly network: ReturnType<typeof createMemoryNetwork>
  readonly warnings: string[]
  /** A node named and listening at `memory://<name>`; knows the first node made unless told otherwise. */
  node(name: string, options?: Partial<NodeOptions>): Promise<TesseraNode>
  /** Lets time pass until `promise` settles; rejects after `limitMs` of simulated time. */
  until<T>(promise: Promise<T>, limitMs?: number): Promise<T>
  stop(): Promise<void>
}

export function createWorld(seed: number, options: { delayMs?: number | { min: number; max: number } } = {}): World {
  const clock = new SimulatedClock()
  const network = createMemoryNetwork({ seed, clock, encrypted: false, ...options })
  const nodes: TesseraNode[] = []
  const warnings: string[] = []
  let random = randomFrom([seed, 1, 2, 3])
  const draw = () => {
    const [value, next] = nextUint32(random)
    random = next
    return value
  }
  const seedBytes = () => Uint8Array.from({ length: 32 }, () => draw() & 0xff)

  async function until<T>(promise: Promise<T>, limitMs = 30_000): Promise<T> {
    let settled = false
    const done = () => {
      settled = true
    }
    promise.then(done, done)
    if (!(await clock.advanceUntil(() => settled, limitMs)))
      throw new Error(`not settled after ${limitMs} ms (seed ${seed})`)
    return promise
  }

  return {
    clock,
    network,
    warnings,
    until,
    async node(name, more = {}) {
      const address = `memory://${name}`
      const first = nodes[0]?.addresses[0]
      const created = await until(
        createNode({
          network: NETWORK,
          listen: address,
          bootstrap: first ? [first] : [],
          identity: Identity.fromSeed(seedBytes(), 'ephemeral'),
          transport: network.transport(name),
          clock,
          random: draw,
          warn: (code) => warnings.push(code),
          ...more,
        }),
      )
      nodes.push(created)
      return created
    },
    async stop() {
      await until(Promise.all(nodes.map((node) => node.stop())))
    },
  }
}
