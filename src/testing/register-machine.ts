/** The state machine that simulated clients talk to: registers to set and compare-and-set, counters to add to. It tells what it applies. */
import type { ApplyContext, StateMachine } from '../machines/state-machine.ts'

/** `id` is the command's own, unique in a simulation. */
export type RegisterCommand =
  | { readonly type: 'set'; readonly id: string; readonly key: string; readonly value: number }
  | {
      readonly type: 'cas'
      readonly id: string
      readonly key: string
      readonly from: number | null
      readonly to: number
    }
  | { readonly type: 'add'; readonly id: string; readonly key: string; readonly by: number }
  /** Throws when it is applied. */
  | { readonly type: 'fail'; readonly id: string; readonly key: string }

export interface RegisterQuery {
  readonly key: string
}

/** set: null; cas: whether it swapped; add: the sum. */
export type RegisterResult = null | boolean | number

export type RegisterMachine = StateMachine<RegisterCommand, RegisterResult, RegisterQuery, number | null>

export interface SimulatedRegisters extends RegisterMachine {
  /** All it holds. */
  text(): string
}

/** What the registers held after the command at `index`, the last that was applied to them. */
export interface RegisterState {
  readonly index: number
  readonly registers: readonly (readonly [key: string, value: number])[]
}

export interface RegisterWatcher {
  readonly applied: (command: RegisterCommand, context: ApplyContext, after: number | null) => void
  readonly restored: (state: RegisterState) => void
  /** A snapshot came back otherwise than it was given. */
  readonly spoilt: () => void
  /** Bytes of nothing in each snapshot. */
  readonly ballastBytes: number
}

export function registerMachine({ applied, restored, spoilt, ballastBytes }: RegisterWatcher): SimulatedRegisters {
  let registers = new Map<string, number>()
  let last = 0
  const ballast = new Uint8Array(ballastBytes)
  const text = (): string => JSON.stringify({ index: last, registers: [...registers] } satisfies RegisterState)
  return {
    id: 'registers',
    version: 1,
    apply(command, context) {
      const { key } = command
      const before = registers.get(key) ?? null
      const after = valueAfter(command, before)
      last = context.index
      applied(command, context, after)
      if (command.type === 'fail') throw new RangeError('This command always fails.')
      if (after !== null) registers.set(key, after)
      if (command.type === 'cas') return before === command.from
      return command.type === 'add' ? after : null
    },
    query: ({ key }) => registers.get(key) ?? null,
    snapshot: () => [ballast, new TextEncoder().encode(text())],
    restore(chunks) {
      const [nothing = new Uint8Array(), state = new Uint8Array()] = chunks
      if (Buffer.compare(nothing, ballast) !== 0) spoilt()
      const { index, registers: kept } = JSON.parse(new TextDecoder().decode(state)) as RegisterState
      registers = new Map(kept)
      last = index
      restored({ index, registers: kept })
    },
    text,
  }
}

/** What `key` holds once `command` found `before`. */
export function valueAfter(command: RegisterCommand, before: number | null): number | null {
  switch (command.type) {
    case 'set':
      return command.value
    case 'cas':
      return before === command.from ? command.to : before
    case 'add':
      return (before ?? 0) + command.by
    case 'fail':
      return before
  }
}
