/**
 * One chaos run: form the group, let clients work while faults come and go, heal everything, read every key from every member, judge.
 *
 * However it ends, no process and no folder of it is left.
 */
import { setMaxListeners } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HistoryOp } from '../../src/testing/linearizability.ts'
import type { Audit } from './audited-registers.ts'
import { Clients, readAll } from './clients.ts'
import { ChaosCluster, type Tally } from './cluster.ts'
import { faultText, type PlannedFault, planFaults } from './faults.ts'
import { History } from './history.ts'
import { CallFailed } from './member-process.ts'
import { judge, type Verdict } from './verdict.ts'

/** From the end of all faults until every member must have answered. */
const RECOVERY_MS = 30_000
const AUDIT_TIMEOUT_MS = 10_000

export interface ChaosOptions {
  readonly seconds: number
  readonly nodes: number
  readonly seed: number
  /** The module of a member's process. */
  readonly module: URL
  readonly signal: AbortSignal
  readonly progress: (text: string) => void
  /** Told what is done to the members and what they say. */
  readonly trace: (line: string) => void
}

export interface ChaosOutcome {
  readonly verdict: Verdict
  readonly tally: Tally
  readonly history: readonly HistoryOp[]
  /** What could not be had although all was well again. */
  readonly missing: readonly string[]
}

/** Rejects with the reason of `signal` once all is cleared away. */
export async function runChaos(options: ChaosOptions): Promise<ChaosOutcome> {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-chaos-'))
  // Each planned fault waits with it.
  setMaxListeners(0, options.signal)
  const startedMs = performance.now()
  const note = (text: string) => options.trace(`${((performance.now() - startedMs) / 1_000).toFixed(3)} ${text}`)
  let cluster: ChaosCluster | null = null
  try {
    cluster = await ChaosCluster.open({ members: options.nodes, folder, module: options.module, note })
    return await orAborted(runIn(cluster, options, note), options.signal)
  } finally {
    await cluster?.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function runIn(
  cluster: ChaosCluster,
  { seconds, nodes, seed, signal, progress }: ChaosOptions,
  note: (text: string) => void,
): Promise<ChaosOutcome> {
  progress(`starts ${nodes} processes`)
  await cluster.startAll()
  const history = new History()
  try {
    await cluster.online()
  } catch (error) {
    if (!(error instanceof CallFailed)) throw error
    return {
      verdict: judge([], []),
      tally: cluster.tally,
      history: [],
      missing: [`one group (${error.message})`],
    }
  }
  note('one group')
  const clients = new Clients(seed, cluster, history)
  const tell = () => {
    const { kills, cuts } = cluster.tally
    progress(`${history.ops.length} operations, ${history.ok} answered, ${kills} kills, ${cuts} cuts`)
  }
  const telling = setInterval(tell, 250)
  try {
    await Promise.all([
      pauseMs(seconds * 1_000, signal),
      ...planFaults(seed, seconds * 1_000, nodes).map((fault) => happen(cluster, fault, signal, note)),
    ])
    note('all is mended')
    await cluster.heal()
    await clients.end()
    note('clients have ended')
    const missing = await readAll(cluster, history, RECOVERY_MS)
    note('every key is read from every member')
    const audits = await Promise.all(cluster.members.map((member) => audited(cluster, member, missing)))
    progress('checks the history')
    const verdict = judge(history.ops, audits.flat())
    return { verdict, tally: cluster.tally, history: history.ops, missing }
  } finally {
    clearInterval(telling)
    // Clients of a run that was given up end with their members.
    clients.end().catch((error: unknown) => note(String(error)))
  }
}

/** A fault, and its mending. */
async function happen(
  cluster: ChaosCluster,
  { atMs, forMs, fault }: PlannedFault,
  signal: AbortSignal,
  note: (text: string) => void,
): Promise<void> {
  await pauseMs(atMs, signal)
  if (signal.aborted) return
  note(`${faultText(fault)} for ${forMs} ms`)
  const mend = await cluster.inflict(fault)
  await pauseMs(forMs, signal)
  if (signal.aborted) return
  await mend()
  note(`mended: ${faultText(fault)}`)
}

async function audited(cluster: ChaosCluster, member: number, missing: string[]): Promise<Audit[]> {
  try {
    const process = cluster.opened(member)
    if (!process) throw new CallFailed('NodeDied', 'before it was asked')
    return [(await process.call({ type: 'audit' }, AUDIT_TIMEOUT_MS)) as Audit]
  } catch (error) {
    if (!(error instanceof CallFailed)) throw error
    missing.push(`the book of member ${member + 1} (${error.message})`)
    return []
  }
}

/** Resolves early where the run is given up. */
function pauseMs(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
  })
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject)
  })
}
