/**
 * The commands of an entry as they travel and are kept: a CBOR byte string each, one after the other. Many become one entry without a copy
 * where they were encoded one after the other, and are looked at one by one only when they are applied.
 */
import { concatBytes } from '@noble/hashes/utils.js'
import { RAFT } from '../limits.ts'
import { Cursor, OTHER } from './cbor-cursor.ts'
import { type Place, Writer } from './cbor-writer.ts'

/** Commands that were encoded, at least one, as one piece of memory: without a copy where each stands right behind the one before it. */
export function gather(places: readonly Place[]): Uint8Array {
  const pieces: Uint8Array[] = []
  let first = places[0]!
  for (const [i, place] of places.entries()) {
    const next = places[i + 1]
    if (next && next.block === place.block && next.start === place.end) continue
    pieces.push(first.block.subarray(first.start, place.end))
    if (next) first = next
  }
  return pieces.length === 1 ? pieces[0]! : concatBytes(...pieces)
}

/** Whether `packed` are exactly `count` commands, none larger than one may be. */
export function areCommands(packed: Uint8Array, count: number): boolean {
  const cursor = new Cursor(packed)
  return skipCommands(cursor, count) && cursor.done
}

/** Moves past `count` commands; false where something else stands there. */
export function skipCommands(cursor: Cursor, count: number): boolean {
  for (let i = 0; i < count; i++) if (cursor.skipBytes(RAFT.commandBytesMax) === OTHER) return false
  return true
}

const writer = new Writer()

/** Commands whose encoding stands here and there. */
export function pack(commands: readonly Uint8Array[]): Uint8Array {
  for (const command of commands) writer.bytes(command)
  return writer.take()
}
