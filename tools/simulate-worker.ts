/** One worker of the simulator: runs the seeds it is sent, with the build it was started for, and answers with what came of each. */
import { parentPort, workerData } from 'node:worker_threads'
import type { SimulationOptions, SimulationReport } from '../src/testing/simulation.ts'

export interface WorkerSettings {
  /** URL of the module with `simulate`: the project's own, or one with a bug in it. */
  readonly module: string
}

/** What of a report goes back: all but the history, which only its own run needs. */
export type Outcome = Omit<SimulationReport, 'history'>

const { module } = workerData as WorkerSettings
const { simulate } = (await import(module)) as { simulate: (options: SimulationOptions) => Promise<SimulationReport> }

parentPort?.on('message', async (options: SimulationOptions) => {
  const { history: _, ...outcome } = await simulate(options)
  parentPort?.postMessage({ ...outcome, trace: outcome.violation ? outcome.trace : [] })
})
