/**
 * A closed loop: so many commands under way at any time, and a new one as soon as one is answered. Every subject is driven by this one, so
 * that what the driver itself costs is the same for all.
 */
import { performance } from 'node:perf_hooks'
import { Durations, rounded } from './statistics.ts'

export interface Load {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Rejects with the first failure: a benchmark of errors would be fast and worth nothing. */
export function closedLoop(once: () => Promise<unknown>, inFlight: number, seconds: number): Promise<Load> {
  return new Promise((resolve, reject) => {
    const durations = new Durations()
    const startMs = performance.now()
    const endMs = startMs + seconds * 1_000
    let open = inFlight
    const finish = () => {
      if (--open > 0) return
      const elapsed = (performance.now() - startMs) / 1_000
      resolve({ perSecond: rounded(durations.count / elapsed), ...durations.summary() })
    }
    const client = () => {
      let sentMs = 0
      const next = () => {
        sentMs = performance.now()
        once().then(answered, reject)
      }
      const answered = () => {
        const nowMs = performance.now()
        durations.add(nowMs - sentMs)
        if (nowMs < endMs) next()
        else finish()
      }
      next()
    }
    for (let i = 0; i < inFlight; i++) client()
  })
}
