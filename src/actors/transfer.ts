/**
 * Handing leadership over on request (Thesis §3.10). Raft asks the other to campaign and gives up by itself after an election timeout;
 * here is only waited for who leads next.
 */
import type { Clock } from '../clock.ts'
import { TesseraError } from '../errors.ts'
import type { PeerId } from '../identity/keys.ts'
import type { RaftActor } from './raft.ts'
import type { WaitOptions } from './when.ts'

export interface TransferDeps {
  readonly raft: RaftActor | null
  readonly clock: Clock
  readonly self: PeerId
  /** Longer than a transfer and the election that may follow it. */
  readonly timeoutMs: number
}

/** Resolves with the leader that follows. Rejects `NotLeader`, `TransferFailed`, `NotJoined` or `Aborted`. */
export function transferLeadership(deps: TransferDeps, to?: PeerId, { signal }: WaitOptions = {}): Promise<PeerId> {
  const { raft, clock, self, timeoutMs } = deps
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw new TesseraError('Aborted', { cause: signal.reason })
    if (raft?.getSnapshot().status !== 'active') throw new TesseraError('NotJoined')
    if (raft.getSnapshot().value !== 'leader') throw new TesseraError('NotLeader')
    raft.send(to === undefined ? { type: 'raft.transferLeadership' } : { type: 'raft.transferLeadership', to })
    const end = (settle: () => void) => {
      subscription.unsubscribe()
      clock.clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      settle()
    }
    const fail = (code: 'TransferFailed' | 'NotJoined') => end(() => reject(new TesseraError(code)))
    const abort = () => end(() => reject(new TesseraError('Aborted', { cause: signal?.reason })))
    const look = ({ context: { leader, election } }: ReturnType<RaftActor['getSnapshot']>) => {
      if (leader !== null && leader !== self) end(() => resolve(leader))
      else if (leader === self && election.transfer === null) fail('TransferFailed')
    }
    const subscription = raft.subscribe({
      next: look,
      complete: () => fail('NotJoined'),
      error: () => fail('NotJoined'),
    })
    const timer = clock.setTimeout(() => fail('TransferFailed'), timeoutMs)
    signal?.addEventListener('abort', abort, { once: true })
    look(raft.getSnapshot())
  })
}
