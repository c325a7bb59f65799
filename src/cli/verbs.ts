/**
 * Commands typed at a prompt or read from a pipe: a table of verbs, from which parsing, help and completion follow.
 */
import { TesseraError } from '../errors.ts'

export interface Verb {
  /** What it takes, in order, as the usage shows it. */
  readonly takes: readonly string[]
  /** The last argument is the rest of the line, blanks included. */
  readonly takesRest?: boolean
  /** One sentence for the help. */
  readonly does: string
  /** Words that complete the first argument. */
  readonly completes?: readonly string[]
  /** Resolves with what is printed, of one or more lines. */
  run(...args: string[]): Promise<string>
}

export type Verbs = Readonly<Record<string, Verb>>

/** Ends the session; both front ends have it, and neither runs it. */
export const QUIT = 'quit'

/** What `line` prints; rejects with `UnknownCommand`, `InvalidArgument` or the verb's own error. */
export async function perform(verbs: Verbs, line: string): Promise<string> {
  const [name, rest] = firstWord(line)
  if (name === 'help') return help(verbs)
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (!verb) throw new TesseraError('UnknownCommand', { detail: `It was: ${name}` })
  return await verb.run(...argumentsOf(name, verb, rest))
}

export function isQuit(line: string): boolean {
  return line.trim() === QUIT
}

function argumentsOf(name: string, verb: Verb, text: string): string[] {
  const args: string[] = []
  let left = text
  for (const index of verb.takes.keys()) {
    const whole = verb.takesRest && index === verb.takes.length - 1
    const [word, rest] = whole ? [left, ''] : firstWord(left)
    args.push(word)
    left = rest
  }
  if (args.includes('') || left !== '') {
    throw new TesseraError('InvalidArgument', { detail: `Usage: ${usage(name, verb)}` })
  }
  return args
}

/** The first word, and what follows it, both without blanks around them. */
function firstWord(text: string): [string, string] {
  const trimmed = text.trim()
  const end = trimmed.search(/\s/)
  return end === -1 ? [trimmed, ''] : [trimmed.slice(0, end), trimmed.slice(end).trim()]
}

function usage(name: string, { takes }: Verb): string {
  return [name, ...takes.map((what) => `<${what}>`)].join(' ')
}

function help(verbs: Verbs): string {
  const rows = Object.entries(verbs).map(([name, verb]): [string, string] => [usage(name, verb), verb.does])
  rows.push([QUIT, 'ends the session'], ['help', 'prints this list'])
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`).join('\n')
}

/** Completions of `line`, and the part of it they replace, as readline wants them. */
export function complete(verbs: Verbs, line: string): [string[], string] {
  const [, name = '', gap = '', word = ''] = /^\s*(\S*)(\s*)(.*)$/.exec(line) ?? []
  if (gap === '') return [startingWith([...Object.keys(verbs), QUIT, 'help'], name).map((verb) => `${verb} `), name]
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  return [startingWith(verb?.completes ?? [], word), word]
}

function startingWith(words: readonly string[], start: string): string[] {
  return words.filter((word) => word.startsWith(start))
}
