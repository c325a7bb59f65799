/**
 * The raft actor: `raftMachine` with its effects bound to a disk, to bonds, and to the replica.
 *
 * The one rule it adds is the order that `effects.ts` promises: a message leaves only once the write it names is on disk. Writes are
 * numbered and answered in order, so one number says which are safe. Time reaches the machine as `raft.tick`.
 */
import type { ActorRefFrom } from 'xstate'
import type { Clock } from '../clock.ts'
import { RAFT_TIMING } from '../limits.ts'
import type { Apply, Persist, Respond, Restore, Send, SendChunk, TakeSnapshot } from '../machines/raft/effects.ts'
import { inPlace } from '../machines/raft/in-place.ts'
import { nextDeadlineMs, type RaftEvent, raftMachine } from '../machines/raft/machine.ts'
import type { Snapshot } from '../machines/raft/messages.ts'
import type { Effect } from '../machines/raft/step.ts'
import { type Ticking, wheelOf } from '../timing-wheel.ts'
import { News } from './news.ts'
import { checksumOf, describeChunks } from './snapshot-format.ts'
import type { RaftStore } from './storage/storage.ts'
import { withShortcut } from './xstate.ts'

export type RaftActor = ActorRefFrom<typeof raftMachine>

export interface RaftDeps {
  readonly clock: Clock
  readonly store: RaftStore
  readonly transmit: (send: Send) => void
  readonly apply: (apply: Apply) => void
  readonly respond: (respond: Respond) => void
  /** Entries were written to this member's log, perhaps over others. */
  readonly appended: (persist: Persist) => void
  /** The chunks of the state machine's snapshot now; null where it cannot be taken. */
  readonly takeSnapshot: () => readonly Uint8Array[] | null
  readonly restore: (snapshot: Snapshot, chunks: readonly Uint8Array[]) => void
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

/** What each effect does, by its type. */
type Performers = {
  readonly [T in Effect['type']]: (self: Self, params: Extract<Effect, { readonly type: T }>['params']) => void
}

function performersOf(deps: RaftDeps): Performers {
  const { clock, store, transmit, apply, respond, appended } = deps
  const news = new News(clock, transmit)
  const outbox = new Outbox((send) => news.send(send))
  return {
    persist: (self, write) => {
      appended(write)
      store.write(write, (error) => {
        // Every write under way fails with the disk; raft ends at the first.
        if (self.getSnapshot().status !== 'active') return
        if (error) return self.send({ type: 'raft.storageFailed' })
        outbox.safe(write.number)
        self.send({ type: 'raft.persisted', number: write.number })
        const received = lastChunkIn(write)
        if (!received) return
        self.send({ type: 'raft.snapshotReceived', index: received.index, intact: isIntact(store, received) })
      })
    },
    send: (_, send) => outbox.send(send),
    apply: (_, batch) => apply(batch),
    respond: (_, answer) => respond(answer),
    takeSnapshot: (self, point) => {
      const chunks = deps.takeSnapshot()
      if (chunks === null) return self.send({ type: 'raft.snapshotAbandoned' })
      const snapshot = describeChunks(point, chunks)
      store.save(snapshot, chunks, (error) => {
        if (self.getSnapshot().status !== 'active') return
        self.send(error ? { type: 'raft.snapshotAbandoned' } : { type: 'raft.snapshotSaved', snapshot })
      })
    },
    sendChunk: (_, { to, term, snapshot, chunk, after }) => {
      const data = store.chunk(snapshot.index, chunk)
      if (data) outbox.send({ to: [to], message: { type: 'InstallSnapshot', term, snapshot, chunk, data }, after })
    },
    restore: (_, { snapshot }) => deps.restore(snapshot, chunksOf(store, snapshot)),
  }
}

/** The machine, bound. Past the chart goes what leaves it where it is, unless somebody looks on. */
export function raftLogic(deps: RaftDeps): typeof raftMachine {
  const performers = performersOf(deps)
  const bound = raftMachine.provide({
    actions: {
      persist: ({ self }, params: Persist) => performers.persist(self, params),
      send: ({ self }, params: Send) => performers.send(self, params),
      apply: ({ self }, params: Apply) => performers.apply(self, params),
      respond: ({ self }, params: Respond) => performers.respond(self, params),
      takeSnapshot: ({ self }, params: TakeSnapshot) => performers.takeSnapshot(self, params),
      sendChunk: ({ self }, params: SendChunk) => performers.sendChunk(self, params),
      restore: ({ self }, params: Restore) => performers.restore(self, params),
    },
  })
  if (deps.inspected) return bound
  return withShortcut(bound, ({ value, context }, event, self) => {
    const step = inPlace(value, context, event)
    if (step === null) return null
    const [next, effects] = step
    for (const { type, params } of effects) performers[type](self, params as never)
    return next
  })
}

/** The snapshot whose last chunk this write brought. */
function lastChunkIn({ snapshot: write }: Persist): Snapshot | null {
  return write?.kind === 'chunk' && write.chunk === write.snapshot.chunks - 1 ? write.snapshot : null
}

/** Together the chunks are what the leader has; what the disk does not give back is not. */
function isIntact(store: RaftStore, snapshot: Snapshot): boolean {
  try {
    return checksumOf(chunksOf(store, snapshot)) === snapshot.checksum
  } catch {
    return false
  }
}

/** What is there of a snapshot that should be whole; where a chunk is missing, its checksum will not hold. */
export function chunksOf(store: RaftStore, { index, chunks }: Snapshot): Uint8Array[] {
  return Array.from({ length: chunks }, (_, at) => store.chunk(index, at) ?? new Uint8Array())
}

/**
 * Feeds the machine its time: each `tickMs`, at once with all else that ticks in this process, and sooner where the machine has a nearer
 * deadline. The machine's time begins as the wall clock's and then only passes: a wall clock that is set back must not stop heartbeats
 * and elections until it has caught up.
 */
export class Ticker implements Ticking {
  readonly #clock: Clock
  readonly #raft: RaftActor
  /** The wall clock at the moment 0 of the monotonic one. */
  readonly #originMs: number
  #slot = 0
  #nextTickMs = 0
  /** The next tick or the deadline before it; during a step, which may move it, there is nothing to hurry for. */
  #dueMs = Number.NEGATIVE_INFINITY
  #timer: unknown = null
  #stopped = false

  constructor(clock: Clock, raft: RaftActor) {
    this.#clock = clock
    this.#raft = raft
    this.#originMs = clock.now() - clock.monotonicMs()
    this.#wait()
  }

  /** The machine may have a nearer deadline than is waited for; cheap where it has not. */
  hurry(leastMs = 0): void {
    const deadlineMs = nextDeadlineMs(this.#raft.getSnapshot().context) - this.#originMs
    if (deadlineMs >= this.#dueMs || this.#stopped) return
    this.#dueMs = deadlineMs
    this.#clock.clearTimeout(this.#timer)
    const leftMs = Math.max(leastMs, deadlineMs - this.#clock.monotonicMs())
    this.#timer = this.#clock.setTimeout(() => this.#early(), leftMs)
  }

  stop(): void {
    this.#stopped = true
    wheelOf(this.#clock).remove(this, this.#slot)
    this.#clock.clearTimeout(this.#timer)
  }

  /** From the wheel. */
  tick(): void {
    this.#step()
    if (!this.#stopped) this.#wait()
  }

  #wait(): void {
    this.#nextTickMs = this.#clock.monotonicMs() + RAFT_TIMING.tickMs
    this.#slot = wheelOf(this.#clock).add(this, this.#nextTickMs)
    this.#dueMs = this.#nextTickMs
    this.hurry(1)
  }

  #early(): void {
    this.#step()
    this.#dueMs = this.#nextTickMs
    this.hurry(1)
  }

  #step(): void {
    // A disk that failed is raft's end; ticks are for the living.
    if (this.#raft.getSnapshot().status !== 'active') return this.stop()
    this.#clock.clearTimeout(this.#timer)
    this.#dueMs = Number.NEGATIVE_INFINITY
    this.#raft.send({ type: 'raft.tick', nowMs: this.#originMs + this.#clock.monotonicMs() })
  }
}
