/**
 * What the codec costs: nanoseconds for each entry of an AppendEntries of 500, of one command of 64 bytes each, and for small messages.
 * Part of `npm run bench -- machine`.
 */
import type { AppendEntries, Entry, LogIndex, Term } from '../src/machines/raft/messages.ts'
import {
  decodeBond,
  decodeEntry,
  decodeValue,
  encodeBond,
  encodeEntry,
  encodeRaftBatch,
  encodeValue,
} from '../src/transport/codec.ts'
import { pack } from '../src/transport/packed.ts'
import { type Figure, figure } from './figure.ts'

const COMMANDS = 500
const entries = Array.from({ length: COMMANDS }, (_, i): Entry => {
  const packed = pack([new Uint8Array(64).fill(i)])
  const [term, timeMs] = [7 as Term, 1_700_000_000_000 + i]
  return { kind: 'commands', term, timeMs, session: 12, sequence: i, acknowledged: i, count: 1, packed }
})
const append: AppendEntries = {
  type: 'AppendEntries',
  term: 7 as Term,
  prevIndex: 100 as LogIndex,
  prevTerm: 7 as Term,
  commit: 99 as LogIndex,
  round: 5,
  entries,
}
const batch = encodeRaftBatch([append])
const ping = encodeBond({ type: 'Ping', sentMs: 1_700_000_000_000 })
const stored = entries.map(encodeEntry)
const value = { type: 'set', key: 'a key', value: 'some value' }
const command = encodeValue(value)
const bytes = new Uint8Array(64).fill(0x5a)
const encodedBytes = encodeValue(bytes)

const each = (run: (entry: Entry, i: number) => void) => () => entries.forEach(run)

export function codecFigures(): Figure[] {
  return [
    figure('AppendEntries of 500, encode, per entry', () => void encodeRaftBatch([append]), 100, COMMANDS),
    figure('AppendEntries of 500, decode and check, per entry', () => void decodeBond(batch), 100, COMMANDS),
    figure('entry, encode', each(encodeEntry), 100, COMMANDS),
    figure(
      'entry, decode and check',
      each((_, i) => void decodeEntry(stored[i]!)),
      100,
      COMMANDS,
    ),
    figure('Ping, encode', () => void encodeBond({ type: 'Ping', sentMs: 1 }), 50_000),
    figure('Ping, decode and check', () => void decodeBond(ping), 50_000),
    figure('small value, encode', () => void encodeValue(value), 50_000),
    figure('small value, decode', () => void decodeValue(command), 50_000),
    figure('value of 64 bytes, encode', () => void encodeValue(bytes), 50_000),
    figure('value of 64 bytes, decode', () => void decodeValue(encodedBytes), 50_000),
  ]
}
