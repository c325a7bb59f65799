/** The state machine of both examples: the same commands in the same order on every member, so every member has the same total. */
import type { StateMachine } from '../src/index.ts' // in a project of yours: from 'tessera'

export function counter(): StateMachine<{ by: number }, number, 'total', number> {
  let total = 0
  return {
    id: 'counter',
    version: 1,
    apply: ({ by }) => {
      total += by
      return total
    },
    query: () => total,
    *snapshot() {
      yield new TextEncoder().encode(String(total))
    },
    restore: ([chunk]) => {
      total = Number(new TextDecoder().decode(chunk))
    },
  }
}
