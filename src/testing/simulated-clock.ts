/**
 * Time that passes only when told to. Callbacks run in the order of their moment, and of their request where the moment is the same, so
 * the same program runs the same way each time. `endOfTurn` callbacks run at the present moment, after what is due already.
 *
 * A promise's continuation is a microtask, which no clock sees: `settle` lets them run between callbacks.
 */
import type { Clock } from '../clock.ts'

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly callback: () => void
  cancelled: boolean
}

/** The earliest first: a binary heap. */
class TimerHeap {
  readonly #timers: Timer[] = []

  get first(): Timer | undefined {
    return this.#timers[0]
  }

  push(timer: Timer): void {
    const timers = this.#timers
    let child = timers.push(timer) - 1
    while (child > 0) {
      const parent = (child - 1) >> 1
      if (!isBefore(timer, timers[parent] as Timer)) break
      timers[child] = timers[parent] as Timer
      child = parent
    }
    timers[child] = timer
  }

  pop(): Timer | undefined {
    const timers = this.#timers
    const first = timers[0]
    const last = timers.pop()
    if (timers.length > 0 && last) this.#sink(last)
    return first
  }

  #sink(timer: Timer): void {
    const timers = this.#timers
    let parent = 0
    for (;;) {
      let child = parent * 2 + 1
      if (child >= timers.length) break
      if (child + 1 < timers.length && isBefore(timers[child + 1] as Timer, timers[child] as Timer)) child++
      if (!isBefore(timers[child] as Timer, timer)) break
      timers[parent] = timers[child] as Timer
      parent = child
    }
    timers[parent] = timer
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

export class SimulatedClock implements Clock {
  #nowMs: number
  #order = 0
  readonly #timers = new TimerHeap()

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs
  }

  /** Whole milliseconds, as `Date.now()` tells them; timers keep their fractions. */
  now(): number {
    return Math.floor(this.#nowMs)
  }

  monotonicMs(): number {
    return this.now()
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback, cancelled: false }
    this.#timers.push(timer)
    return timer
  }

  clearTimeout(id: unknown): void {
    if (id) (id as Timer).cancelled = true
  }

  endOfTurn(callback: () => void): void {
    this.setTimeout(callback, 0)
  }

  /** When the next callback is due; null where none waits. */
  get nextMs(): number | null {
    while (this.#timers.first?.cancelled) this.#timers.pop()
    return this.#timers.first?.atMs ?? null
  }

  /** Runs the next callback, moving time to it. False where none waits. */
  step(): boolean {
    if (this.nextMs === null) return false
    const timer = this.#timers.pop() as Timer
    this.#nowMs = Math.max(this.#nowMs, timer.atMs)
    timer.callback()
    return true
  }

  /** Lets `ms` pass, and everything due in it happen, promises settled between callbacks. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms
    await settle()
    while ((this.nextMs ?? Number.POSITIVE_INFINITY) <= untilMs) {
      this.step()
      await settle()
    }
    this.#nowMs = untilMs
  }

  /** Lets time pass until `holds`, at most `limitMs`. Resolves with whether it holds. */
  async advanceUntil(holds: () => boolean, limitMs: number): Promise<boolean> {
    const untilMs = this.#nowMs + limitMs
    await settle()
    while (!holds() && (this.nextMs ?? Number.POSITIVE_INFINITY) <= untilMs) {
      this.step()
      await settle()
    }
    return holds()
  }
}

/** How many hops of microtasks a callback may cause before the next one runs. */
const MICROTASK_HOPS = 32

/** Lets promises that wait for nothing but each other settle. */
export async function settle(): Promise<void> {
  for (let hop = 0; hop < MICROTASK_HOPS; hop++) await undefined
}
