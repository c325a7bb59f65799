/**
 * The heartbeat of a steady link: ticks, pings and their answers, past the bond's chart. The chart hears only of what changes: that the
 * peer fell silent, that it was heard again, that it is lost.
 *
 * Lifecycle: beating -> stopped. The ticks are this process's own, so a peer that does not read stops none of them.
 */
import type { Clock } from '../clock.ts'
import { BOND } from '../limits.ts'
import type { LivenessReport } from '../machines/bond/events.ts'
import {
  heardAt,
  isLost,
  isSilent,
  type Liveness,
  nextFinding,
  type Rtt,
  sample,
  tick,
} from '../machines/bond/heartbeat.ts'
import type { RandomState } from '../machines/random.ts'
import { SLOT_MS, type Ticking, wheelOf } from '../timing-wheel.ts'

/** The wheel calls up to a slot early, and no tick is shorter than interval less jitter. */
const TICK_MIN_MS = BOND.livenessIntervalMs - BOND.livenessJitterMs + SLOT_MS

/** What a heartbeat needs of its link. */
export interface Beating {
  ping(sentMs: number): void
  /** Answers what was sent at `sentMs`. */
  pong(sentMs: number): void
  tell(report: LivenessReport): void
}

export class Heartbeat implements Ticking {
  readonly #clock: Clock
  readonly #link: Beating
  #random: RandomState
  #liveness: Liveness
  #slot = 0
  /** A ping of ours is on its way, and nothing was heard since. */
  #asks = false
  /** What was heard last had not been asked for: it and a ping of ours were on their way at the same time. */
  #crossed = false
  rtt: Rtt | null = null

  /** The first ping measures the round-trip time of a bond that may never fall silent. */
  constructor(clock: Clock, seed: RandomState, link: Beating) {
    this.#clock = clock
    this.#link = link
    this.#random = seed
    const nowMs = clock.monotonicMs()
    this.#liveness = heardAt(nowMs)
    this.#ask(nowMs)
    this.#arm()
  }

  /** Anything was received. */
  heard(): void {
    this.#crossed = this.#asks
    this.#asks = false
    const before = this.#liveness
    const nowMs = this.#clock.monotonicMs()
    if (before.heardMs === nowMs && before.missed === 0) return
    this.#liveness = heardAt(nowMs)
    if (isSilent(before)) this.#link.tell({ type: 'bond.heard' })
  }

  /** What was just heard is a ping, sent at `sentMs`. Where one of ours crossed it, that has told the peer as much as an answer would. */
  asked(sentMs: number): void {
    if (!this.#crossed || this.rtt === null) this.#link.pong(sentMs)
  }

  /** A ping sent at `sentMs` was answered. */
  answered(sentMs: number): void {
    this.rtt = sample(this.rtt, this.#clock.monotonicMs() - sentMs)
  }

  stop(): void {
    wheelOf(this.#clock).remove(this, this.#slot)
  }

  #ask(nowMs: number): void {
    this.#asks = true
    this.#link.ping(nowMs)
  }

  #arm(): void {
    const [atMs, random] = nextFinding(this.#liveness, this.#clock.monotonicMs(), this.#random, TICK_MIN_MS)
    this.#random = random
    this.#slot = wheelOf(this.#clock).add(this, atMs)
  }

  /** From the wheel. */
  tick(): void {
    const before = this.#liveness
    const nowMs = this.#clock.monotonicMs()
    const now = tick(before, nowMs)
    this.#liveness = now
    if (isLost(now)) return this.#link.tell({ type: 'bond.lost' })
    if (now !== before) this.#ask(nowMs)
    this.#arm()
    if (isSilent(now) && !isSilent(before)) this.#link.tell({ type: 'bond.silent' })
  }
}
