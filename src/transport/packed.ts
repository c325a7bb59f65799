/**
 * The commands of an entry as they travel and are kept: a CBOR byte string each, one after the other. Many become one entry without a copy
 * where they were encoded one after the other, and are looked at one by one only when they are applied.
 */
import { RAFT } from '../limits.ts'
import { Cursor, OTHER } from './cbor-cursor.ts'
import { type Place, Writer } from './cbor-writer.ts'

/** Commands that were encoded one after the other, as one piece of memory; `last` is the same place where there is one only. */
export function piece({ block, start }: Place, last: Place): Uint8Array {
  return new Uint8Array(block.buffer, block.byteOffset + start, last.end - start)
}

/** Does `next` stand right behind? */
export function isBehind({ block, end }: Place, next: Place): boolean {
  return block === next.block && end === next.start
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

/** What was packed, as views. */
export function unpack(packed: Uint8Array): Uint8Array[] {
  const cursor = new Cursor(packed)
  const commands: Uint8Array[] = []
  while (!cursor.done) {
    const command = cursor.view(RAFT.commandBytesMax)
    if (command === null) break
    commands.push(command)
  }
  return commands
}
