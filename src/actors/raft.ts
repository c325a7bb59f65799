/**
 * The raft actor: `raftMachine` with its effects bound to a disk, to bonds, and to the replica.
 *
 * The one rule it adds is the order that `effects.ts` promises: a message leaves only once the write it names is on disk. Writes are
 * numbered and answered in order, so one number says which are safe. Time reaches the machine as `raft.tick`.
 */
import type { ActorRefFrom } from 'xstate'
import type { Clock } from '../clock.ts'
import { RAFT_TIMING } from '../limits.ts'
import type { Apply, Persist, Respond, Send } from '../machines/raft/effects.ts'
import { inPlace } from '../machines/raft/in-place.ts'
import { nextDeadlineMs, type RaftEvent, raftMachine } from '../machines/raft/machine.ts'
import type { Effect } from '../machines/raft/step.ts'
import type { RaftStore } from './storage/storage.ts'
import { withShortcut } from './xstate.ts'

export type RaftActor = ActorRefFrom<typeof raftMachine>

export interface RaftDeps {
  readonly store: RaftStore
  readonly transmit: (send: Send) => void
  readonly apply: (apply: Apply) => void
  readonly respond: (respond: Respond) => void
  /** Entries were written to this member's log, perhaps over others. */
  readonly appended: (persist: Persist) => void
  /** An inspector wants to see every step and action, so every event walks the chart. */
  readonly inspected: boolean
}

/** What effects need of the actor that they are of. */
interface Self {
  getSnapshot(): { readonly status: string }
  send(event: RaftEvent): void
}

/** Holds back what must not leave before its write is safe. */
export class Outbox {
  #safe = 0
  #held: Send[] = []
  readonly #transmit: (send: Send) => void

  constructor(transmit: (send: Send) => void) {
    this.#transmit = transmit
  }

  send(send: Send): void {
    if (send.after <= this.#safe) this.#transmit(send)
    else this.#held.push(send)
  }

  /** Write `number`, and every write before it, is on disk. */
  safe(number: number): void {
    this.#safe = number
    if (this.#held.length === 0) return
    const held = this.#held
    this.#held = held.filter((send) => send.after > number)
    for (const send of held) if (send.after <= number) this.#transmit(send)
  }
}

/** The machine, bound. Past the chart goes what leaves it where it is, unless somebody looks on. */
export function raftLogic({ store, transmit, apply, respond, appended, inspected }: RaftDeps): typeof raftMachine {
  const outbox = new Outbox(transmit)
  const persist = (self: Self, write: Persist) => {
    appended(write)
    store.write(write, (error) => {
      // Every write under way fails with the disk; raft ends at the first.
      if (self.getSnapshot().status !== 'active') return
      if (error) return self.send({ type: 'raft.storageFailed' })
      outbox.safe(write.number)
      self.send({ type: 'raft.persisted', number: write.number })
    })
  }
  const bound = raftMachine.provide({
    actions: {
      persist: ({ self }, write: Persist) => persist(self, write),
      send: (_, send: Send) => outbox.send(send),
      apply: (_, batch: Apply) => apply(batch),
      respond: (_, answer: Respond) => respond(answer),
    },
  })
  if (inspected) return bound
  const perform = (self: Self, { type, params }: Effect) => {
    switch (type) {
      case 'persist':
        return persist(self, params)
      case 'send':
        return outbox.send(params)
      case 'apply':
        return apply(params)
      case 'respond':
        return respond(params)
    }
  }
  return withShortcut(bound, ({ value, context }, event, self) => {
    const step = inPlace(value, context, event)
    if (step === null) return null
    const [next, effects] = step
    for (const effect of effects) perform(self, effect)
    return next
  })
}

/**
 * Feeds the machine its time: each `tickMs`, and sooner where the machine has a nearer deadline. The machine's time begins as the wall
 * clock's and then only passes: a wall clock that is set back must not stop heartbeats and elections until it has caught up.
 */
export class Ticker {
  readonly #clock: Clock
  readonly #raft: RaftActor
  /** The wall clock at the moment 0 of the monotonic one. */
  readonly #originMs: number
  #timer: unknown = null
  #dueMs = Number.POSITIVE_INFINITY
  #stopped = false

  constructor(clock: Clock, raft: RaftActor) {
    this.#clock = clock
    this.#raft = raft
    this.#originMs = clock.now() - clock.monotonicMs()
    this.#arm(this.#nowMs + RAFT_TIMING.tickMs)
  }

  get #nowMs(): number {
    return this.#originMs + this.#clock.monotonicMs()
  }

  /** The machine may have a nearer deadline than the timer knows of; cheap where it has not. */
  hurry(): void {
    const deadlineMs = nextDeadlineMs(this.#raft.getSnapshot().context)
    if (deadlineMs < this.#dueMs && !this.#stopped) this.#arm(deadlineMs)
  }

  stop(): void {
    this.#stopped = true
    this.#clock.clearTimeout(this.#timer)
  }

  #arm(dueMs: number): void {
    this.#dueMs = dueMs
    this.#clock.clearTimeout(this.#timer)
    this.#timer = this.#clock.setTimeout(() => this.#tick(), Math.max(0, dueMs - this.#nowMs))
  }

  #tick(): void {
    // A disk that failed is raft's end; ticks are for the living.
    if (this.#raft.getSnapshot().status !== 'active') return this.stop()
    const nowMs = this.#nowMs
    this.#dueMs = nowMs + RAFT_TIMING.tickMs
    this.#raft.send({ type: 'raft.tick', nowMs })
    const deadlineMs = nextDeadlineMs(this.#raft.getSnapshot().context)
    if (!this.#stopped) this.#arm(Math.max(nowMs + 1, Math.min(nowMs + RAFT_TIMING.tickMs, deadlineMs)))
  }
}
