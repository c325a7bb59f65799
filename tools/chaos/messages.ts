/** What the supervisor of a chaos run and its members say to each other over the channel of `child_process.fork`. */

/** All a member must know to be one; secrets travel over the channel alone. */
export interface MemberSettings {
  readonly network: string
  /** 32 bytes in hex. */
  readonly secret: string
  readonly voters: number
  /** Holds the key of its identity and its store. */
  readonly folder: string
  /** What it is called in the network, as an address. */
  readonly name: string
  /** Where each name is reached from here: the supervisor's own path for this pair. */
  readonly routes: Readonly<Record<string, string>>
}

export type Call =
  | { readonly type: 'open'; readonly settings: MemberSettings }
  /** Resolves once the group has a leader. */
  | { readonly type: 'online' }
  | { readonly type: 'leads' }
  | { readonly type: 'set'; readonly key: string; readonly id: number }
  | { readonly type: 'cas'; readonly key: string; readonly expected: number | null; readonly id: number }
  | { readonly type: 'get'; readonly key: string }
  | { readonly type: 'audit' }

export interface Request {
  readonly request: number
  readonly call: Call
}

export type Answer =
  | { readonly answer: number; readonly value: unknown }
  | { readonly answer: number; readonly code: string; readonly detail: string }

/** A member's warning, told without being asked. */
export interface Warning {
  readonly warning: string
  readonly detail: string
}

export function isRequest(message: unknown): message is Request {
  const { request, call } = (message ?? {}) as Partial<Request>
  return typeof request === 'number' && typeof call === 'object' && call !== null
}

export function isAnswer(message: unknown): message is Answer {
  return typeof (message as Partial<Answer> | null)?.answer === 'number'
}

export function isWarning(message: unknown): message is Warning {
  return typeof (message as Partial<Warning> | null)?.warning === 'string'
}
