/**
 * The parts of the documents that are generated from code, by the name that stands in their markers:
 *
 *     <!-- generated: close-codes -->
 *     ...
 *     <!-- end -->
 */
import { readFileSync } from 'node:fs'
import { CLOSE_CODES, type CloseReason, ERRORS } from '../../src/errors.ts'
import { bondMachine } from '../../src/machines/bond/machine.ts'
import { ENDINGS } from '../../src/machines/bond/reasons.ts'
import { discoveryMachine } from '../../src/machines/discovery/machine.ts'
import { groupMachine } from '../../src/machines/group/machine.ts'
import { nodeMachine } from '../../src/machines/node/machine.ts'
import { raftMachine } from '../../src/machines/raft/machine.ts'
import { decodeBond, decodeDiscovery, decodeEntry, decodeHandshake } from '../../src/transport/codec.ts'
import { diagram, outcomeTable, stateTable } from './charts.ts'
import { TYPES, VALUES } from './layering.ts'

const MACHINES = {
  bond: bondMachine,
  group: groupMachine,
  raft: raftMachine,
  discovery: discoveryMachine,
  node: nodeMachine,
} as const

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

function closeCodes(): string {
  const byCode = Object.entries(CLOSE_CODES).sort(([, a], [, b]) => a - b)
  return table(
    ['code', 'reason', 'a bond that ends so has', 'and is dialled again'],
    byCode.map(([reason, code]) => {
      const { outcome, redial } = ENDINGS[reason as CloseReason]
      return [String(code), `\`${reason}\``, outcome, REDIAL[redial]]
    }),
  )
}

const REDIAL = {
  backoff: 'after a pause',
  whenEntryChanges: 'once its entry changes',
  never: 'not before it comes back by itself',
} as const

function errorCodes(): string {
  return table(
    ['code', 'retryable', 'sentence'],
    Object.entries(ERRORS).map(([code, { retryable, sentence }]) => [`\`${code}\``, retryable ? 'yes' : '', sentence]),
  )
}

/** Each limit with its reason: what the comment before it says. */
function limits(): string {
  const source = read('src/limits.ts')
  return [...source.matchAll(/\/\*\* ([^\n]*?) \*\/\nexport const (\w+) = \{\n([\s\S]*?)\n\} as const/g)]
    .map(([, what, name, body]) => `**${name}.** ${what}\n\n${table(['limit', 'value', 'why'], limitRows(body ?? ''))}`)
    .join('\n\n')
}

function limitRows(body: string): string[][] {
  return [...body.matchAll(/(?: {2}\/\*\* ([^\n]*?) \*\/\n)? {2}(\w+): ([^,\n]+),/g)].map(([, why, name, value]) => [
    `\`${name}\``,
    value ?? '',
    why ?? '',
  ])
}

type Golden = Readonly<Record<string, string>>

/** Tags and fields as the golden vectors have them. */
function wireTags(): string {
  const golden = JSON.parse(read('test/transport/codec-golden.json')) as Golden
  const rows = Object.entries(golden).map(([name, hex]) => {
    const { tag, message } = wireOf(name, Uint8Array.from(Buffer.from(hex, 'hex')))
    const fields = Object.keys(message).filter((field) => !OF_THE_HEAD.includes(field))
    return [tag, `\`${name}\``, fields.map((field) => `\`${field}\``).join(', ')]
  })
  return table(['tag', 'message', 'fields, in the order in which they travel'], rows)
}

/** Told by the tag, by the kind, and by the head of the array that the commands of an entry are. */
const OF_THE_HEAD = ['type', 'kind', 'count']

/** The decoder builds a message field by field in wire order, so its keys are that order. */
function wireOf(name: string, bytes: Uint8Array): { tag: string; message: object } {
  const tag = String(firstNumber(bytes, 1))
  if (name.startsWith('entry ')) return { tag: `kind ${tag}`, message: decodeEntry(bytes) }
  for (const decode of [decodeHandshake, decodeDiscovery]) {
    try {
      return { tag, message: decode(bytes) }
    } catch {
      // Of another family.
    }
  }
  const message = decodeBond(bytes)
  if (message.type !== 'Raft' || name === 'Raft') return { tag, message }
  // Of a batch of one: `[9, [tag, ...]]`.
  return { tag: String(firstNumber(bytes, 3)), message: message.messages[0] ?? {} }
}

/** The small CBOR number at `at`: tags are below 256. */
function firstNumber(bytes: Uint8Array, at: number): number {
  const head = bytes[at] ?? 0
  return head === 24 ? (bytes[at + 1] ?? 0) : head
}

function arrows(): string {
  const rooms = Object.keys(VALUES) as (keyof typeof VALUES)[]
  return table(
    ['room', 'may import values of', 'and types of'],
    rooms.map((room) => [
      `\`${room}\``,
      VALUES[room].filter((to) => to !== room).join(', '),
      TYPES[room]?.join(', ') ?? '',
    ]),
  )
}

const charts = Object.entries(MACHINES).flatMap(([name, machine]): [string, () => string][] => [
  [`chart ${name}`, () => diagram(machine)],
  [`states ${name}`, () => stateTable(machine)],
])

export const BLOCKS: Readonly<Record<string, () => string>> = {
  'close-codes': closeCodes,
  'error-codes': errorCodes,
  limits,
  'wire-tags': wireTags,
  arrows,
  handshake: () => outcomeTable(bondMachine, 'handshake'),
  ...Object.fromEntries(charts),
}

/** A file's own header comment, for what is best said beside the code. */
function headerOf(path: string): string {
  const comment = /^\/\*\*\n([\s\S]*?)\n \*\//.exec(read(path))?.[1]
  if (comment === undefined) throw new Error(`${path} has no header.`)
  return comment.replace(/^ \* ?/gm, '')
}

const BLOCK = /(<!-- generated: ([\w ./-]+) -->\n)[\s\S]*?(<!-- end -->)/g

/** The document with each generated part as the code says now. */
export function regenerated(text: string): string {
  return text.replace(BLOCK, (_, open: string, name: string, close: string) => {
    const header = /^header (.+)$/.exec(name)?.[1]
    const block = header ? () => headerOf(header) : BLOCKS[name]
    if (!block) throw new Error(`There is no generated part named ${name}.`)
    return `${open}\n${block()}\n\n${close}`
  })
}
