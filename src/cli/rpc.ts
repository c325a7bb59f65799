/**
 * A member behind a channel between two processes of ours: `remoteMember` on the supervisor's side, `serveMember` on the
 * member's. One request, one answer, matched by number.
 *
 * Invariants: each call settles, by its answer, its deadline, or the end of the channel. An error crosses as its code and
 * detail, and is the same error on the other side.
 */
import { ERRORS, type ErrorCode, TesseraError } from '../errors.ts'
import { CLI } from '../limits.ts'
import type { Member, MemberOptions } from './member.ts'

/** A member that has yet to be told who it is: a process is forked first, so that its modules load meanwhile. */
export interface ServedMember extends Member {
  open(options: MemberOptions): Promise<void>
}

export interface Channel {
  send(message: unknown): void
  onMessage(handler: (message: unknown) => void): void
  onClose(handler: () => void): void
}

type Method = keyof ServedMember

interface Request {
  readonly request: number
  readonly method: Method
  readonly args: readonly unknown[]
}

type Answer = { readonly answer: number } & ({ readonly value: unknown } | { readonly error: SentError })

interface SentError {
  readonly code: ErrorCode
  readonly detail: string
}

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}

export function remoteMember(channel: Channel): ServedMember {
  const pending = new Map<number, Pending>()
  let requests = 0
  let closed = false
  channel.onMessage((message) => {
    if (!isAnswer(message)) return
    const call = pending.get(message.answer)
    if ('error' in message) call?.reject(receivedError(message.error))
    else call?.resolve(message.value)
  })
  channel.onClose(() => {
    closed = true
    for (const call of pending.values()) call.reject(new TesseraError('NodeDied'))
  })

  const call = async <T>(deadlineMs: number, method: Method, ...args: unknown[]): Promise<T> => {
    if (closed) throw new TesseraError('NodeDied')
    const request: Request = { request: ++requests, method, args }
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<T>((resolve, reject) => {
        pending.set(request.request, { resolve: (value) => resolve(value as T), reject })
        timer = setTimeout(() => reject(new TesseraError('DeadlineExceeded')), deadlineMs)
        channel.send(request)
      })
    } finally {
      clearTimeout(timer)
      pending.delete(request.request)
    }
  }

  return {
    open: (options) => call(CLI.formTimeoutMs, 'open', options),
    set: (key, value) => call(CLI.answerTimeoutMs, 'set', key, value),
    delete: (key) => call(CLI.answerTimeoutMs, 'delete', key),
    get: (key) => call(CLI.answerTimeoutMs, 'get', key),
    peek: (key) => call(CLI.answerTimeoutMs, 'peek', key),
    status: () => call(CLI.statusTimeoutMs, 'status'),
    leave: () => call(CLI.leaveTimeoutMs, 'leave'),
  }
}

export function serveMember(channel: Channel, member: ServedMember): void {
  channel.onMessage(async (message) => {
    if (!isRequest(message)) return
    const { request: answer, method, args } = message
    try {
      const run = member[method] as (...args: readonly unknown[]) => Promise<unknown>
      channel.send({ answer, value: await run(...args) } satisfies Answer)
    } catch (error) {
      channel.send({ answer, error: sentError(error) } satisfies Answer)
    }
  })
}

/** The error table's own sentence is not sent: the other side has it. */
function sentError(error: unknown): SentError {
  if (!(error instanceof TesseraError)) return { code: 'Unexpected', detail: String(error) }
  return { code: error.code, detail: error.message.slice(ERRORS[error.code].sentence.length).trim() }
}

function receivedError({ code, detail }: SentError): TesseraError {
  return new TesseraError(code, { detail })
}

const METHODS: ReadonlySet<string> = new Set<Method>(['open', 'set', 'delete', 'get', 'peek', 'status', 'leave'])

function isRequest(message: unknown): message is Request {
  const { request, method, args } = (message ?? {}) as Partial<Request>
  return typeof request === 'number' && typeof method === 'string' && METHODS.has(method) && Array.isArray(args)
}

function isAnswer(message: unknown): message is Answer {
  const { answer } = (message ?? {}) as Partial<Answer>
  return typeof answer === 'number'
}
