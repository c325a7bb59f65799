/**
 * A session: reads commands line by line and runs each to its end before the next begins. At a terminal it is a prompt
 * with history and completion; from a pipe it prints one result per command and nothing else.
 *
 * Invariant: whatever a command does, the session goes on; a failure is one line, `error <code> <sentence>`.
 */
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { TesseraError } from '../errors.ts'
import { type Paint, paintFor, paintOutput, plain } from './paint.ts'
import { complete, isQuit, perform, type Verbs } from './verbs.ts'

export interface SessionIo {
  readonly input: Readable
  readonly output: Writable
  /** A person types and reads. */
  readonly interactive: boolean
  readonly prompt: string
  /** Ends the session at once. */
  readonly signal: AbortSignal
  /** Ctrl-C at the prompt, where the terminal raises no signal. */
  onInterrupt(): void
  /** Called with what prints a line of news above the prompt. */
  onPrompt?(tell: (news: string) => void): void
}

/** Resolves with the exit code: 1 where a command from a pipe failed, else 0. */
export async function runSession(verbs: Verbs, io: SessionIo): Promise<number> {
  const paint = io.interactive ? paintFor(io.output) : plain
  const lines = linesOf(verbs, io, paint)
  let failed = false
  let atPrompt = io.interactive
  // Ctrl-C and the end of input leave the cursor behind the prompt.
  lines.once('close', () => atPrompt && io.output.write('\n'))
  if (atPrompt) lines.prompt()
  for await (const line of lines) {
    if (isQuit(line)) {
      atPrompt = false
      break
    }
    const result = line.trim() === '' ? { text: '', failed: false } : await outcome(verbs, line)
    if (io.signal.aborted) break
    if (result.text !== '') io.output.write(`${paintOutput(paint, result.text)}\n`)
    failed ||= result.failed
    if (io.interactive) lines.prompt()
  }
  return failed && !io.interactive ? 1 : 0
}

function linesOf(verbs: Verbs, io: SessionIo, paint: Paint): Interface {
  const { input, output, signal, interactive } = io
  const pipe = { input, signal, crlfDelay: Number.POSITIVE_INFINITY, terminal: false }
  if (!interactive) return createInterface(pipe)
  const lines = createInterface({
    ...pipe,
    output,
    terminal: true,
    prompt: `${paint('bold', io.prompt)} `,
    completer: (line: string) => complete(verbs, line),
  })
  lines.on('SIGINT', () => io.onInterrupt())
  io.onPrompt?.((news) => {
    output.write(`\r\u001b[K${paint('dim', news)}\n`)
    lines.prompt(true)
  })
  return lines
}

async function outcome(verbs: Verbs, line: string): Promise<{ text: string; failed: boolean }> {
  try {
    return { text: await perform(verbs, line), failed: false }
  } catch (error) {
    return { text: errorLine(error), failed: true }
  }
}

/** `error <code> <sentence>`, on one line whatever the message holds. */
export function errorLine(error: unknown): string {
  const known = error instanceof TesseraError ? error : new TesseraError('Unexpected', { detail: String(error) })
  return `error ${known.code} ${known.message.replace(/\s+/g, ' ').trim()}`
}
