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
  /**
   * Calls back once all that this turn of the event loop brought has been handled: where batches are gathered. `last`: after everybody else
   * who asked, and after the promises that were settled meanwhile have been heard: where what was gathered leaves. A clock may make no difference.
   */
  endOfTurn(callback: () => void, place?: 'last'): void
}

/** What asks again each time goes on in a turn of its own after so many, so that sockets and timers get theirs. */
const ROUNDS_MAX = 8

/**
 * The end of a turn, in rounds: what is asked for while one runs still belongs to the turn, and so does what callers do whose promises it
 * settled. An answer leads to the next command, that to messages, and all of them leave in this turn, with what was to be
 * sent anyway; not after another look at all sockets.
 *
 * Invariants: callbacks run in the order in which they were asked for, those that are to be last after all others, each once; one that
 * throws takes no other with it.
 */
export class TurnEnd {
  readonly #later: (run: () => void) => void
  readonly #settled: (run: () => void) => void
  #waiting: (() => void)[] = []
  #last: (() => void)[] = []
  #rounds = 0
  #isDue = false

  /** `later`: runs once what this turn of the event loop brought has been handled. `settled`: once promises have been heard. */
  constructor(later: (run: () => void) => void, settled: (run: () => void) => void) {
    this.#later = later
    this.#settled = settled
  }

  readonly add = (callback: () => void, place?: 'last'): void => {
    if (place === 'last') this.#last.push(callback)
    else this.#waiting.push(callback)
    if (!this.#isDue) this.#arm()
  }

  #arm(): void {
    this.#isDue = true
    this.#rounds = 0
    this.#later(this.#run)
  }

  readonly #run = (): void => {
    const isRound = this.#waiting.length > 0 && this.#rounds < ROUNDS_MAX
    let hasThrown = true
    try {
      if (isRound) this.#runRound()
      else this.#runLast()
      hasThrown = false
    } finally {
      if (isRound && !hasThrown) this.#settled(this.#run)
      else if (this.#waiting.length + this.#last.length > 0) this.#arm()
      else this.#isDue = false
    }
  }

  #runRound(): void {
    this.#rounds++
    const callbacks = this.#waiting
    this.#waiting = []
    runAll(callbacks, (rest) => {
      this.#waiting = [...rest, ...this.#waiting]
    })
  }

  #runLast(): void {
    const callbacks = this.#last
    this.#last = []
    runAll(callbacks, (rest) => {
      this.#last = [...rest, ...this.#last]
    })
  }
}

/** In order; where one throws, those after it are left to `keep`. */
function runAll(callbacks: readonly (() => void)[], keep: (rest: readonly (() => void)[]) => void): void {
  let at = 0
  try {
    while (at < callbacks.length) callbacks[at++]?.()
  } finally {
    if (at < callbacks.length) keep(callbacks.slice(at))
  }
}

/** A tick comes after all microtasks, also those that were queued meanwhile. */
const turnEnd = new TurnEnd(setImmediate, (run) => queueMicrotask(() => process.nextTick(run)))

/** The process's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => Math.floor(performance.now()),
  setTimeout: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimeout: (id) => clearTimeout(id as NodeJS.Timeout),
  endOfTurn: turnEnd.add,
}
