/** A clock whose timers fire when the test says so, and whose turns are the real event loop's. */
import type { Clock } from '../../src/clock.ts'

interface Timer {
  readonly dueMs: number
  readonly callback: () => void
}

export class ManualClock implements Clock {
  #nowMs = 1_000_000
  #timers = new Set<Timer>()

  now(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  setTimeout(callback: (...args: unknown[]) => void, delayMs: number): unknown {
    const timer: Timer = { dueMs: this.#nowMs + delayMs, callback }
    this.#timers.add(timer)
    return timer
  }

  clearTimeout(id: unknown): void {
    this.#timers.delete(id as Timer)
  }

  endOfTurn(callback: () => void): void {
    setImmediate(callback)
  }

  get pending(): number {
    return this.#timers.size
  }

  /** Fires what falls due within the next `ms`, in order of due time. */
  advance(ms: number): void {
    const until = this.#nowMs + ms
    for (;;) {
      const due = [...this.#timers].filter(({ dueMs }) => dueMs <= until).sort((a, b) => a.dueMs - b.dueMs)
      const [next] = due
      if (!next) break
      this.#timers.delete(next)
      this.#nowMs = next.dueMs
      next.callback()
    }
    this.#nowMs = until
  }
}
