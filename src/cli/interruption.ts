/**
 * What ends the command before its input does: a signal, Ctrl-C at a prompt, or an output nobody reads any more.
 * The exit code is a shell's: 128 and the signal's number.
 */
import { constants } from 'node:os'
import type { Writable } from 'node:stream'

/** One Ctrl-C may come twice: from the terminal, and passed on by npm. */
const ECHO_MS = 500
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface Interruption {
  readonly signal: AbortSignal
  /** Resolves with the exit code at the first interruption. A second signal ends the process where it stands. */
  readonly code: Promise<number>
  /** Ctrl-C at a prompt, where the terminal raises no signal, is a way to quit. */
  quit(): void
}

export function interruption(output: Writable): Interruption {
  const controller = new AbortController()
  const { promise: code, resolve } = withResolvers<number>()
  let sinceMs = 0
  const end = (exitCode: number) => {
    if (!controller.signal.aborted) {
      sinceMs = performance.now()
      resolve(exitCode)
      controller.abort()
    } else if (performance.now() - sinceMs > ECHO_MS) process.exit(exitCode)
  }
  const raise = (signal: (typeof SIGNALS)[number]) => end(128 + constants.signals[signal])
  for (const signal of SIGNALS) process.on(signal, raise)
  output.on('error', () => raise('SIGHUP'))
  endWithScriptRunner(() => raise('SIGHUP'))
  return { signal: controller.signal, code, quit: () => end(0) }
}

/**
 * `npm start` runs this process under a shell that does not pass on the signals npm sends it, so a killed npm would
 * leave it behind. Where npm started it, it ends when that shell does.
 */
function endWithScriptRunner(end: () => void): void {
  if (process.env.npm_lifecycle_event === undefined) return
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    end()
  }, 200)
  timer.unref()
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
