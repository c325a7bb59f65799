/**
 * Reads the two messages that commands travel in, `AppendEntries` and `Propose`, and the answer to the first straight from bytes: hundreds of
 * commands come in one, so the arrays and the schema that all other messages pass through would be most of what a command costs.
 *
 * Only a batch of one such message, of commands alone, is read here. Anything else, sound or not, is `null`: the general way of
 * `codec.ts` reads or refuses it. A test holds both ways to the same.
 */
import { RAFT } from '../limits.ts'
import type { Raft } from '../machines/bond/messages.ts'
import type { CommandsEntry, LogIndex, Proposal, Term } from '../machines/raft/messages.ts'
import { Cursor, OTHER } from './cbor-cursor.ts'
import { skipCommands } from './packed.ts'

/** The head of a batch of one message, and of the message: an array, and its tag. */
const APPEND_ENTRIES = [0x82, 9, 0x87, 0x18, 36] as const
const APPENDED = [0x82, 9, 0x84, 0x18, 37] as const
const PROPOSE = [0x82, 9, 0x82, 0x18, 39] as const
/** Heads of the arrays that an entry of commands and a proposal of commands are, and their kind. */
const ENTRY = 0x87
const PROPOSAL = 0x85
const COMMANDS = 3

/** Commands are views of `bytes`, which must not be written to afterwards. */
export function readCommands(bytes: Uint8Array): Raft | null {
  const tag = bytes[4]
  if (tag === APPEND_ENTRIES[4]) return readAppendEntries(new Cursor(bytes))
  if (tag === APPENDED[4]) return readAppended(new Cursor(bytes))
  return tag === PROPOSE[4] ? readPropose(new Cursor(bytes)) : null
}

function readAppendEntries(cursor: Cursor): Raft | null {
  if (!cursor.skips(APPEND_ENTRIES)) return null
  const [term, prevIndex, prevTerm] = [cursor.uint(), cursor.uint(), cursor.uint()]
  const [commit, round, length] = [cursor.uint(), cursor.uint(), cursor.array()]
  if (Math.min(term, prevIndex, prevTerm, commit, round, length) === OTHER || length > RAFT.appendEntriesMax)
    return null
  const entries: CommandsEntry[] = []
  for (let i = 0; i < length; i++) {
    const entry = readEntry(cursor)
    if (entry === null) return null
    entries.push(entry)
  }
  if (!cursor.done) return null
  const places = { prevIndex: prevIndex as LogIndex, prevTerm: prevTerm as Term, commit: commit as LogIndex }
  return { type: 'Raft', messages: [{ type: 'AppendEntries', term: term as Term, ...places, round, entries }] }
}

function readAppended(cursor: Cursor): Raft | null {
  if (!cursor.skips(APPENDED)) return null
  const [term, matchIndex, round] = [cursor.uint(), cursor.uint(), cursor.uint()]
  if (Math.min(term, matchIndex, round) === OTHER || !cursor.done) return null
  const places = { term: term as Term, matchIndex: matchIndex as LogIndex, round }
  return { type: 'Raft', messages: [{ type: 'AppendEntriesResponse', ...places }] }
}

function readEntry(cursor: Cursor): CommandsEntry | null {
  if (cursor.byte() !== ENTRY || cursor.byte() !== COMMANDS) return null
  const term = cursor.uint() as Term
  const timeMs = cursor.uint()
  const session = cursor.uint()
  const sequence = cursor.uint()
  const acknowledged = cursor.uint()
  const count = cursor.array()
  const packed = readPacked(cursor, count)
  if (packed === null || Math.min(term, timeMs, session, sequence, acknowledged) === OTHER) return null
  return { kind: 'commands', term, timeMs, session, sequence, acknowledged, count, packed }
}

/** Commands are looked at only so far that there are so many, and what follows is found. */
function readPacked(cursor: Cursor, count: number): Uint8Array | null {
  const start = cursor.at
  if (count < 1 || count > RAFT.entryCommandsMax || !skipCommands(cursor, count)) return null
  return new Uint8Array(cursor.bytes.buffer, cursor.bytes.byteOffset + start, cursor.at - start)
}

function readPropose(cursor: Cursor): Raft | null {
  if (!cursor.skips(PROPOSE)) return null
  const length = cursor.array()
  if (length === OTHER || length > RAFT.waitingCommandsMax) return null
  const proposals: Proposal[] = []
  for (let i = 0; i < length; i++) {
    const proposal = readProposal(cursor)
    if (proposal === null) return null
    proposals.push(proposal)
  }
  return cursor.done ? { type: 'Raft', messages: [{ type: 'Propose', proposals }] } : null
}

function readProposal(cursor: Cursor): Proposal | null {
  if (cursor.byte() !== PROPOSAL || cursor.byte() !== COMMANDS) return null
  const session = cursor.uint()
  const sequence = cursor.uint()
  const acknowledged = cursor.uint()
  const count = cursor.array()
  const packed = readPacked(cursor, count)
  if (packed === null || Math.min(session, sequence, acknowledged) === OTHER) return null
  return { kind: 'commands', session, sequence, acknowledged, count, packed }
}
