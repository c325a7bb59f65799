/**
 * What the chunks of a snapshot hold, put end to end: a format number (1 byte), then parts, each `length (4 bytes BE) | bytes`:
 *
 *   head      { nowMs, sessions }: the time in the log, and how many sessions follow
 *   session   { id, nonce, acknowledged, usedMs, runs }, the least recently used first, each followed by its
 *   runs      [sequence, index, results, [[place, code, detail], ...]], as many as its session says; the last is where a command failed
 *   machine   a chunk as the state machine gave it, to the end
 *
 * All but the last are application values (`encodeValue`). The state machine's chunks come back as they were given, whatever size
 * the pieces have that travel.
 */
import { createHash } from 'node:crypto'
import { assert } from '../errors.ts'
import { RAFT } from '../limits.ts'
import type { Snapshot, SnapshotPoint } from '../machines/raft/messages.ts'
import type { KeptSession, KeptSessions, Run } from '../machines/raft/session.ts'
import { decodeValue, encodeValue } from '../transport/codec.ts'
import { Failure } from './failure.ts'

const FORMAT = 3
const LENGTH_BYTES = 4

type WrittenFailure = readonly [place: number, code: Failure['code'], detail: string]
type WrittenRun = readonly [
  sequence: number,
  index: number,
  results: readonly unknown[],
  failures: readonly WrittenFailure[],
]

type Results = Run<unknown>

/** What a replica is made of, but for its place in the log. */
export interface ReplicaState {
  readonly sessions: KeptSessions<unknown>
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
  for (const { runs, ...session } of sessions) {
    const encoded = runs.flatMap(encodeRun)
    yield encodeValue({ ...session, runs: encoded.length })
    yield* encoded
  }
  yield* machine
}

const NO_VALUE = new Failure(
  'CommandFailed',
  'It was applied, but its result is no value that can be encoded, and did not survive a snapshot.',
)

/** Halves where it is too large to be one value, or one result in it is none: that must not take the others with it. */
function encodeRun(run: Results): Uint8Array[] {
  const { length } = run.results
  try {
    return [encodeValue(writtenOf(run))]
  } catch {
    if (length === 1) return [encodeValue(writtenOf({ ...run, results: [NO_VALUE] }))]
    const middle = length >>> 1
    return [...encodeRun(partOf(run, 0, middle)), ...encodeRun(partOf(run, middle, length))]
  }
}

function partOf({ sequence, index, results }: Results, start: number, end: number): Results {
  return { sequence: sequence + start, index: index + start, results: results.slice(start, end) }
}

/** Failures stand apart, as no value of an application may be taken for one. */
function writtenOf({ sequence, index, results }: Results): WrittenRun {
  const failures = results.flatMap((result, i): WrittenFailure[] =>
    result instanceof Failure ? [[i, result.code, result.detail]] : [],
  )
  const values = failures.length === 0 ? results : results.map((result) => (result instanceof Failure ? null : result))
  return [sequence, index, values, failures]
}

function runOf([sequence, index, values, failures]: WrittenRun): Results {
  const results = [...values]
  for (const [i, code, detail] of failures) results[i] = new Failure(code, detail)
  return { sequence, index, results }
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

function sessionOf(parts: Iterator<Uint8Array, void>): KeptSession<unknown> {
  const { runs, ...session } = valueIn(parts.next()) as Omit<KeptSession<unknown>, 'runs'> & { readonly runs: number }
  return { ...session, runs: Array.from({ length: runs }, () => runOf(valueIn(parts.next()) as WrittenRun)) }
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
