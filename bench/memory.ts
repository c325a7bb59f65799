/** Memory that is really held: heap and what hangs on it outside, after collection. Needs `--expose-gc`. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Collections until finalizers have run, too. */
const COLLECTIONS = 4

export async function heldBytes(): Promise<number> {
  for (let i = 0; i < COLLECTIONS; i++) {
    globalThis.gc?.()
    await sleep(50)
  }
  // What the last pause left behind is garbage too.
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
