/**
 * What the clients of a chaos run did, as the history the checker reads (docs/history.md). Times are nanoseconds since the run began, from
 * the supervisor's one clock: the start is taken before a call leaves it, the end once the answer is here.
 */
import type { HistoryOp } from '../../src/testing/linearizability.ts'
import { CallFailed } from './member-process.ts'
import type { Call } from './messages.ts'

export type RegisterCall = Extract<Call, { readonly type: 'set' | 'get' | 'cas' }>

/** Refusals that hand the command back: nobody will ever apply it. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(['Busy', 'MessageTooLarge'])

export class History {
  readonly ops: HistoryOp[] = []
  readonly #origin = process.hrtime.bigint()
  #ok = 0

  /** How many operations were answered. */
  get ok(): number {
    return this.#ok
  }

  /** Makes a call and notes what came of it; resolves with the operation as noted. */
  async record(client: string, call: RegisterCall, made: () => Promise<unknown>): Promise<HistoryOp> {
    const start_ns = this.#nowNs()
    const op = { client, op: call.type, key: call.key, args: argsOf(call), start_ns }
    try {
      const result = await made()
      this.#ok++
      return this.#noted({ ...op, end_ns: this.#nowNs(), outcome: 'ok', result })
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error
      // A read that was not answered has no effect, whatever became of it.
      const failed = call.type === 'get' || WITHOUT_EFFECT.has(error.code)
      const end_ns = failed ? this.#nowNs() : null
      return this.#noted({ ...op, end_ns, outcome: failed ? 'fail' : 'unknown', result: error.code })
    }
  }

  #noted(op: HistoryOp): HistoryOp {
    this.ops.push(op)
    return op
  }

  #nowNs(): number {
    return Number(process.hrtime.bigint() - this.#origin)
  }
}

function argsOf(call: RegisterCall): readonly unknown[] {
  switch (call.type) {
    case 'get':
      return []
    case 'set':
      return [call.id]
    case 'cas':
      return [call.expected, call.id]
  }
}
