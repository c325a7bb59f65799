/**
 * The clock of one simulated process: time as this process sees it. Its wall clock can jump, the process can be stopped for a while as by
 * SIGSTOP, and killed: then nothing that it asked for ever runs again.
 */
import type { Clock } from '../clock.ts'
import type { SimulatedClock } from './simulated-clock.ts'

/** Two clocks may be twice as far apart, and entries of peers are still taken (`DISCOVERY.futureMaxMs`). */
export const SKEW_MAX_MS = 20_000

/** What a time server may get wrong, and no more: a machine sets its clock by one when it starts. */
export function plausible(skewMs: number): number {
  return Math.max(-SKEW_MAX_MS, Math.min(SKEW_MAX_MS, skewMs))
}

interface Timer {
  /** Of the world's clock. */
  id: unknown
  cancelled: boolean
}

export class ProcessClock implements Clock {
  readonly #world: SimulatedClock
  #skewMs: number
  #stoppedUntilMs = 0
  /** What fell due while it was stopped. */
  readonly #held: (readonly [timer: Timer, callback: () => void])[] = []
  #alive = true

  constructor(world: SimulatedClock, skewMs: number) {
    this.#world = world
    this.#skewMs = skewMs
  }

  now(): number {
    return Math.floor(this.#world.now() + this.#skewMs)
  }

  monotonicMs(): number {
    return this.#world.now()
  }

  setTimeout(callback: () => void, delayMs: number): unknown {
    const timer: Timer = { id: null, cancelled: false }
    if (this.#alive) timer.id = this.#world.setTimeout(() => this.#run(timer, callback), delayMs)
    return timer
  }

  clearTimeout(id: unknown): void {
    if (!id) return
    const timer = id as Timer
    timer.cancelled = true
    this.#world.clearTimeout(timer.id)
  }

  endOfTurn(callback: () => void): void {
    this.setTimeout(callback, 0)
  }

  get skewMs(): number {
    return this.#skewMs
  }

  get isPlausible(): boolean {
    return plausible(this.#skewMs) === this.#skewMs
  }

  /** The wall clock is set, either way; timers under way are not touched, as in an operating system. */
  set skewMs(ms: number) {
    this.#skewMs = ms
  }

  /** Nothing of this process runs for `ms`, whatever was said before; what is due meanwhile runs then, in order. */
  stop(ms: number): void {
    this.#stoppedUntilMs = this.#world.now() + ms
    this.#world.setTimeout(() => this.#resume(), ms)
  }

  /** Nothing of this process runs any more. */
  kill(): void {
    this.#alive = false
  }

  #run(timer: Timer, callback: () => void): void {
    if (!this.#alive || timer.cancelled) return
    if (this.#stoppedUntilMs > this.#world.now()) this.#held.push([timer, callback])
    else callback()
  }

  #resume(): void {
    if (this.#stoppedUntilMs > this.#world.now()) return
    for (const [timer, callback] of this.#held.splice(0))
      timer.id = this.#world.setTimeout(() => this.#run(timer, callback), 0)
  }
}
