/**
 * What the chunks of a snapshot hold, put end to end: a format number (1 byte), then parts, each `length (4 bytes BE) | bytes`:
 *
 *   head      { nowMs, sessions }: the time in the log, and how many sessions follow
 *   session   { id, nonce, acknowledged, usedMs, results }, the least recently used first, each followed by its
 *   results   [[sequence, outcome], ...], as many in all as its session says
 *   machine   a chunk as the state machine gave it, to the end
 *
 * All but the last are application values (`encodeValue`). The state machine's chunks come back as they were given, whatever size
 * the pieces have that travel.
 */
import { createHash } from 'node:crypto'
import { assert } from '../errors.ts'
import { RAFT } from '../limits.ts'
import type { Snapshot, SnapshotPoint } from '../machines/raft/messages.ts'
import type { KeptSession, KeptSessions } from '../machines/raft/session.ts'
import { decodeValue, encodeValue } from '../transport/codec.ts'
import type { Outcome } from './client.ts'

const FORMAT = 2
const LENGTH_BYTES = 4
/** Results of one part: a busy client leaves a thousand of them, each of a few bytes. */
const RESULTS_MAX = 64

type Session = KeptSession<Outcome>
type Result = Session['results'][number]

/** What a replica is made of, but for its place in the log. */
export interface ReplicaState {
  readonly sessions: KeptSessions<Outcome>
  readonly machine: Iterable<Uint8Array>
}

/** In pieces of `RAFT.snapshotChunkBytes`; the last may be shorter. Throws what the state machine throws. */
export function encodeState(state: ReplicaState): Uint8Array[] {
  const parts: Uint8Array[] = [Uint8Array.of(FORMAT)]
  for (const part of partsOf(state)) parts.push(lengthOf(part), part)
  const whole = Buffer.concat(parts)
  const chunks: Uint8Array[] = []
  for (let at = 0; at < whole.length; at += RAFT.snapshotChunkBytes) {
    chunks.push(whole.subarray(at, at + RAFT.snapshotChunkBytes))
  }
  return chunks
}

function* partsOf({ sessions: { nowMs, sessions }, machine }: ReplicaState): Generator<Uint8Array> {
  yield encodeValue({ nowMs, sessions: sessions.length })
  for (const { results, ...session } of sessions) {
    yield encodeValue({ ...session, results: results.length })
    for (let at = 0; at < results.length; at += RESULTS_MAX) yield* encodeResults(results.slice(at, at + RESULTS_MAX))
  }
  yield* machine
}

const NO_VALUE = {
  ok: false,
  code: 'CommandFailed',
  detail: 'It was applied, but its result is no value that can be encoded, and did not survive a snapshot.',
} as const

/** One that is no application value must not take the others with it. */
function encodeResults(results: readonly Result[]): Uint8Array[] {
  try {
    return [encodeValue(results)]
  } catch {
    return results.length > 1 ? results.flatMap((one) => encodeResults([one])) : results.map(withoutValue)
  }
}

function withoutValue([sequence, { index }]: Result): Uint8Array {
  return encodeValue([[sequence, { ...NO_VALUE, index }]])
}

function lengthOf(part: Uint8Array): Uint8Array {
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(part.length)
  return length
}

/** Throws `ProtocolAssertion` or `InvalidMessage` where the chunks are not those of a snapshot this version knows. */
export function decodeState(chunks: readonly Uint8Array[]): ReplicaState {
  const parts = partsIn(Buffer.concat(chunks))
  const { nowMs, sessions } = valueIn(parts.next()) as { readonly nowMs: number; readonly sessions: number }
  return { sessions: { nowMs, sessions: Array.from({ length: sessions }, () => sessionOf(parts)) }, machine: parts }
}

function* partsIn(whole: Buffer): Generator<Uint8Array, void> {
  assert(whole[0] === FORMAT, `a snapshot has format ${whole[0]}, and this version reads format ${FORMAT}`)
  for (let at = 1; at < whole.length; ) {
    const start = at + LENGTH_BYTES
    const end = start <= whole.length ? start + whole.readUInt32BE(at) : Number.POSITIVE_INFINITY
    assert(end <= whole.length, 'a snapshot ends in the middle of a part')
    yield whole.subarray(start, end)
    at = end
  }
}

/** Its own earlier encoding, behind a checksum: what it says of itself is so. */
function valueIn({ value, done }: IteratorResult<Uint8Array, void>): unknown {
  assert(done !== true, 'a snapshot ends in the middle of the session table')
  return decodeValue(value as Uint8Array)
}

function sessionOf(parts: Iterator<Uint8Array, void>): Session {
  const { results: count, ...session } = valueIn(parts.next()) as Omit<Session, 'results'> & {
    readonly results: number
  }
  const results: Result[] = []
  while (results.length < count) results.push(...(valueIn(parts.next()) as readonly Result[]))
  return { ...session, results }
}

/** What `chunks` are the snapshot of. */
export function describeChunks(point: SnapshotPoint, chunks: readonly Uint8Array[]): Snapshot {
  const bytes = chunks.reduce((sum, { length }) => sum + length, 0)
  return { ...point, chunks: chunks.length, bytes, checksum: checksumOf(chunks) }
}

export function checksumOf(chunks: Iterable<Uint8Array>): string {
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}
