/**
 * Liveness and round-trip time of a bond, as arithmetic (SEMANTICS §3). Time comes in; nothing here has a clock.
 *
 * A tick that finds nothing received for longer than interval plus jitter is a miss, and each miss asks with a ping. One miss is what two
 * members come to that have nothing to say to each other, so it is no news: the peer counts as silent once a whole tick has passed without
 * an answer, and as lost after so many misses in a row. Round-trip time is smoothed as in RFC 6298 §2.
 */
import { BOND } from '../../limits.ts'
import { nextBetween, type RandomState } from '../random.ts'

export interface Liveness {
  /** When anything was last received. */
  readonly heardMs: number
  /** Ticks since then that found too long a silence. */
  readonly missed: number
}

export interface Rtt {
  readonly srttMs: number
  readonly rttvarMs: number
}

/** A silence longer than this is a miss. */
const QUIET_MAX_MS = BOND.livenessIntervalMs + BOND.livenessJitterMs
/** RFC 6298 §2.3: the weight of a new sample, and of its deviation. */
const ALPHA = 1 / 8
const BETA = 1 / 4

/** Anything received, whatever it is, resets the count. */
export function heardAt(heardMs: number): Liveness {
  return { heardMs, missed: 0 }
}

/** Where nothing was missed it is the same liveness. */
export function tick(liveness: Liveness, nowMs: number): Liveness {
  const { heardMs, missed } = liveness
  return nowMs - heardMs > QUIET_MAX_MS ? { heardMs, missed: missed + 1 } : liveness
}

/** A ping has waited a whole tick for any sign of the peer. */
export function isSilent({ missed }: Liveness): boolean {
  return missed > 1
}

/** So many misses in a row that the peer counts as gone. */
export function isLost({ missed }: Liveness): boolean {
  return missed >= BOND.missedMax
}

/** The length of a tick: the interval less some jitter, so that the ticks of many bonds do not fall together. */
export function nextTick(random: RandomState): [number, RandomState] {
  return nextBetween(random, BOND.livenessIntervalMs - BOND.livenessJitterMs, BOND.livenessIntervalMs)
}

/**
 * When the next tick comes that can find anything, each at least `leastMs` long: those before it are passed over, since whatever is heard
 * meanwhile can only make them find less.
 */
export function nextFinding(
  { heardMs }: Liveness,
  nowMs: number,
  random: RandomState,
  leastMs = 0,
): [number, RandomState] {
  let [atMs, rest] = [nowMs, random]
  do {
    const [tickMs, after] = nextTick(rest)
    atMs += Math.max(tickMs, leastMs)
    rest = after
  } while (atMs - heardMs <= QUIET_MAX_MS)
  return [atMs, rest]
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
