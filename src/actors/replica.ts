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
import { type OpenRun, type Run, SessionTable } from '../machines/raft/session.ts'
import type { AnyStateMachine } from '../machines/state-machine.ts'
import { Cursor } from '../transport/cbor-cursor.ts'
import { decodeValue } from '../transport/codec.ts'
import { Failure } from './failure.ts'
import { decodeState, encodeState } from './snapshot-format.ts'

export interface ReplicaDeps {
  readonly machine: AnyStateMachine
  readonly onSession: (nonce: string, index: number) => void
  /**
   * Commands of a session and what came of them; a result that is a `Failure` is none. The index is where they took effect, which is before where they
   * stand when they stand there for the second time.
   */
  readonly onApplied: (session: number, run: Run<unknown>) => void
}

export class Replica {
  readonly #deps: ReplicaDeps
  readonly #sessions = new SessionTable<unknown>()
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
    const { session: id, sequence, acknowledged, count, packed } = entry
    const session = this.#sessions.use(id)
    if (session === null) return this.#expired(entry, first)
    session.acknowledge(Math.min(acknowledged, sequence - 1))
    const cursor = new Cursor(packed)
    let run: OpenRun<unknown> | null = null
    for (let i = 0; i < count; i++) {
      const index = first + i
      const length = cursor.skipBytes(RAFT.commandBytesMax)
      this.#applied = index
      const decision = session.decide(sequence + i)
      if (decision === 'apply') {
        run ??= session.begin(sequence + i, index)
        run.results.push(this.#resultOf(entry, index, cursor.at - length, cursor.at))
        continue
      }
      if (run !== null) this.#deps.onApplied(id, run)
      run = null
      this.#deps.onApplied(id, decision === 'stale' ? { sequence: sequence + i, index, results: STALE } : decision)
    }
    if (run !== null) this.#deps.onApplied(id, run)
  }

  #expired({ session, sequence, count }: CommandsEntry, index: number): void {
    this.#applied = index + count - 1
    const failure = new Failure('SessionExpired', `Session ${session}.`)
    this.#deps.onApplied(session, { sequence, index, results: Array.from({ length: count }, () => failure) })
  }

  /** Of the command that stands there in the entry. */
  #resultOf({ packed, term, timeMs }: CommandsEntry, index: number, start: number, end: number): unknown {
    try {
      const command = decodeValue(packed, start, end)
      return this.#deps.machine.apply(command, { index, term, timeMs })
    } catch (error) {
      return new Failure('CommandFailed', error instanceof Error ? error.message : String(error))
    }
  }
}

const STALE = [new Failure('CommandFailed', 'Its answer was acknowledged before.')] as const
