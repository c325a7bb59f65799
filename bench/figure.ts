/** One small thing measured in this process: nanoseconds a call. */
import { performance } from 'node:perf_hooks'
import { median, rounded } from './statistics.ts'

export interface Figure {
  readonly what: string
  readonly nanoseconds?: number
  readonly bytes?: number
}

/** Rounds; the first ones are for the compilers. */
const ROUNDS = 12
const WARM_UP = 3

/** Median over rounds of `calls` calls, for each of `parts` parts. */
export function figure(what: string, run: () => void, calls: number, parts = 1): Figure {
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const startMs = performance.now()
    for (let i = 0; i < calls; i++) run()
    rounds.push(((performance.now() - startMs) * 1e6) / calls / parts)
  }
  return { what, nanoseconds: rounded(median(rounds.slice(WARM_UP)), 3) }
}
