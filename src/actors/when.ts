/**
 * `group.when`: a promise for each condition a caller may wait for. Each looks at the present first and then at every change, so
 * none is missed between two looks (SEMANTICS §7, 12). Each takes `{ signal }` and rejects `Aborted` when it fires, `NotJoined` when the
 * group was left.
 */
import type { ReadonlyAtom } from '@xstate/store'
import { TesseraError } from '../errors.ts'
import type { PeerId } from '../identity/keys.ts'
import type { GroupStatus } from './group-status.ts'

export interface WaitOptions {
  readonly signal?: AbortSignal
}

/** Resolves with the first status, the present one included, that `holds`. */
export function until(
  status: ReadonlyAtom<GroupStatus>,
  holds: (now: GroupStatus) => boolean,
  { signal }: WaitOptions = {},
): Promise<GroupStatus> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new TesseraError('Aborted', { cause: signal.reason }))
    const look = (now: GroupStatus): boolean => {
      if (holds(now)) resolve(now)
      else if (now.left) reject(new TesseraError('NotJoined'))
      else return false
      return true
    }
    if (look(status.get())) return
    const stop = () => {
      subscription.unsubscribe()
      signal?.removeEventListener('abort', abort)
    }
    const abort = () => {
      stop()
      reject(new TesseraError('Aborted', { cause: signal?.reason }))
    }
    const subscription = status.subscribe((now) => {
      if (look(now)) stop()
    })
    signal?.addEventListener('abort', abort, { once: true })
  })
}

export function createWhen(self: PeerId, status: ReadonlyAtom<GroupStatus>) {
  const wait = (holds: (now: GroupStatus) => boolean, options?: WaitOptions) => until(status, holds, options)
  const online = (now: GroupStatus) => now.formed && now.leader !== null && !now.left
  return {
    /** A leader is known. Resolves with its id. */
    leaderElected: async (options?: WaitOptions) =>
      (await wait((now) => now.leader !== null, options)).leader as PeerId,
    /** The leader is another than at the time of the call, or none. */
    leaderChanged: async (options?: WaitOptions) => {
      const { leader, term } = status.get()
      return (await wait((now) => now.leader !== leader || (now.leader !== null && now.term !== term), options)).leader
    },
    leaderIs: async (leader: PeerId, options?: WaitOptions) =>
      void (await wait((now) => now.leader === leader, options)),
    isLeader: async (options?: WaitOptions) => void (await wait((now) => now.leader === self, options)),
    isFollower: async (options?: WaitOptions) =>
      void (await wait((now) => now.role === 'follower' && now.leader !== null, options)),
    /** This member holds the group's log and knows its leader. */
    online: async (options?: WaitOptions) => void (await wait(online, options)),
    offline: async (options?: WaitOptions) => void (await wait((now) => !online(now), options)),
    committed: {
      /** The commit index known here is at least `index`. Resolves with it. */
      reaches: async (index: number, options?: WaitOptions) =>
        (await wait((now) => now.committed >= index, options)).committed,
      /** The commit index is past what it was at the time of the call. Resolves with it. */
      advanced: async (options?: WaitOptions) => {
        const { committed } = status.get()
        return (await wait((now) => now.committed > committed, options)).committed
      },
    },
    applied: {
      /** Everything up to `index` is applied by this member's state machine. Resolves with the applied index. */
      reaches: async (index: number, options?: WaitOptions) =>
        (await wait((now) => now.applied >= index, options)).applied,
    },
    log: {
      /** This member's log got longer or was cut. Resolves with its last index. */
      changed: async (options?: WaitOptions) => {
        const { lastIndex, reverted } = status.get()
        return (await wait((now) => now.lastIndex !== lastIndex || now.reverted !== reverted, options)).lastIndex
      },
      /** Entries that never committed were cut from this member's log. Resolves with its last index. */
      reverted: async (options?: WaitOptions) => {
        const { reverted } = status.get()
        return (await wait((now) => now.reverted !== reverted, options)).lastIndex
      },
    },
  }
}

export type When = ReturnType<typeof createWhen>
