/**
 * The node: one per process and network. It listens, keeps the catalog through its discovery actor, parents one group actor per joined
 * group, and receives links that ask for a group nobody joined here.
 *
 * Lifecycle: starting -> running -> stopping (groups leave, discovery departs, then the endpoint closes) -> stopped; or failed, where
 * the addresses could not be listened on.
 */
import { assign, type ErrorActorEvent, fromPromise, setup, stopChild } from 'xstate'
import type { GroupId } from '../../identity/digest.ts'
import type { PeerId } from '../../identity/keys.ts'
import { bondMachine } from '../bond/machine.ts'
import { discoveryMachine } from '../discovery/machine.ts'
import { groupMachine } from '../group/machine.ts'

export interface NodeInput {
  readonly self: PeerId
}

export interface NodeContext {
  readonly self: PeerId
  /** Where this node really listens, ports filled in. */
  readonly addresses: readonly string[]
  /** Joined groups by id, with their actor's id. */
  readonly groups: Readonly<Record<GroupId, string>>
  readonly failure: string | null
}

export type NodeEvent =
  | { readonly type: 'node.join'; readonly group: GroupId; readonly actor: string }
  | { readonly type: 'node.groupLeft'; readonly group: GroupId }
  | { readonly type: 'node.strayLink'; readonly linkNumber: number; readonly peer: PeerId }
  | { readonly type: 'node.stop' }
  | ErrorActorEvent

const nothing = () => {}

export const nodeMachine = setup({
  types: {
    input: {} as NodeInput,
    context: {} as NodeContext,
    events: {} as NodeEvent,
  },
  actors: {
    listen: fromPromise<readonly string[], void>(() => Promise.reject(new Error('No transport is provided.'))),
    discovery: discoveryMachine,
    group: groupMachine,
    stray: bondMachine,
    /** The tombstone of a node that does not come back is spread, then every listener and link goes down. */
    farewell: fromPromise<void, void>(() => Promise.reject(new Error('No transport is provided.'))),
  },
  actions: {
    startDiscovery: nothing,
    spawnGroup: nothing,
    receiveStray: nothing,
    tellGroupsToStop: nothing,
    recordGroup: assign({
      groups: ({ context, event }) =>
        event.type === 'node.join' ? { ...context.groups, [event.group]: event.actor } : context.groups,
    }),
    forgetGroup: assign({
      groups: ({ context, event }) => {
        if (event.type !== 'node.groupLeft') return context.groups
        const { [event.group]: _, ...others } = context.groups
        return others
      },
    }),
    stopGroup: stopChild(({ context, event }) =>
      event.type === 'node.groupLeft' ? (context.groups[event.group] ?? '') : '',
    ),
  },
  guards: {
    /** A group, or a stray: what fails in one leaves the rest of the node as it is. */
    isContained: ({ event }) => /^xstate\.error\.actor\.(group|stray):/.test(event.type),
    allGroupsLeft: ({ context }) => Object.keys(context.groups).length === 0,
  },
}).createMachine({
  id: 'node',
  context: ({ input }) => ({ self: input.self, addresses: [], groups: {}, failure: null }),
  initial: 'starting',
  on: {
    'node.groupLeft': { actions: ['stopGroup', 'forgetGroup'] },
    'xstate.error.actor.*': { guard: 'isContained' },
  },
  states: {
    starting: {
      description: 'Asks the transport to listen; nothing is announced before the real addresses are known.',
      invoke: {
        src: 'listen',
        id: 'listen',
        onDone: { target: 'running', actions: assign({ addresses: ({ event }) => event.output }) },
        onError: { target: 'failed', actions: assign({ failure: ({ event }) => String(event.error) }) },
      },
    },
    running: {
      description: 'Groups can be joined; links are accepted.',
      entry: 'startDiscovery',
      on: {
        'node.join': { actions: ['spawnGroup', 'recordGroup'] },
        'node.strayLink': { actions: 'receiveStray' },
        'node.stop': 'stopping',
      },
    },
    stopping: {
      description: 'Every group is left or suspended cleanly; no new one is joined.',
      entry: 'tellGroupsToStop',
      always: { guard: 'allGroupsLeft', target: 'departing' },
    },
    departing: {
      description: 'Peers are told that this node leaves the network, unless it comes back; then everything closes.',
      invoke: { src: 'farewell', id: 'farewell', onDone: 'stopped', onError: 'stopped' },
    },
    stopped: { type: 'final', description: 'Nothing of this node is left.' },
    failed: { type: 'final', description: 'The node could not listen; the failure says why.' },
  },
})
