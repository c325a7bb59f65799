/**
 * What the codec costs: nanoseconds for each entry of an AppendEntries of 500 commands of 64 bytes, and for small messages.
 *
 *   npx tsc --noEmit false --outDir node_modules/.cache/bench && node node_modules/.cache/bench/bench/codec.js
 */
import { performance } from 'node:perf_hooks'
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

const COMMANDS = 500
const entries = Array.from({ length: COMMANDS }, (_, i): Entry => {
  const command = new Uint8Array(64).fill(i)
  const [term, timeMs] = [7 as Term, 1_700_000_000_000 + i]
  return { kind: 'command', term, timeMs, session: 12, sequence: i, acknowledged: i, command }
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

/** Median over rounds of `calls` calls, for each of `parts` parts. */
function nanoseconds(run: () => void, calls: number, parts = 1): string {
  const rounds: number[] = []
  for (let round = 0; round < 12; round++) {
    const start = performance.now()
    for (let i = 0; i < calls; i++) run()
    rounds.push(((performance.now() - start) * 1e6) / calls / parts)
  }
  return `${rounds
    .slice(3)
    .sort((a, b) => a - b)[4]!
    .toFixed(0)} ns`
}

const each = (run: (entry: Entry, i: number) => void) => () => entries.forEach(run)

console.table({
  'AppendEntries, encode, per entry': nanoseconds(() => encodeRaftBatch([{ ...append }]), 100, COMMANDS),
  'AppendEntries, encode for a further peer, per entry': nanoseconds(() => encodeRaftBatch([append]), 400, COMMANDS),
  'AppendEntries, decode and check, per entry': nanoseconds(() => decodeBond(batch), 100, COMMANDS),
  'entry for storage, encode': nanoseconds(each(encodeEntry), 100, COMMANDS),
  'entry for storage, decode and check': nanoseconds(
    each((_, i) => void decodeEntry(stored[i]!)),
    100,
    COMMANDS,
  ),
  'Ping, encode': nanoseconds(() => encodeBond({ type: 'Ping', sentMs: 1 }), 50_000),
  'Ping, decode and check': nanoseconds(() => decodeBond(ping), 50_000),
  'small value, encode': nanoseconds(() => encodeValue(value), 50_000),
  'small value, decode': nanoseconds(() => decodeValue(command), 50_000),
})
