/**
 * A timing wheel (Varghese and Lauck, 1987): ticks of many on one timer. A process with hundreds of bonds would wake for each of their
 * ticks; here those that are due within one slot share a wake-up. For what comes again and again and need not be on the millisecond.
 *
 * Invariants: a tick comes once, at the last slot that is not after its moment, and not before the next slot. What was removed does not
 * come. With nothing waiting there is no timer. One tick that throws takes no other with it.
 */
import type { Clock } from './clock.ts'

export interface Ticking {
  tick(): void
}

/** How far apart wake-ups are. */
export const SLOT_MS = 25

export class TimingWheel {
  readonly #clock: Clock
  /** Slots are counted from here, so that processes which do not share a wheel do not tick together. */
  readonly #originMs: number
  readonly #slots = new Map<number, Set<Ticking>>()
  #armed = Number.POSITIVE_INFINITY
  #timer: unknown = null

  constructor(clock: Clock) {
    this.#clock = clock
    this.#originMs = clock.monotonicMs()
  }

  /** Calls `one` at about `atMs` of the monotonic clock, at most a slot early. Returns the slot, to remove it. */
  add(one: Ticking, atMs: number): number {
    const slot = Math.max(this.#slotOf(atMs), this.#slotOf(this.#clock.monotonicMs()) + 1)
    const others = this.#slots.get(slot)
    if (others) others.add(one)
    else this.#slots.set(slot, new Set([one]))
    if (slot < this.#armed) this.#arm(slot)
    return slot
  }

  remove(one: Ticking, slot: number): void {
    const all = this.#slots.get(slot)
    if (!all?.delete(one) || all.size > 0) return
    this.#slots.delete(slot)
    if (slot === this.#armed) this.#armNext()
  }

  #slotOf(atMs: number): number {
    return Math.floor((atMs - this.#originMs) / SLOT_MS)
  }

  #arm(slot: number): void {
    this.#armed = slot
    this.#clock.clearTimeout(this.#timer)
    const leftMs = this.#originMs + slot * SLOT_MS - this.#clock.monotonicMs()
    this.#timer = this.#clock.setTimeout(this.#turn, Math.max(0, leftMs))
  }

  /** No tick waits much longer than a second, so there are never many slots. */
  #armNext(): void {
    let next = Number.POSITIVE_INFINITY
    for (const slot of this.#slots.keys()) next = Math.min(next, slot)
    if (next < Number.POSITIVE_INFINITY) return this.#arm(next)
    this.#armed = next
    this.#clock.clearTimeout(this.#timer)
    this.#timer = null
  }

  /** Slots that were missed meanwhile come as well, in their order. */
  readonly #turn = (): void => {
    const now = Math.max(this.#armed, this.#slotOf(this.#clock.monotonicMs()))
    const due = [...this.#slots.keys()].filter((slot) => slot <= now).sort((a, b) => a - b)
    try {
      for (const slot of due) this.#run(slot)
    } finally {
      this.#armNext()
    }
  }

  #run(slot: number): void {
    const all = this.#slots.get(slot)
    if (!all) return
    for (const one of all) {
      all.delete(one)
      one.tick()
    }
    this.#slots.delete(slot)
  }
}

const wheels = new WeakMap<Clock, TimingWheel>()

/** Whoever shares a clock shares its wheel. */
export function wheelOf(clock: Clock): TimingWheel {
  const known = wheels.get(clock)
  if (known) return known
  const wheel = new TimingWheel(clock)
  wheels.set(clock, wheel)
  return wheel
}
