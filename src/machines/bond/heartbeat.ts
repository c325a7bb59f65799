/**
 * Liveness and round-trip time of a bond, as arithmetic (SEMANTICS §3).
 *
 * The chart has no clock, so silence is measured in ticks: each tick knows how long it lasted. A tick in which something was heard
 * leaves a silence shorter than itself, hence never longer than the limit; so silence counts from the end of that tick, and the
 * first miss comes with the second silent tick. Round-trip time is smoothed as in RFC 6298 §2.
 */
import { BOND } from '../../limits.ts'
import { nextBetween, type RandomState } from '../random.ts'

export interface Liveness {
  /** Something was received since the last tick. */
  readonly heard: boolean
  /** Silence known for sure, at the last tick. */
  readonly quietMs: number
  /** Ticks in a row that found too long a silence. */
  readonly missed: number
}

export interface Rtt {
  readonly srttMs: number
  readonly rttvarMs: number
}

export const FRESH: Liveness = { heard: true, quietMs: 0, missed: 0 }

/** A silence longer than this is a miss. */
const QUIET_MAX_MS = BOND.livenessIntervalMs + BOND.livenessJitterMs
/** RFC 6298 §2.3: the weight of a new sample, and of its deviation. */
const ALPHA = 1 / 8
const BETA = 1 / 4

/** Anything received, whatever it is, resets the count. */
export function hear(_liveness: Liveness): Liveness {
  return FRESH
}

/** A tick that ends after `tickMs`. */
export function tick({ heard, quietMs, missed }: Liveness, tickMs: number): Liveness {
  if (heard) return { heard: false, quietMs: 0, missed: 0 }
  const quiet = quietMs + tickMs
  return { heard: false, quietMs: quiet, missed: quiet > QUIET_MAX_MS ? missed + 1 : missed }
}

/** So many misses in a row that the peer counts as gone. */
export function isLost({ missed }: Liveness): boolean {
  return missed >= BOND.missedMax
}

/** The length of the next tick: the interval less some jitter, so that the ticks of many bonds do not fall together. */
export function nextTick(random: RandomState): [number, RandomState] {
  return nextBetween(random, BOND.livenessIntervalMs - BOND.livenessJitterMs, BOND.livenessIntervalMs)
}

/** RFC 6298 §2.2 for the first sample, §2.3 for the others; a sample from a clock that went back is none. */
export function sample(rtt: Rtt | null, sampleMs: number): Rtt | null {
  if (!Number.isFinite(sampleMs) || sampleMs < 0) return rtt
  if (rtt === null) return { srttMs: sampleMs, rttvarMs: sampleMs / 2 }
  const deviationMs = Math.abs(rtt.srttMs - sampleMs)
  return {
    srttMs: rtt.srttMs + ALPHA * (sampleMs - rtt.srttMs),
    rttvarMs: rtt.rttvarMs + BETA * (deviationMs - rtt.rttvarMs),
  }
}
