/**
 * The bond's paths as its model generates them: from each input to each state by the shortest way, through every transition. `model.test.ts`
 * walks them in one actor; over a network they are walked between two.
 */
import { type AnyEventObject, getNextTransitions, type SnapshotFrom } from 'xstate'
import { getShortestPaths } from 'xstate/graph'
import type { PeerId } from '../../src/identity/keys.ts'
import type { BondInput, SyncInput, TicketInput, TicketVerdict } from '../../src/machines/bond/events.ts'
import { bondMachine } from '../../src/machines/bond/machine.ts'
import { ACCEPTOR, BOND_ID, DIALLER, FOREVER, GROUP, NETWORK, OTHER, prompt, REFUSED, UNKNOWN } from './rig.ts'

/** Of this peer no tickets are asked. */
const TRUSTED = 'ab'.repeat(32) as PeerId

/** Nobody outside does anything by itself: every event of a walk is one of the path. */
export const inert = bondMachine.provide({
  guards: { unticketed: ({ context: { peer } }) => peer === TRUSTED },
  actors: {
    checkTickets: prompt<TicketVerdict, TicketInput>(() => 'pending'),
    syncCatalog: prompt<void, SyncInput>(() => 'pending'),
  },
})

const start = { type: 'bond.handshakeStart', network: NETWORK, group: GROUP, proven: true, known: true }
const SAMPLES: Record<string, readonly AnyEventObject[]> = {
  'link.opened': [{ type: 'link.opened', bondId: BOND_ID }],
  'link.closed': ['UnknownPeer', 'UnexpectedClose', 'NotAllowed'].map((reason) => {
    return { type: 'link.closed', reason, byPeer: true }
  }),
  'bond.close': [{ type: 'bond.close', reason: 'Cancelled' }],
  'bond.handshakeStart': [{}, { network: OTHER }, { group: OTHER }, { known: false }, { proven: false }].map(
    (wrong) => {
      return { ...start, ...wrong }
    },
  ),
  'bond.handshakeEnd': [true, false].map((proven) => ({ type: 'bond.handshakeEnd', proven })),
  'bond.entryUpdate': [true, false].map((genuine) => ({ type: 'bond.entryUpdate', genuine })),
}

const SYNC = 'bond.handshake.dialling.syncing'
/** The way round to the next attempt. */
const SYNCING: readonly AnyEventObject[] = [
  { type: 'link.opened', bondId: BOND_ID },
  { type: 'link.closed', reason: 'UnknownPeer', byPeer: true },
  { type: `xstate.done.actor.0.${SYNC}.asking`, output: undefined },
  { type: `xstate.after.beforeDialAgain.${SYNC}.pausing` },
]

const types = (snapshot: SnapshotFrom<typeof bondMachine>) =>
  new Set(getNextTransitions(snapshot).map(({ eventType }) => eventType as string))

/**
 * All that may happen in a state: one sample or more of each event its transitions name. From the second sync with a peer that does not know
 * us nothing new can, so there only time goes on.
 */
function eventsOf(snapshot: SnapshotFrom<typeof bondMachine>): AnyEventObject[] {
  const { syncAttempts, wasSteady } = snapshot.context
  if (!wasSteady && syncAttempts > 1) return SYNCING.filter(({ type }) => types(snapshot).has(type))
  return [...types(snapshot)].flatMap((type) => {
    if (type === '') return []
    if (!type.startsWith('xstate.done.actor')) return SAMPLES[type] ?? [{ type }]
    if (type.includes('syncing')) return [{ type, output: undefined }]
    return [FOREVER, REFUSED, UNKNOWN].map((output) => ({ type, output }))
  })
}

export const INPUTS: Record<string, BondInput> = {
  dialler: DIALLER,
  acceptor: ACCEPTOR,
  stray: { ...ACCEPTOR, group: null },
}

/** What those of a group take that asks for no tickets. */
export const UNTICKETED: Record<string, BondInput> = {
  'unticketed dialler': { ...DIALLER, peer: TRUSTED },
  'unticketed acceptor': { ...ACCEPTOR, peer: TRUSTED },
}

/** Two snapshots, each with the event that led there, are one state of the model where the chart could not tell them apart. */
function stateOf({ value, status, context }: SnapshotFrom<typeof bondMachine>, event?: AnyEventObject): string {
  const { syncAttempts, proven, entryDue, reason, wasSteady } = context
  const now = wasSteady ? [] : [syncAttempts, proven, entryDue]
  return JSON.stringify([value, status, now, reason, event?.type])
}

export function pathsOf(input: BondInput) {
  return getShortestPaths(inert, {
    input,
    events: (snapshot) => eventsOf(snapshot) as never,
    serializeState: stateOf,
    stopWhen: ({ status }) => status !== 'active',
  })
}
