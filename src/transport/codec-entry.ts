/**
 * Entries of the log, proposals for it, and what stands for its beginning, on the wire and in storage. Entries and proposals are
 * `[kind, ...]`: the one place of the codec that is written out by hand, because hundreds of them come in one message.
 */
import Type, { type Static } from 'typebox'
import type { PeerId } from '../identity/keys.ts'
import { DISCOVERY, RAFT } from '../limits.ts'
import type {
  Commands,
  Configuration,
  ConfigurationAt,
  Entry,
  LogIndex,
  Proposal,
  Snapshot,
  Term,
} from '../machines/raft/messages.ts'
import { readMessage } from './cbor.ts'
import type { Writer } from './cbor-writer.ts'
import { areCommands, pack } from './packed.ts'
import {
  bytesSchema,
  checker,
  type Field,
  field,
  hex,
  list,
  record,
  refuse,
  uint,
  uintSchema,
  written,
} from './wire-fields.ts'

const KIND = { noop: 0, configuration: 1, session: 2, commands: 3 } as const
const NONCE = /^[ -~]{0,64}$/

export const peers = list(hex<PeerId>(32), DISCOVERY.entriesMax)
const configuration: Field<Configuration> = record<Configuration>({ voters: peers, learners: peers })

const nonceSchema = Type.String({ pattern: NONCE })
const commandsSchema = Type.Array(bytesSchema(0, RAFT.commandBytesMax), {
  minItems: 1,
  maxItems: RAFT.entryCommandsMax,
})
const head = [uintSchema, uintSchema] as const // term, timeMs
const order = [uintSchema, uintSchema, uintSchema] as const // session, sequence, acknowledged

const commandsEntry = Type.Tuple([Type.Literal(KIND.commands), ...head, ...order, commandsSchema])
const noopEntry = Type.Tuple([Type.Literal(KIND.noop), ...head])
const sessionEntry = Type.Tuple([Type.Literal(KIND.session), ...head, nonceSchema])
const configurationEntry = Type.Tuple([
  Type.Literal(KIND.configuration),
  ...head,
  Type.Unsafe<unknown>(configuration.schema),
])
// A union is tried in order, and commands are what there are most of.
const entrySchema = Type.Union([commandsEntry, noopEntry, sessionEntry, configurationEntry])
const proposalSchema = Type.Union([
  Type.Tuple([Type.Literal(KIND.commands), ...order, commandsSchema]),
  Type.Tuple([Type.Literal(KIND.session), nonceSchema]),
])

function writeEntry(writer: Writer, value: Entry): void {
  writer.array(value.kind === 'commands' ? 7 : value.kind === 'noop' ? 3 : 4)
  writer.uint(KIND[value.kind])
  writer.uint(value.term)
  writer.uint(value.timeMs)
  if (value.kind === 'commands') writeCommands(writer, value)
  else if (value.kind === 'session') writeNonce(writer, value.nonce)
  else if (value.kind === 'configuration') configuration.write(writer, value.configuration)
}

function writeProposal(writer: Writer, value: Proposal): void {
  writer.array(value.kind === 'commands' ? 5 : 2)
  writer.uint(KIND[value.kind])
  if (value.kind === 'commands') writeCommands(writer, value)
  else writeNonce(writer, value.nonce)
}

function writeCommands(writer: Writer, { session, sequence, acknowledged, count, packed }: Commands): void {
  if (count < 1 || count > RAFT.entryCommandsMax) refuse(`${count} commands where ${RAFT.entryCommandsMax} may be.`)
  if (!areCommands(packed, count)) refuse(`${packed.length} bytes are not ${count} commands.`)
  writer.uint(session)
  writer.uint(sequence)
  writer.uint(acknowledged)
  writer.array(count)
  writer.raw(packed)
}

function writeNonce(writer: Writer, nonce: string): void {
  if (!NONCE.test(nonce)) refuse('A nonce is at most 64 printable ASCII characters.')
  writer.text(nonce)
}

function readEntry(wire: Static<typeof entrySchema>): Entry {
  const term = wire[1] as Term
  const timeMs = wire[2]
  switch (wire[0]) {
    case KIND.commands: {
      const [, , , session, sequence, acknowledged, commands] = wire
      const packed = pack(commands)
      return { kind: 'commands', term, timeMs, session, sequence, acknowledged, count: commands.length, packed }
    }
    case KIND.noop:
      return { kind: 'noop', term, timeMs }
    case KIND.session:
      return { kind: 'session', term, timeMs, nonce: wire[3] }
    case KIND.configuration:
      return { kind: 'configuration', term, timeMs, configuration: configuration.read(wire[3]) }
  }
}

function readProposal(wire: Static<typeof proposalSchema>): Proposal {
  if (wire[0] === KIND.session) return { kind: 'session', nonce: wire[1] }
  const [, session, sequence, acknowledged, commands] = wire
  return { kind: 'commands', session, sequence, acknowledged, count: commands.length, packed: pack(commands) }
}

/** What a snapshot says of itself, in messages and in storage. */
export const snapshot: Field<Snapshot> = record<Snapshot>({
  index: uint<LogIndex>(),
  term: uint<Term>(),
  configuration: record<ConfigurationAt>({ index: uint<LogIndex>(), configuration }),
  founders: peers,
  chunks: uint(),
  bytes: uint(),
  checksum: hex(32),
})

export const entry: Field<Entry> = field(entrySchema, writeEntry, readEntry)
export const proposal: Field<Proposal> = field(proposalSchema, writeProposal, readProposal)

const checkEntry = checker('Entry', entrySchema, [])

/** One entry by itself. */
export function encodeEntry(value: Entry): Uint8Array {
  return written((writer) => writeEntry(writer, value))
}

/** Throws `InvalidMessage`. A command is a view of `bytes`, which must not be written to afterwards. */
export function decodeEntry(bytes: Uint8Array): Entry {
  const wire = readMessage(bytes)
  checkEntry(wire)
  return entry.read(wire)
}
