/** What a member offers to the leader: commands of its session, as few proposals as there can be, since each is one entry of the log (ADR 18). */
import { RAFT } from '../limits.ts'
import type { Commands } from '../machines/raft/messages.ts'
import { type Place, sizeOf } from '../transport/cbor-writer.ts'
import { gather } from '../transport/packed.ts'

/** A command that waits, with the place where its encoding stands. */
export interface Offered {
  readonly sequence: number
  readonly place: Place
}

/** Commands that follow each other are one proposal, as far as one entry may hold them. */
export function together(offered: readonly Offered[], session: number, acknowledged: number): Commands[] {
  const proposals: Commands[] = []
  for (let start = 0; start < offered.length; ) {
    const run = offered.slice(start, runEnd(offered, start))
    const packed = gather(run.map(({ place }) => place))
    const { sequence } = run[0]!
    proposals.push({ kind: 'commands', session, sequence, acknowledged, count: run.length, packed })
    start += run.length
  }
  return proposals
}

function runEnd(offered: readonly Offered[], start: number): number {
  const { sequence } = offered[start]!
  let bytes = 0
  let end = start
  for (; end < offered.length && end - start < RAFT.entryCommandsMax; end++) {
    const next = offered[end]!
    bytes += sizeOf(next.place)
    if (end > start && (bytes > RAFT.entryBytesMax || next.sequence !== sequence + end - start)) break
  }
  return end
}
