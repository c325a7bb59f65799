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

/** What asks again each time goes on in a turn of its own after so many, so that sockets and timers get theirs. */
const ROUNDS_MAX = 8

/**
 * The end of a turn, as one immediate: what is asked for while it runs still belongs to it. A command that is gathered here leads to messages,
 * and they leave in this turn too, not after another look at all sockets.
 *
 * Invariants: callbacks run in the order in which they were asked for, each once; one that throws takes no other with it.
 */
export class TurnEnd {
  readonly #later: (run: () => void) => void
  #waiting: (() => void)[] = []
  #isDue = false

  /** `later`: runs once what this turn of the event loop brought has been handled. */
  constructor(later: (run: () => void) => void) {
    this.#later = later
  }

  readonly add = (callback: () => void): void => {
    this.#waiting.push(callback)
    this.#arm()
  }

  #arm(): void {
    if (this.#isDue) return
    this.#isDue = true
    this.#later(() => this.#run())
  }

  #run(): void {
    try {
      for (let round = 0; round < ROUNDS_MAX && this.#waiting.length > 0; round++) this.#runRound()
    } finally {
      this.#isDue = false
      if (this.#waiting.length > 0) this.#arm()
    }
  }

  #runRound(): void {
    const callbacks = this.#waiting
    this.#waiting = []
    let at = 0
    try {
      while (at < callbacks.length) callbacks[at++]?.()
    } finally {
      if (at < callbacks.length) this.#waiting = [...callbacks.slice(at), ...this.#waiting]
    }
  }
}

const turnEnd = new TurnEnd(setImmediate)

/** The process's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => Math.floor(performance.now()),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
  endOfTurn: turnEnd.add,
}
