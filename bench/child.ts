/**
 * Benchmark processes: `forkChild` starts a module of this folder as a process of its own, `serve` answers in it. A call is a name and
 * plain data over the IPC channel; a child ends with its channel, so none is left behind however the parent ends.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What a child can be asked: each method takes one value and resolves with one. */
export type Methods = Readonly<Record<string, (input: never) => Promise<unknown>>>
type InputOf<F> = F extends (input: infer I) => unknown ? I : never
type OutputOf<F> = F extends (input: never) => Promise<infer O> ? O : never

interface Call {
  readonly id: number
  readonly method: string
  readonly input: unknown
}
interface Answer {
  readonly id: number
  readonly output?: unknown
  readonly error?: string
}

export class Child<M extends Methods> {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  #nextId = 1

  constructor(process: ChildProcess, name: string) {
    this.#process = process
    process.on('message', (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id)
      this.#waiting.delete(answer.id)
      if (answer.error === undefined) waiting?.resolve(answer.output)
      else waiting?.reject(new Error(answer.error))
    })
    process.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${name} ended: ${signal ?? code}.`))
      this.#waiting.clear()
    })
  }

  get pid(): number {
    return this.#process.pid!
  }

  call<K extends keyof M & string>(method: K, input: InputOf<M[K]>): Promise<OutputOf<M[K]>> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
      this.#process.send({ id, method, input } satisfies Call, (error) => error && reject(error))
    })
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** Resolves when the process is gone. */
  async end(): Promise<void> {
    const { exitCode, signalCode } = this.#process
    if (exitCode !== null || signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
  }
}

/** `module`: a file of this folder, without its ending. */
export function forkChild<M extends Methods>(module: string, execArgv: readonly string[] = []): Child<M> {
  const path = fileURLToPath(new URL(`./${module}.js`, import.meta.url))
  const child = fork(path, { execArgv: [...execArgv], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  return new Child<M>(child, module)
}

/** In the child. */
export function serve(methods: Methods): void {
  process.on('disconnect', () => process.exit(0))
  process.on('message', ({ id, method, input }: Call) => {
    const run = methods[method] as ((input: unknown) => Promise<unknown>) | undefined
    const output = run ? run(input) : Promise.reject(new Error(`No method ${method}.`))
    output.then(
      (value) => process.send?.({ id, output: value } satisfies Answer),
      (error: unknown) => process.send?.({ id, error: error instanceof Error ? error.stack : `${error}` } as Answer),
    )
  })
}
