/**
 * The words the group's chart is written in: its guards, actions and delays, and what it is bound to from outside: the bonds, raft and the
 * state machine as actors; the registry, raft's hints and refused links as actions.
 */
import { type AnyActorLogic, fromCallback, setup } from 'xstate'
import type { CloseReason } from '../../errors.ts'
import type { BondId } from '../../identity/digest.ts'
import type { PeerId } from '../../identity/keys.ts'
import { BOND, RAFT_TIMING } from '../../limits.ts'
import { bondMachine } from '../bond/machine.ts'
import { randomFrom } from '../random.ts'
import * as books from './bookkeeping.ts'
import type { BondHint, GroupContext, GroupEmitted, GroupEvent, GroupInput } from './events.ts'

export function contextOf({ self, network, group, seed }: GroupInput): GroupContext {
  return {
    self,
    network,
    group,
    peers: {},
    bonds: {},
    raft: { role: 'unformed', term: 0, leader: null, formed: false },
    leaving: false,
    suspends: false,
    random: randomFrom(seed),
  }
}

const hasBond = ({ peers }: GroupContext) => Object.values(peers).some(({ phase }) => phase === 'steady')

/** Whatever the actors bring: raft and the state machine are of many types, and the chart only keeps them alive. */
const nobody: AnyActorLogic = fromCallback(() => {})

const effects = setup({
  types: {
    context: {} as GroupContext,
    events: {} as GroupEvent,
    input: {} as GroupInput,
    emitted: {} as GroupEmitted,
  },
  actors: { bond: bondMachine, raft: nobody, stateMachine: nobody },
  actions: {
    registerBond: (_, _bond: { peer: PeerId; bond: string; bondId: BondId }) => {},
    announceBond: (_, _bond: { peer: PeerId; bondId: BondId }) => {},
    unregisterBond: (_, _bond: { peer: PeerId; bond: string; reason: CloseReason }) => {},
    tellRaft: (_, _hint: BondHint) => {},
    refuseLink: (_, _link: { linkNumber: number; reason: CloseReason }) => {},
  },
})

type Enqueue = Parameters<Parameters<typeof effects.enqueueActions>[0]>[0]['enqueue']

const redialTimer = (peer: PeerId) => `redial:${peer}`
const settledTimer = (bond: string) => `settled:${bond}`

function carryOut(enqueue: Enqueue, order: books.Order): void {
  switch (order.order) {
    case 'spawn':
      return enqueue.spawnChild('bond', { id: order.bond, input: order.input })
    case 'send':
      return enqueue.sendTo(order.bond, order.event)
    case 'forget':
      return enqueue.stopChild(order.bond)
    case 'redial': {
      const { peer, delayMs } = order
      return enqueue.raise({ type: 'group.redial', peer }, { id: redialTimer(peer), delay: delayMs })
    }
    case 'cancelRedial':
      return enqueue.cancel(redialTimer(order.peer))
    case 'register':
      return register(enqueue, order)
    case 'unregister':
      return unregister(enqueue, order)
    case 'refuseLink':
      enqueue({ type: 'refuseLink', params: { linkNumber: order.linkNumber, reason: order.reason } })
  }
}

function register(enqueue: Enqueue, { peer, bond, bondId }: Extract<books.Order, { order: 'register' }>): void {
  const settled = { id: settledTimer(bond), delay: BOND.redialResetMs }
  enqueue({ type: 'registerBond', params: { peer, bond, bondId } })
  enqueue({ type: 'announceBond', params: { peer, bondId } })
  enqueue({ type: 'tellRaft', params: { type: 'raft.bondFormed', peer } })
  enqueue.raise({ type: 'group.settled', peer, bond }, settled)
  enqueue.emit({ type: 'bond.formed', peer, bondId })
}

function unregister(enqueue: Enqueue, order: Extract<books.Order, { order: 'unregister' }>): void {
  const { peer, bond, bondId, reason, departed } = order
  enqueue.cancel(settledTimer(bond))
  enqueue({ type: 'unregisterBond', params: { peer, bond, reason } })
  enqueue({ type: 'tellRaft', params: { type: 'raft.bondLost', peer, departed } })
  enqueue.emit({ type: 'bond.terminated', peer, bondId, reason })
}

function isOf<Type extends GroupEvent['type']>(
  event: GroupEvent,
  type: Type,
): event is Extract<GroupEvent, { type: Type }> {
  return event.type === type
}

/** The step that the books take on one kind of event. */
function on<Type extends GroupEvent['type']>(
  type: Type,
  step: (context: GroupContext, event: Extract<GroupEvent, { type: Type }>) => books.Step,
) {
  return effects.enqueueActions(({ context, event, enqueue }) => {
    if (!isOf(event, type)) return
    const [next, orders] = step(context, event)
    enqueue.assign(next)
    for (const order of orders) carryOut(enqueue, order)
  })
}

/** A step that looks at no event. */
function always(step: (context: GroupContext) => books.Step) {
  return effects.enqueueActions(({ context, enqueue }) => {
    const [next, orders] = step(context)
    enqueue.assign(next)
    for (const order of orders) carryOut(enqueue, order)
  })
}

export const groupSetup = effects.extend({
  delays: { transferTimeout: RAFT_TIMING.electionTimeoutMs, departTimeout: BOND.departTimeoutMs },
  guards: {
    hasLeader: ({ context: { raft } }) => raft.formed && raft.leader !== null,
    hasNoLeader: ({ context: { raft } }) => !raft.formed || raft.leader === null,
    leadsOthers: ({ context }) => context.raft.leader === context.self && hasBond(context),
    suspends: ({ context }) => context.suspends,
    hasNoBond: ({ context }) => !hasBond(context),
    anotherLeads: ({ context: { self, raft } }) => raft.leader !== null && raft.leader !== self,
    /** A bond says that it ends with its last breath but one: its actor is done only after that. */
    allBondsGone: ({ context, event }) => event.type !== 'bond.ended' && Object.keys(context.bonds).length === 0,
  },
  actions: {
    readCatalog: on('group.catalog', books.catalogChanged),
    acceptLink: on('group.linkAccepted', books.linkAccepted),
    refuseAsShutDown: on('group.linkAccepted', books.refuseLink('GracefulShutdown')),
    refuseAsDeparted: on('group.linkAccepted', books.refuseLink('Departed')),
    decideClaim: on('bond.claim', books.bondClaims),
    refuseClaim: on('bond.claim', books.refuseClaim),
    takeSteady: on('bond.steady', books.bondSteady),
    takeEnded: on('bond.ended', books.bondEnded),
    forgetAttempts: on('group.settled', books.bondSettled),
    redial: on('group.redial', books.redialDue),
    stopDialling: always(books.stopDialling),
    tellEntryChanged: always(books.tellBonds({ type: 'bond.entryChanged' })),
    noteSuspension: effects.assign({ suspends: true }),
    sayGoodbye: always(books.sayGoodbye),
    noteStatus: effects.enqueueActions(({ context, event, enqueue }) => {
      if (!isOf(event, 'raft.status')) return
      const { role, term, leader, formed } = event
      enqueue.assign({ raft: { role, term, leader, formed } })
      const sameReign = leader === context.raft.leader && (leader === null || term === context.raft.term)
      if (!sameReign) enqueue.emit({ type: 'group.leaderChanged', leader, term })
    }),
    tellRival: effects.enqueueActions(({ event, enqueue }) => {
      if (isOf(event, 'raft.rival')) enqueue.emit({ type: 'group.rival', peer: event.peer, formation: event.formation })
    }),
    tellOnline: effects.emit({ type: 'group.online' }),
    tellOffline: effects.emit({ type: 'group.offline' }),
    handOver: effects.sendTo('raft', { type: 'raft.transferLeadership' }),
  },
})
