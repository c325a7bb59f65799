/**
 * The built `tessera` command as another process, in a process group of its own as a terminal would give it, with lines in and out.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** What `npm run simulate` and `npm run chaos` run, into `build`. */
export function buildTools(): void {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.tools.json'], { cwd: ROOT })
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export class Command {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #output: LineQueue
  readonly #notes: LineQueue
  /** Settles once the command has ended and nobody holds its standard error any more: its children have it too, so none is left. */
  readonly ended: Promise<Ended>

  constructor(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(program, args, { cwd: ROOT, env: { ...process.env, ...env }, detached: true })
    this.#output = new LineQueue(this.#child.stdout)
    this.#notes = new LineQueue(this.#child.stderr)
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (code, signal) => resolve({ code, signal }))
    })
  }

  static tessera(...args: readonly string[]): Command {
    return Command.tesseraWith({}, ...args)
  }

  static tesseraWith(env: NodeJS.ProcessEnv, ...args: readonly string[]): Command {
    return new Command(process.execPath, [MAIN, ...args], env)
  }

  get pid(): number {
    return this.#child.pid ?? Number.NaN
  }

  /** The next line of standard output; rejects at its end. */
  line(): Promise<string> {
    return this.#output.next()
  }

  /** The next line of standard error; rejects at its end. */
  note(): Promise<string> {
    return this.#notes.next()
  }

  /** Reads on in standard error to a line of this form; resolves with its parts. */
  async noteLike(form: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = form.exec(await this.note())
      if (match) return match
    }
  }

  /** Writes one command and resolves with the next line. */
  ask(command: string): Promise<string> {
    this.#child.stdin.write(`${command}\n`)
    return this.line()
  }

  /** The cells of the status table's rows. */
  async status(nodes: number): Promise<string[][]> {
    const rows = [await this.ask('status')]
    for (let node = 1; node <= nodes; node++) rows.push(await this.line())
    return rows.slice(1).map((row) => row.split(/ {2,}/))
  }

  /** Writes `input` and ends it; resolves with all that is printed, when the command and its children are gone. */
  async run(input: string): Promise<Ended & { readonly lines: string[] }> {
    this.end(input)
    return { ...(await this.ended), lines: this.#output.rest() }
  }

  end(input = ''): void {
    this.#child.stdin.end(input)
  }

  /** To the whole group of processes, as Ctrl-C does. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal)
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Ends what a failed test has left. */
  async dispose(): Promise<void> {
    this.#child.stdin.destroy()
    if (isAlive(-this.pid)) this.signalGroup('SIGKILL')
    await this.ended
  }
}

/** Whether a process, or for a negative number any of a group, is there. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Lines as they come, and whoever waits for the next. */
class LineQueue {
  readonly #lines: string[] = []
  readonly #waiting: { resolve(line: string): void; reject(error: Error): void }[] = []
  #closed = false

  constructor(stream: NodeJS.ReadableStream) {
    const lines = createInterface({ input: stream })
    lines.on('line', (line) => {
      const waiting = this.#waiting.shift()
      if (waiting) waiting.resolve(line)
      else this.#lines.push(line)
    })
    lines.on('close', () => {
      this.#closed = true
      for (const { reject } of this.#waiting) reject(new Error('the output has ended'))
    })
  }

  next(): Promise<string> {
    const line = this.#lines.shift()
    if (line !== undefined) return Promise.resolve(line)
    if (this.#closed) return Promise.reject(new Error('the output has ended'))
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  rest(): string[] {
    return this.#lines.splice(0)
  }
}
