/**
 * The state machine of a chaos run: registers to set and compare-and-set, and the book of every command that was ever applied.
 *
 * Invariant: the number that names a command is also the value it writes, unique in a run; so a value read tells who wrote it, and the
 * book tells what is missing and what was applied twice.
 */
import type { StateMachine } from '../../src/index.ts'

export type RegisterCommand =
  | { readonly type: 'set'; readonly key: string; readonly id: number }
  | { readonly type: 'cas'; readonly key: string; readonly expected: number | null; readonly id: number }

export type RegisterQuery = { readonly type: 'get'; readonly key: string } | { readonly type: 'audit' }

/** Each command's id, and how often it was applied. */
export type Audit = readonly (readonly [id: number, times: number])[]

/** set: true; cas: whether it swapped. */
export type AuditedRegisters = StateMachine<RegisterCommand, boolean, RegisterQuery, number | null | Audit>

const CHUNK_BYTES = 256 * 1024

export function auditedRegisters(): AuditedRegisters {
  let registers = new Map<string, number>()
  let book = new Map<number, number>()
  return {
    id: 'tessera.chaos.registers',
    version: 1,
    apply(command) {
      const { key, id } = command
      book.set(id, (book.get(id) ?? 0) + 1)
      if (command.type === 'cas' && (registers.get(key) ?? null) !== command.expected) return false
      registers.set(key, id)
      return true
    },
    query: (query) => (query.type === 'get' ? (registers.get(query.key) ?? null) : [...book]),
    *snapshot() {
      const bytes = new TextEncoder().encode(JSON.stringify({ registers: [...registers], book: [...book] }))
      for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES)
    },
    restore(chunks) {
      const state = JSON.parse(Buffer.concat([...chunks]).toString()) as {
        readonly registers: [string, number][]
        readonly book: [number, number][]
      }
      registers = new Map(state.registers)
      book = new Map(state.book)
    },
  }
}
