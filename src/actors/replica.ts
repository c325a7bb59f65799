/**
 * One member's copy of the replicated state machine, and the sessions that make each command apply once.
 *
 * Entries come committed and in order. A command is decoded and applied here, alike on every member; one that does not decode or
 * throws is its own error result and disturbs nothing else (SEMANTICS §7, 11). Whoever waits for a command of this member, or
 * for an index, is told in the same turn.
 */
import { assert } from '../errors.ts'
import { RAFT } from '../limits.ts'
import type { Apply } from '../machines/raft/effects.ts'
import type { CommandsEntry, Entry, LogIndex } from '../machines/raft/messages.ts'
import { SessionTable } from '../machines/raft/session.ts'
import type { AnyStateMachine } from '../machines/state-machine.ts'
import { Cursor } from '../transport/cbor-cursor.ts'
import { decodeValue } from '../transport/codec.ts'
import type { Outcome } from './client.ts'
import { decodeState, encodeState, type Placed } from './snapshot-format.ts'

export interface ReplicaDeps {
  readonly machine: AnyStateMachine
  readonly onSession: (nonce: string, index: number) => void
  /** `index`: where it took effect, which is before where it stands when it stands there for the second time. */
  readonly onCommand: (session: number, sequence: number, index: number, outcome: Outcome) => void
}

export class Replica {
  readonly #deps: ReplicaDeps
  readonly #sessions = new SessionTable<Placed>()
  #applied = 0

  constructor(deps: ReplicaDeps) {
    this.#deps = deps
  }

  /** Index of the last entry applied here; never goes back. */
  get applied(): number {
    return this.#applied
  }

  query(query: unknown): unknown {
    return this.#deps.machine.query(query)
  }

  apply({ from, entries }: Apply): void {
    assert(from === this.#applied + 1, `Entry ${from} was to be applied after ${this.#applied}.`)
    for (const entry of entries) this.#applyEntry(entry, this.#applied + 1)
  }

  /** All of it, after what was applied so far, in chunks (Raft §7). Throws what the state machine throws. */
  snapshot(): Uint8Array[] {
    return encodeState({ sessions: this.#sessions.kept(), machine: this.#deps.machine.snapshot() })
  }

  /** Becomes what another replica, or this one before, was at `index`. */
  restore(index: LogIndex, chunks: readonly Uint8Array[]): void {
    assert(index >= this.#applied, `The snapshot at ${index} would take back what was applied up to ${this.#applied}.`)
    const { sessions, machine } = decodeState(chunks)
    this.#sessions.restore(sessions)
    this.#deps.machine.restore(machine)
    this.#applied = index
    for (const { id, nonce } of sessions.sessions) this.#deps.onSession(nonce, id)
  }

  #applyEntry(entry: Entry, index: number): void {
    this.#sessions.advance(entry.timeMs)
    if (entry.kind === 'commands') return this.#applyCommands(entry, index)
    this.#applied = index
    if (entry.kind !== 'session') return
    this.#sessions.open(index, entry.nonce)
    this.#deps.onSession(entry.nonce, index)
  }

  #applyCommands(entry: CommandsEntry, first: number): void {
    const { session, sequence, packed } = entry
    const cursor = new Cursor(packed)
    for (let i = 0; i < entry.count; i++) {
      const index = first + i
      const length = cursor.skipBytes(RAFT.commandBytesMax)
      this.#applied = index
      const placed = this.#once(entry, sequence + i, index, cursor.at - length, cursor.at)
      this.#deps.onCommand(session, sequence + i, placed.index, placed.outcome)
    }
  }

  /** Thesis §6.3: a command of a session has one outcome at one place, however often it stands in the log. */
  #once(entry: CommandsEntry, sequence: number, index: number, start: number, end: number): Placed {
    const decision = this.#sessions.decide(entry.session, sequence, entry.acknowledged)
    if (decision === 'expired') return failed(index, 'SessionExpired', `Session ${entry.session}.`)
    if (decision === 'stale') return failed(index, 'CommandFailed', 'Its answer was acknowledged before.')
    if (decision !== 'apply') return decision.cached
    const placed = { index, outcome: this.#outcomeOf(entry, index, start, end) }
    this.#sessions.record(entry.session, sequence, placed)
    return placed
  }

  /** Of the command that stands there in the entry. */
  #outcomeOf({ packed, term, timeMs }: CommandsEntry, index: number, start: number, end: number): Outcome {
    try {
      const command = decodeValue(packed, start, end)
      return { ok: true, result: this.#deps.machine.apply(command, { index, term, timeMs }) }
    } catch (error) {
      return { ok: false, code: 'CommandFailed', detail: error instanceof Error ? error.message : String(error) }
    }
  }
}

function failed(index: number, code: 'SessionExpired' | 'CommandFailed', detail: string): Placed {
  return { index, outcome: { ok: false, code, detail } }
}
