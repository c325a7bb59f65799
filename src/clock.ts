/**
 * Time as an input. One clock drives everything in a node: XState's delays, the transport's deadlines, raft's ticks. The
 * simulated world gives its own, and no real time passes.
 */
export interface Clock {
  /** Wall-clock milliseconds since the epoch. */
  now(): number
  /** Whole milliseconds since some moment of the past. Unlike `now()` it never goes back nor jumps when somebody sets the clock. */
  monotonicMs(): number
  setTimeout(callback: (...args: unknown[]) => void, delayMs: number): unknown
  clearTimeout(id: unknown): void
  /** Calls back once all that this turn of the event loop brought has been handled: where batches are sent. */
  endOfTurn(callback: () => void): void
}

/** The process's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => Math.floor(performance.now()),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
  endOfTurn: (callback) => {
    setImmediate(callback)
  },
}
