/**
 * The replicated key-value store of the demo, and an example of a state machine written by hand: a `Map`, commands
 * that change it, queries that read it, and a snapshot in chunks.
 *
 * Invariant: the state is a function of the commands applied, in their order; the map's own order is part of it, so
 * members that applied the same commands give the same snapshot, byte for byte.
 */
import type { StateMachine } from '../machines/state-machine.ts'

export type StoreCommand =
  | { readonly type: 'set'; readonly key: string; readonly value: string }
  | { readonly type: 'delete'; readonly key: string }

export interface StoreQuery {
  readonly type: 'get'
  readonly key: string
}

/** The value a key had before the command; null where it had none. */
export type StoreResult = string | null
export type StoreAnswer = string | null
export type Store = StateMachine<StoreCommand, StoreResult, StoreQuery, StoreAnswer>

/** A chunk is closed once its text is longer than this, so it stays well below the 1 MiB a chunk should have. */
const CHUNK_CHARACTERS = 128 * 1024

export function store(): Store {
  const values = new Map<string, string>()
  return {
    id: 'tessera.store',
    version: 1,

    apply(command) {
      assertText(command.key)
      const before = values.get(command.key) ?? null
      switch (command.type) {
        case 'set':
          assertText(command.value)
          values.set(command.key, command.value)
          return before
        case 'delete':
          values.delete(command.key)
          return before
        default:
          throw new Error(`a store knows set and delete, not ${String((command as { type: unknown }).type)}`)
      }
    },

    query({ key }) {
      return values.get(key) ?? null
    },

    *snapshot() {
      const text = new TextEncoder()
      for (const entries of inChunks(values)) yield text.encode(JSON.stringify(entries))
    },

    restore(chunks) {
      const text = new TextDecoder()
      values.clear()
      for (const chunk of chunks) {
        for (const [key, value] of JSON.parse(text.decode(chunk)) as [string, string][]) values.set(key, value)
      }
    },
  }
}

function* inChunks(values: ReadonlyMap<string, string>): Generator<[string, string][]> {
  let chunk: [string, string][] = []
  let characters = 0
  for (const [key, value] of values) {
    chunk.push([key, value])
    characters += key.length + value.length
    if (characters <= CHUNK_CHARACTERS) continue
    yield chunk
    chunk = []
    characters = 0
  }
  if (chunk.length > 0) yield chunk
}

/** Commands come from other members: the type system has not seen them. */
function assertText(value: unknown): asserts value is string {
  if (typeof value !== 'string') throw new Error('keys and values of a store are strings')
}
