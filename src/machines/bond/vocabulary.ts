/**
 * The words the bond's chart is written in: its guards, actions, delays, and what it is bound to from outside: two promises, and its link,
 * which hears `openLink` and `tellLink`. What each does is small; when it happens stands in `machine.ts`.
 */
import { type AnyActorRef, assign, cancel, enqueueActions, fromPromise, sendTo, setup } from 'xstate'
import { assert } from '../../errors.ts'
import { BOND } from '../../limits.ts'
import { nextBetween, randomFrom } from '../random.ts'
import { parentOf } from '../xstate.ts'
import type {
  BondContext,
  BondEvent,
  BondInput,
  BondNews,
  BondOutput,
  LinkCommand,
  LinkInput,
  LinkReport,
  SyncInput,
  TicketInput,
  TicketVerdict,
} from './events.ts'
import { closeReasonFor, type EndReason, type Outcome, outcomeOf } from './reasons.ts'

/** The longest delay a timer takes (32 bits); tickets that live longer are simply looked at again then. */
const TIMER_MAX_MS = 2_147_483_647

export function contextOf({ seed, ...input }: BondInput): BondContext {
  return {
    ...input,
    bondId: null,
    expires: Number.POSITIVE_INFINITY,
    syncAttempts: 0,
    proven: false,
    linked: false,
    entryDue: false,
    wasSteady: false,
    outcome: null,
    reason: null,
    random: randomFrom(seed),
  }
}

export function outputOf({ outcome, reason }: BondContext): BondOutput {
  assert(outcome !== null && reason !== null, 'a bond ended without a reason')
  return { outcome, reason }
}

type InContext = { readonly context: BondContext }

/** What a link is opened with. */
export const linkInput = ({ context }: InContext): LinkInput => {
  const { role, peer, addresses, linkNumber, group, random: seed } = context
  return { role, peer, addresses, linkNumber, group, seed }
}

/** The own entry changed meanwhile. */
export const dueEntry = ({ context }: InContext): LinkCommand | null =>
  context.entryDue ? { type: 'link.sendEntry' } : null

/** To a link that may still stand. */
export const goodbye = ({ context: { linked, reason } }: InContext): LinkCommand | null =>
  linked && reason !== null ? { type: 'link.close', reason: closeReasonFor(reason) } : null

/** The group that spawned this bond; one that runs by itself, as in a model's walk, tells nobody but itself. */
const group = ({ self }: { self: AnyActorRef }) => parentOf(self) ?? self

export const bondSetup = setup({
  types: {
    context: {} as BondContext,
    events: {} as BondEvent,
    input: {} as BondInput,
    output: {} as BondOutput,
  },
  actors: {
    checkTickets: fromPromise<TicketVerdict, TicketInput>(({ signal }) => {
      throw signal.reason ?? new TypeError('checkTickets is provided by the actors')
    }),
    syncCatalog: fromPromise<void, SyncInput>(({ signal }) => {
      throw signal.reason ?? new TypeError('syncCatalog is provided by the actors')
    }),
  },
  delays: {
    step: BOND.handshakeStepTimeoutMs,
    /** Full jitter, doubling with each attempt. */
    beforeDialAgain: ({ context }) =>
      nextBetween(context.random, 0, BOND.redialMinMs * 2 ** Math.max(0, context.syncAttempts - 1))[0],
  },
  guards: {
    /** Provided outside: the group asks for no tickets, and has the peer's entry; so there is nothing to check. */
    unticketed: (_) => false,
    proofHolds: ({ context }) => context.proven,
    otherNetwork: ({ context }, { network }: { network: string }) => network !== context.network,
    unknownPeer: (_, { known }: { known: boolean }) => !known,
    otherGroup: ({ context }, { group }: { group: string }) => group !== context.group,
    proven: (_, { proven }: { proven: boolean }) => proven,
    forged: (_, { genuine }: { genuine: boolean }) => !genuine,
    isDialler: ({ context }) => context.role === 'dialler',
    granted: (_, verdict: TicketVerdict) => verdict.granted && verdict.expires > verdict.nowMs,
    unknown: (_, verdict: TicketVerdict) => 'unknown' in verdict,
    isFailure: (_, { reason }: { reason: EndReason }) => outcomeOf(reason) === 'failed',
    mustSync: ({ context }, { reason, byPeer }: { reason: EndReason; byPeer: boolean }) =>
      byPeer && reason === 'UnknownPeer' && context.syncAttempts < BOND.syncAttemptsMax,
  },
  actions: {
    because: assign((_, { reason }: { reason: EndReason }) => ({ reason })),
    keepBondId: assign((_, { bondId }: Extract<LinkReport, { type: 'link.opened' }>) => ({ bondId })),
    keepVerdict: assign((_, { proven }: { proven: boolean }) => ({ proven })),
    linkUp: assign({ linked: true }),
    linkDown: assign({ linked: false }),
    countSync: assign(({ context }) => ({
      syncAttempts: context.syncAttempts + 1,
      random: nextBetween(context.random, 0, 1)[1],
    })),
    entryIsDue: assign({ entryDue: true }),
    openLink: (_, _input: LinkInput) => {},
    /** With null nothing is said. */
    tellLink: (_, _command: LinkCommand | null) => {},
    claim: sendTo(group, ({ self, context: { peer, role } }): BondNews => {
      return { type: 'bond.claim', bond: self.id, peer, role }
    }),
    becomeSteady: assign({ wasSteady: true }),
    tellSteady: sendTo(group, ({ self, context: { peer, bondId } }): BondNews => {
      assert(bondId !== null, 'a bond without a link became steady')
      return { type: 'bond.steady', bond: self.id, peer, bondId }
    }),
    /** The timer outlives the states: tickets may end during the handshake as well. */
    keepGrant: enqueueActions(({ enqueue }, verdict: TicketVerdict) => {
      if (!verdict.granted) return
      const leftMs = Math.max(0, verdict.expires - verdict.nowMs)
      enqueue.assign({ expires: verdict.expires })
      enqueue(cancel('ticketExpired'))
      if (leftMs < Number.POSITIVE_INFINITY)
        enqueue.raise({ type: 'bond.ticketExpired' }, { id: 'ticketExpired', delay: Math.min(leftMs, TIMER_MAX_MS) })
    }),
    keepOutcome: assign((_, { outcome }: { outcome: Outcome }) => ({ outcome })),
    tellEnded: sendTo(group, ({ self, context }): BondNews => {
      const { peer, wasSteady } = context
      return { type: 'bond.ended', bond: self.id, peer, ...outputOf(context), wasSteady }
    }),
  },
})
