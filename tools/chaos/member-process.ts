/**
 * A member's process as the supervisor sees it: calls with a deadline, signals, and its end.
 *
 * Invariants: each call settles, by its answer, its deadline, or the end of the process; `exited` resolves once the process is gone. An
 * end that nobody asked for is told.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Answer, type Call, isAnswer, isWarning, type Request } from './messages.ts'

/** A call that has no answer. `code` is the member's own word, or `NodeDied` or `DeadlineExceeded` of this side. */
export class CallFailed extends Error {
  readonly code: string

  constructor(code: string, detail: string) {
    super(`${code}: ${detail}`)
    this.code = code
  }
}

export interface MemberNews {
  /** What it wrote to standard error, or warned of. */
  note(text: string): void
  /** It ended by itself. */
  died(how: string): void
}

interface Pending {
  resolve(value: unknown): void
  reject(error: CallFailed): void
}

export class MemberProcess {
  readonly exited: Promise<void>
  readonly #child: ChildProcess
  readonly #pending = new Map<number, Pending>()
  #requests = 0
  #killed = false
  #gone = false

  constructor(module: URL, news: MemberNews) {
    this.#child = fork(fileURLToPath(module), [], { execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    if (this.#child.stderr) createInterface(this.#child.stderr).on('line', (line) => news.note(line))
    this.#child.on('message', (message) => {
      if (isAnswer(message)) this.#answered(message)
      else if (isWarning(message)) news.note(`${message.warning} ${message.detail}`)
    })
    this.exited = new Promise((resolve) => {
      const ended = (how: string) => {
        if (this.#gone) return
        this.#gone = true
        if (!this.#killed) news.died(how)
        for (const { reject } of this.#pending.values()) reject(new CallFailed('NodeDied', 'before it answered'))
        resolve()
      }
      this.#child.once('exit', (code, signal) => ended(`ended by itself with ${signal ?? code}`))
      this.#child.once('error', (error) => ended(String(error)))
    })
  }

  get running(): boolean {
    return !this.#killed && !this.#gone
  }

  /** Rejects `CallFailed`. */
  async call(call: Call, deadlineMs: number): Promise<unknown> {
    if (!this.running) throw new CallFailed('NodeDied', 'before it was asked')
    const request = ++this.#requests
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(request, { resolve, reject })
        timer = setTimeout(() => reject(new CallFailed('DeadlineExceeded', `${deadlineMs} ms`)), deadlineMs)
        // A send that fails means that the process is going, which `exited` tells.
        this.#child.send({ request, call } satisfies Request, undefined, undefined, () => undefined)
      })
    } finally {
      clearTimeout(timer)
      this.#pending.delete(request)
    }
  }

  /** SIGKILL, which ends a stopped process too. */
  kill(): void {
    this.#killed = true
    this.#child.kill('SIGKILL')
  }

  pause(): void {
    if (this.running) this.#child.kill('SIGSTOP')
  }

  resume(): void {
    if (this.running) this.#child.kill('SIGCONT')
  }

  #answered(answer: Answer): void {
    const pending = this.#pending.get(answer.answer)
    if ('code' in answer) pending?.reject(new CallFailed(answer.code, answer.detail))
    else pending?.resolve(answer.value)
  }
}
