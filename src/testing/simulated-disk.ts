/**
 * The disk of one simulated machine: a durable storage that keeps exactly what it promised to keep, and loses as much of the rest as
 * the seed decides. It outlives the processes that use it.
 *
 * A write is answered once a sync has brought it to the platter. One sync takes all that waits or, as often, only a beginning of it: whoever
 * relies on two writes getting there together is wrong. A crash keeps any beginning
 * of the writes that were not synced: they may have got there or not. A write that was torn by the crash is dropped whole, with all that
 * follow it: the contract makes a write atomic, so a storage must notice by its checksum. A snapshot that a member takes of itself gets there
 * after all that was written before it, but what is written later may be there sooner. After a failed sync, or where the disk is full,
 * nothing more is written until the process starts again.
 */

import { chunkOf, type Kept, keep, keepOwn, nothingKept, persistedOf } from '../actors/storage/kept.ts'
import type { Done, Persisted, RaftStore, Storage } from '../actors/storage/storage.ts'
import type { Clock } from '../clock.ts'
import { TesseraError } from '../errors.ts'
import type { GroupId } from '../identity/digest.ts'
import type { Persist } from '../machines/raft/effects.ts'
import type { FormationId, LogIndex, Snapshot } from '../machines/raft/messages.ts'
import type { Chance, Range } from './chance.ts'

/** What a disk holds for sure, for one group. */
export interface Platter extends Readonly<Kept> {
  /** Every formation that it ever held an acceptance of: those stay told, but a later write, perhaps of the same sync, takes their place. */
  readonly accepted: ReadonlySet<FormationId>
}

/** Mutable; its one owner is the disk. */
interface Held extends Kept {
  readonly accepted: Set<FormationId>
}

function keepAll(held: Held, write: Persist): void {
  keep(held, write)
  const id = write.hardState?.formation.id
  if (id) held.accepted.add(id)
}

/** A vote, a chunk of a snapshot that comes from a leader, or whatever it may be. */
export type WriteOf = 'vote' | 'chunk' | 'anything'

type Moment = 'write' | 'sync' | 'synced'

/** How this disk behaves now. */
export interface DiskWeather {
  syncMs: Range
  /** The next sync fails. */
  failsNext: boolean
  full: boolean
  /** The next chunk of a snapshot that comes from a leader is not what is written. */
  damagesNext: boolean
  /**
   * Called at the next write that holds this, whichever process makes it: before it is taken, in the middle of its sync, or after that,
   * before it is answered.
   */
  crashAt: { readonly moment: Moment; readonly of: WriteOf; readonly crash: () => void } | null
}

const SAVE_TAKES_SYNCS: Range = { min: 1, max: 5 }

export class SimulatedDisk {
  readonly weather: DiskWeather
  readonly #calm: DiskWeather
  readonly #chance: Chance
  readonly #platters = new Map<GroupId, Held>()
  #stores: SimulatedStore[] = []
  /** Writes that a crash took. */
  lost = 0

  constructor(chance: Chance, syncMs: Range) {
    this.#chance = chance
    this.#calm = { syncMs, failsNext: false, full: false, damagesNext: false, crashAt: null }
    this.weather = { ...this.#calm }
  }

  /** The storage of the process that runs on `clock`. */
  storage(clock: Clock): Storage {
    return {
      durable: true,
      open: (group) => {
        const store = new SimulatedStore(this.#held(group), clock, this.weather, this.#chance)
        this.#stores.push(store)
        return store
      },
    }
  }

  platter(group: GroupId): Platter {
    return this.#held(group)
  }

  #held(group: GroupId): Held {
    const held = this.#platters.get(group) ?? { ...nothingKept(), accepted: new Set() }
    this.#platters.set(group, held)
    return held
  }

  calm(): void {
    Object.assign(this.weather, this.#calm)
  }

  /** The process is gone, and with it what it had not synced. */
  crash(): void {
    for (const store of this.#stores) this.lost += store.crash(this.#chance)
    this.#stores = []
  }
}

/** A write as the disk sees it. */
interface Waiting {
  readonly apply: (platter: Held) => void
  readonly of: readonly WriteOf[]
  readonly done: Done
}

interface Saving extends Waiting {
  /** How many writes were given before. */
  readonly behind: number
}

function holdings({ hardState, snapshot }: Persist): WriteOf[] {
  return [...(hardState?.votedFor ? ['vote' as const] : []), ...(snapshot?.kind === 'chunk' ? ['chunk' as const] : [])]
}

class SimulatedStore implements RaftStore {
  readonly persisted: Persisted | null
  readonly #platter: Held
  readonly #clock: Clock
  readonly #weather: DiskWeather
  readonly #chance: Chance
  readonly #waiting: Waiting[] = []
  /** Snapshots of this member's own, each on its way to the platter behind all that was written before: later writes overtake it. */
  readonly #saving: Saving[] = []
  /** Writes that were given, and those that have reached the platter. */
  #given = 0
  #synced = 0
  #syncing = false
  #failure: TesseraError | null = null
  #closed = false

  constructor(platter: Held, clock: Clock, weather: DiskWeather, chance: Chance) {
    this.#platter = platter
    this.#clock = clock
    this.#weather = weather
    this.#chance = chance
    this.persisted = persistedOf(platter)
  }

  write(write: Persist, done: Done): void {
    const kept = this.#damaged(write)
    this.#wait({ apply: (platter) => keepAll(platter, kept), of: holdings(write), done })
  }

  save(snapshot: Snapshot, chunks: readonly Uint8Array[], done: Done): void {
    const apply = (platter: Held) => keepOwn(platter, snapshot, chunks)
    const saving = { apply, of: [], done, behind: this.#given }
    if (this.#takesCrash('write', [saving]) || this.#closed) return
    this.#saving.push(saving)
    this.#saveSoon(saving)
  }

  chunk(index: LogIndex, at: number): Uint8Array | null {
    return chunkOf(this.#platter, index, at)
  }

  #saveSoon(saving: Saving): void {
    const ms = this.#chance.within(this.#weather.syncMs) * this.#chance.within(SAVE_TAKES_SYNCS)
    this.#clock.setTimeout(() => this.#save(saving), ms)
  }

  #save(saving: Saving): void {
    if (this.#closed) return
    if (this.#synced < saving.behind && !this.#failure) return this.#saveSoon(saving)
    if (this.#takesCrash('sync', [saving])) return
    this.#saving.splice(this.#saving.indexOf(saving), 1)
    if (this.#weather.full) this.#fail('The disk is full.')
    if (this.#failure) return saving.done(this.#failure)
    saving.apply(this.#platter)
    if (!this.#takesCrash('synced', [saving])) saving.done(null)
  }

  #damaged(write: Persist): Persist {
    const { snapshot } = write
    if (!this.#weather.damagesNext || snapshot?.kind !== 'chunk' || snapshot.data.length === 0) return write
    this.#weather.damagesNext = false
    const data = Uint8Array.from(snapshot.data)
    const at = this.#chance.below(data.length)
    data[at] = data[at]! ^ 0x10
    return { ...write, snapshot: { ...snapshot, data } }
  }

  #wait(waiting: Waiting): void {
    if (this.#takesCrash('write', [waiting]) || this.#closed) return
    if (this.#weather.full) this.#fail('The disk is full.')
    this.#given++
    this.#waiting.push(waiting)
    this.#syncSoon()
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  /** Returns how many writes were lost. */
  crash(chance: Chance): number {
    this.#closed = true
    const kept = chance.below(this.#waiting.length + 1)
    for (const { apply } of this.#waiting.slice(0, kept)) apply(this.#platter)
    this.#synced += kept
    for (const { apply, behind } of this.#saving) if (behind <= this.#synced && chance.flip(0.5)) apply(this.#platter)
    return this.#waiting.length - kept
  }

  #syncSoon(): void {
    if (this.#syncing) return
    this.#syncing = true
    this.#clock.setTimeout(() => this.#sync(), this.#chance.within(this.#weather.syncMs))
  }

  #sync(): void {
    this.#syncing = false
    if (this.#closed) return
    if (this.#weather.failsNext) {
      this.#weather.failsNext = false
      this.#fail('The sync failed.')
    }
    if (this.#failure) {
      for (const { done } of this.#waiting) done(this.#failure)
      return
    }
    if (this.#takesCrash('sync', this.#waiting)) return
    const count = this.#chance.flip(0.5) ? this.#waiting.length : 1 + this.#chance.below(this.#waiting.length)
    const synced = this.#waiting.splice(0, count)
    for (const { apply } of synced) apply(this.#platter)
    this.#synced += synced.length
    if (this.#takesCrash('synced', synced)) return
    for (const { done } of synced) done(null)
    if (this.#waiting.length > 0) this.#syncSoon()
  }

  #fail(detail: string): void {
    this.#failure ??= new TesseraError('StorageFailed', { detail })
  }

  #takesCrash(moment: Moment, writes: readonly Waiting[]): boolean {
    const { crashAt } = this.#weather
    if (crashAt?.moment !== moment) return false
    if (crashAt.of !== 'anything' && !writes.some(({ of }) => of.includes(crashAt.of))) return false
    this.#weather.crashAt = null
    crashAt.crash()
    return true
  }
}
