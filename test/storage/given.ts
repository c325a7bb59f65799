/** What a store is given by chance, and what it may hold for that when it is cut off. */
import { type Kept, type KeptSnapshot, keep, keepOwn, termAt } from '../../src/actors/storage/kept.ts'
import type { Done } from '../../src/actors/storage/storage.ts'
import type { Persist, SnapshotWrite } from '../../src/machines/raft/effects.ts'
import type { EntryId, Snapshot } from '../../src/machines/raft/messages.ts'
import type { Chance } from '../../src/testing/chance.ts'
import { ALICE, BOB, command, hardState, persist, small, smallChunksOf } from './samples.ts'

/** A write, or a snapshot to save, of a store that holds `kept`, while it may be saving one. */
export function nextStep(kept: Kept, saving: Snapshot | null, chance: Chance): Persist | Snapshot {
  const { base, last, own, receiving } = kept
  /** Nothing up to here is ever cut. */
  const committed = Math.max(base.index, own?.snapshot.index ?? 0, saving?.index ?? 0)
  const termOf = (index: number) => Math.max(1, termAt(kept, index) ?? base.term)
  const salt = () => chance.below(1_000_000)
  const ofSnapshot = (snapshot: SnapshotWrite, from = last + 1) => ({ ...persist(0, from, []), snapshot })
  const chunkOf = (snapshot: Snapshot, chunk: number) =>
    ofSnapshot({ kind: 'chunk', snapshot, chunk, data: smallChunksOf(snapshot)[chunk]! })

  const entries = () => {
    const from = chance.flip(0.7) ? last + 1 : chance.within({ min: committed + 1, max: last + 1 })
    const term = termOf(from - 1) + chance.below(2)
    const bytes = () => (chance.flip(0.05) ? 9_000 : chance.below(900))
    const more = Array.from({ length: chance.below(4) }, () => command(term, salt(), bytes()))
    return persist(0, from, more, chance.flip(0.2) ? hardState(salt(), chance.oneOf([ALICE, BOB, null])) : null)
  }
  const save = () => {
    const index = chance.within({ min: committed + 1, max: last })
    return small(index, termOf(index), salt())
  }
  const compact = () => {
    const index = chance.within({ min: base.index + 1, max: own!.snapshot.index })
    return ofSnapshot({ kind: 'compact', base: { index, term: termOf(index) } as EntryId })
  }
  const begin = () => chunkOf(small(last + 1 + chance.below(3), termOf(last), salt()), 0)
  const goOn = ({ snapshot, chunks }: KeptSnapshot) =>
    chunks.length < snapshot.chunks ? chunkOf(snapshot, chunks.length) : install(snapshot)
  const install = (snapshot: Snapshot) => {
    const agrees = snapshot.index <= last && termOf(snapshot.index) === snapshot.term
    return ofSnapshot({ kind: 'install', snapshot }, (agrees ? last : snapshot.index) + 1)
  }

  // Who gets a snapshot has a term.
  if (!kept.hardState) return persist(0, 1, [], hardState(1))
  const may: (() => Persist | Snapshot)[] = [entries, entries, entries]
  if (!saving && last > committed) may.push(save)
  if (own && own.snapshot.index > base.index) may.push(compact)
  if (receiving && receiving.snapshot.index > committed && chance.flip(0.9)) may.push(() => goOn(receiving))
  else may.push(begin)
  return chance.oneOf(may)()
}

/** The store as it acknowledged a write last, and as each that was given since makes it: cut off now, it may be found as any of these. */
export class Given {
  error: unknown = null
  #states: readonly Kept[]

  constructor(states: readonly Kept[]) {
    this.#states = states
  }

  get states(): readonly Kept[] {
    return this.#states
  }

  get last(): Kept {
    return this.#states.at(-1)!
  }

  /** Returns how it is answered. */
  write(write: Persist): Done {
    return this.#add((kept) => keep(kept, write))
  }

  /** A snapshot that was saved is whole. Returns how it is answered. */
  own(snapshot: Snapshot): Done {
    return this.#add((kept) => keepOwn(kept, snapshot, smallChunksOf(snapshot)))
  }

  #add(change: (kept: Kept) => void): Done {
    const state = { ...this.last, entries: [...this.last.entries] }
    change(state)
    this.#states = [...this.#states, state]
    return (error) => {
      if (error) this.error = error
      else this.#states = this.#states.slice(this.#states.indexOf(state))
    }
  }
}
