/** The commands that are packed in an entry, one by one, as views. */
import { RAFT } from '../../src/limits.ts'
import { Cursor, OTHER } from '../../src/transport/cbor-cursor.ts'

export function unpack(packed: Uint8Array): Uint8Array[] {
  const cursor = new Cursor(packed)
  const commands: Uint8Array[] = []
  while (!cursor.done) {
    const length = cursor.skipBytes(RAFT.commandBytesMax)
    if (length === OTHER) break
    commands.push(packed.subarray(cursor.at - length, cursor.at))
  }
  return commands
}
