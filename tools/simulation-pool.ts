/** Runs simulations on several cores: each worker gets the next seed as soon as it is done with one. */
import { Worker } from 'node:worker_threads'
import type { SimulationOptions } from '../src/testing/simulation.ts'
import type { Outcome, WorkerSettings } from './simulate-worker.ts'

/** Nearly all that a simulation allocates is garbage soon: with room for it, a fifth of the time is saved. */
const resourceLimits = { maxYoungGenerationSizeMb: 192 }

export interface PoolOptions {
  /** URL of the module with `simulate`. */
  readonly module: string
  readonly workers: number
  readonly seeds: Iterable<number>
  readonly brief: boolean
  /** True ends the run: no further seed is begun. */
  readonly told: (outcome: Outcome) => boolean
}

/** Resolves when every begun seed is done; rejects with what a worker threw. */
export async function runSeeds({ module, workers, seeds, brief, told }: PoolOptions): Promise<void> {
  const queue = seeds[Symbol.iterator]()
  let enough = false
  const next = (): number | null => {
    const { value, done } = queue.next()
    return done || enough ? null : value
  }
  const run = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const workerData: WorkerSettings = { module }
      const worker = new Worker(new URL('./simulate-worker.js', import.meta.url), { workerData, resourceLimits })
      const feed = (): void => {
        const seed = next()
        if (seed === null) void worker.terminate().then(() => resolve())
        else worker.postMessage({ seed, brief } satisfies SimulationOptions)
      }
      worker.on('error', reject)
      worker.on('message', (outcome: Outcome) => {
        enough = told(outcome) || enough
        feed()
      })
      feed()
    })
  await Promise.all(Array.from({ length: workers }, run))
}
