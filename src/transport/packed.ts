/**
 * The commands of an entry as they travel and are kept: a CBOR byte string each, one after the other. Many become one entry without a copy
 * where they were encoded one after the other, and are looked at one by one only when they are applied.
 */
import { concatBytes } from '@noble/hashes/utils.js'
import { RAFT } from '../limits.ts'
import { Cursor, OTHER } from './cbor-cursor.ts'
import { type Place, Writer } from './cbor-writer.ts'

/** Gathers commands that were encoded into one piece of memory: without a copy where each stands right behind the one before it. */
export class Packing {
  readonly #pieces: Uint8Array[] = []
  #block: Uint8Array | null = null
  #start = 0
  #end = 0

  add({ block, start, end }: Place): void {
    if (block !== this.#block || start !== this.#end) {
      this.#cut()
      this.#block = block
      this.#start = start
    }
    this.#end = end
  }

  /** All that was added so far. */
  get packed(): Uint8Array {
    this.#cut()
    if (this.#pieces.length > 1) this.#pieces.splice(0, this.#pieces.length, concatBytes(...this.#pieces))
    return this.#pieces[0] ?? NOTHING
  }

  #cut(): void {
    if (this.#block) this.#pieces.push(this.#block.subarray(this.#start, this.#end))
    this.#block = null
  }
}

const NOTHING = new Uint8Array(0)

/** Where each of `count` commands begins, and behind them where the last ends. */
export function placesIn(packed: Uint8Array, count: number): number[] {
  const cursor = new Cursor(packed)
  const places = [0]
  while (places.length <= count) {
    cursor.skipBytes(RAFT.commandBytesMax)
    places.push(cursor.at)
  }
  return places
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
