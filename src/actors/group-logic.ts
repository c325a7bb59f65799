/**
 * `groupLogic`: a joined group as actor logic, for `invoke` and `spawn` in a user's own machine.
 *
 * Input: the options of `join` and the `node`. The group is joined when the actor starts and left when it stops. News is emitted, and sent
 * to the parent as events of the same types, so a chart can react with `on`. Where the group cannot be joined, the actor ends with that
 * error, and the parent hears `xstate.error.actor.<id>`.
 *
 * ```ts
 * const app = setup({ actors: { orders: groupLogic<typeof counter>() } }).createMachine({
 *   context: ({ input }) => input,
 *   invoke: { id: 'orders', src: 'orders', input: ({ context: { node, key } }) => ({ node, key, machine: counter }) },
 *   on: {
 *     'group.online': { actions: sendTo('orders', { type: 'group.execute', command: { type: 'add', by: 2 } }) },
 *     'group.executed': { actions: ({ event }) => console.log(event.index, event.result) },
 *   },
 * })
 * ```
 */
import { type CallbackActorLogic, fromCallback, type NonReducibleUnknown } from 'xstate'
import { TesseraError } from '../errors.ts'
import type { BondId } from '../identity/digest.ts'
import type { PeerId } from '../identity/keys.ts'
import type { AnyStateMachine, CommandOf, ResultOf } from '../machines/state-machine.ts'
import type { ExecuteOptions } from './client.ts'
import type { Group } from './group.ts'
import type { GroupStatus } from './group-status.ts'
import type { TesseraNode } from './node.ts'
import type { JoinOptions } from './options.ts'

export type GroupLogicInput<M extends AnyStateMachine> = JoinOptions<M> & {
  readonly node: TesseraNode
} & NonReducibleUnknown

export type GroupCommand<M extends AnyStateMachine> = {
  readonly type: 'group.execute'
  readonly command: CommandOf<M>
  readonly options?: Omit<ExecuteOptions, 'signal'>
}

/** What the actor emits, and sends to its parent. */
export type GroupNews<M extends AnyStateMachine> =
  | { readonly type: 'group.leaderChanged'; readonly leader: PeerId | null; readonly term: number }
  | { readonly type: 'group.rival'; readonly peer: PeerId; readonly formation: string }
  | { readonly type: 'group.online' }
  | { readonly type: 'group.offline' }
  | { readonly type: 'group.committed'; readonly index: number }
  | { readonly type: 'bond.formed'; readonly peer: PeerId; readonly bondId: BondId }
  | { readonly type: 'bond.terminated'; readonly peer: PeerId; readonly bondId: BondId; readonly reason: string }
  | {
      readonly type: 'group.executed'
      readonly command: CommandOf<M>
      readonly index: number
      readonly result: ResultOf<M>
    }
  | { readonly type: 'group.refused'; readonly command: CommandOf<M>; readonly error: TesseraError }

export type GroupLogic<M extends AnyStateMachine> = CallbackActorLogic<
  GroupCommand<M>,
  GroupLogicInput<M>,
  GroupNews<M>
>

export function groupLogic<M extends AnyStateMachine>(): GroupLogic<M> {
  return fromCallback<GroupCommand<M>, GroupLogicInput<M>, GroupNews<M>>(({ input, emit, sendBack, receive }) => {
    const { node, ...options } = input
    if (typeof node?.join !== 'function') {
      throw new TesseraError('InvalidOption', { detail: 'node: give what createNode made.' })
    }
    const group = node.join(options as unknown as JoinOptions<M>)
    const tell = (news: GroupNews<M>) => {
      emit(news)
      sendBack(news)
    }
    const stopWatching = watch(group, tell)
    receive(({ command, options: executeOptions }) => execute(group, command, executeOptions, tell))
    return () => {
      stopWatching()
      void group.leave()
    }
  })
}

function execute<M extends AnyStateMachine>(
  group: Group<M>,
  command: CommandOf<M>,
  options: ExecuteOptions | undefined,
  tell: (news: GroupNews<M>) => void,
): void {
  group.execute(command, options).then(
    ({ index, result }) => tell({ type: 'group.executed', command, index, result }),
    (error: unknown) => {
      const known = error instanceof TesseraError ? error : new TesseraError('CommandFailed', { cause: error, command })
      tell({ type: 'group.refused', command, error: known })
    },
  )
}

/** Tells what changes between two statuses, and of bonds; returns what ends it. */
function watch<M extends AnyStateMachine>(group: Group<M>, tell: (news: GroupNews<M>) => void): () => void {
  let before = group.status
  if (isOnline(before)) tell({ type: 'group.online' })
  const unsubscribe = group.subscribe((now) => {
    if (now.leader !== before.leader) tell({ type: 'group.leaderChanged', leader: now.leader, term: now.term })
    if (isOnline(now) !== isOnline(before)) tell({ type: isOnline(now) ? 'group.online' : 'group.offline' })
    if (now.committed !== before.committed) tell({ type: 'group.committed', index: now.committed })
    before = now
  })
  const rival = group.actor.on('group.rival', (news) => tell(news))
  const formed = group.actor.on('bond.formed', (news) => tell(news))
  const terminated = group.actor.on('bond.terminated', (news) => tell(news))
  return () => {
    unsubscribe()
    rival.unsubscribe()
    formed.unsubscribe()
    terminated.unsubscribe()
  }
}

function isOnline({ formed, leader, left }: GroupStatus): boolean {
  return formed && leader !== null && !left
}
