/**
 * A bond: one member's end of the connection to one other member (SEMANTICS §3).
 *
 * Lifecycle: `handshake`, one column of the handshake table for each role, row by row -> `steady`, with liveness and tickets side
 * by side -> `failed` or `closed`, both final. The link lives from dial or accept until then, outside: `openLink` and `tellLink` are effects,
 * bound to a real one by the actors. It holds every secret, and tells this chart verdicts only.
 *
 * Invariants: no step of the handshake waits longer than its deadline. A bond is steady only with its group's claim, valid
 * tickets and a genuine proof. A message in a state that does not expect it is a violation, so the root refuses them all and
 * each state names what it takes. A link that stands hears why it goes down, and the group hears of the end exactly once.
 *
 * A dialler claims when its link has opened, before it says anything; an acceptor when it was asked for this very group. So an end
 * that lost its claim never answers, and which link survives a double dial is decided by the groups alone (`group/dialling.ts`).
 */
import type { LinkCommand, TicketVerdict } from './events.ts'
import type { EndReason, Outcome } from './reasons.ts'
import { bondSetup, contextOf, dueEntry, goodbye, linkInput, outputOf } from './vocabulary.ts'

const because = (reason: EndReason) => ({ type: 'because', params: { reason } }) as const
const fails = (reason: EndReason) => ({ target: '#bond.failed', actions: because(reason) }) as const
const closes = (reason: EndReason) => ({ target: '#bond.closed', actions: because(reason) }) as const
const tell = (command: LinkCommand) => ({ type: 'tellLink', params: command }) as const
const hangUp = [{ type: 'tellLink', params: goodbye }, 'linkDown'] as const
const ends = (outcome: Outcome) => [{ type: 'keepOutcome', params: { outcome } }, ...hangUp, 'tellEnded'] as const
/** Every step of the handshake has the same deadline. */
const deadline = { step: fails('Timeout') } as const
const grantOf = ({ event }: { event: { output: TicketVerdict } }) => event.output

export const bondMachine = bondSetup.createMachine({
  id: 'bond',
  description: "One member's end of the connection to one other member.",
  context: ({ input }) => contextOf(input),
  output: ({ context }) => outputOf(context),
  initial: 'handshake',
  on: {
    'link.failed': { target: '.failed', actions: ['linkDown', because('DialFailed')] },
    'link.closed': [
      {
        guard: { type: 'isFailure', params: ({ event }) => event },
        target: '.failed',
        actions: ['linkDown', { type: 'because', params: ({ event }) => event }],
      },
      { target: '.closed', actions: ['linkDown', { type: 'because', params: ({ event }) => event }] },
    ],
    'link.broken': { target: '.failed', actions: ['linkDown', because('UnexpectedClose')] },
    'bond.superseded': closes('AlreadyBonded'),
    'bond.close': { target: '.closed', actions: { type: 'because', params: ({ event }) => event } },
    'bond.depart': closes('Departed'),
    'bond.ticketExpired': closes('NotAllowed'),
    'bond.entryChanged': { actions: 'entryIsDue' },
    'bond.undecodable': fails('InvalidHandshake'),
    'bond.handshakeStart': closes('ProtocolViolation'),
    'bond.handshakeEnd': closes('ProtocolViolation'),
    'bond.peers': closes('ProtocolViolation'),
    'bond.departure': closes('ProtocolViolation'),
    'bond.entryUpdate': closes('ProtocolViolation'),
  },
  states: {
    handshake: {
      description: 'Each end shows the other that it knows the secret; a column of the handshake table each.',
      initial: 'choosing',
      states: {
        choosing: {
          description: 'Which end this is.',
          always: [{ guard: 'isDialler', target: 'dialling' }, { target: 'accepting' }],
        },
        dialling: {
          description: 'The dialler’s column.',
          initial: 'choosing',
          on: {
            'link.closed': {
              guard: { type: 'mustSync', params: ({ event }) => event },
              target: '.syncing',
              actions: 'linkDown',
            },
          },
          states: {
            choosing: {
              description: 'Whether there are tickets to check at all.',
              always: [{ guard: 'unticketed', target: 'connecting' }, { target: 'authenticating' }],
            },
            authenticating: {
              description:
                'Step 0: a peer that the tickets refuse is not dialled at all; one without an entry is tried again later.',
              invoke: {
                src: 'checkTickets',
                id: 'checkTickets',
                input: ({ context: { peer, addresses } }) => ({ peer, addresses }),
                onDone: [
                  {
                    guard: { type: 'granted', params: grantOf },
                    target: 'connecting',
                    actions: { type: 'keepGrant', params: grantOf },
                  },
                  { guard: { type: 'unknown', params: grantOf }, ...fails('DialFailed') },
                  closes('Unauthorized'),
                ],
                onError: closes('Unauthorized'),
              },
              after: deadline,
            },
            connecting: {
              description: 'The link dials.',
              entry: [{ type: 'openLink', params: linkInput }, 'linkUp'],
              on: {
                'link.opened': { target: 'claiming', actions: { type: 'keepBondId', params: ({ event }) => event } },
              },
              after: deadline,
            },
            claiming: {
              description: 'One bond per pair: the group grants the pair to one link before this one says a word.',
              entry: 'claim',
              on: { 'bond.granted': 'proving', 'bond.refused': closes('AlreadyBonded') },
              after: deadline,
            },
            proving: {
              description: 'Steps 1 and 3: shows its proof, then checks the other’s.',
              entry: tell({ type: 'link.sendStart' }),
              on: {
                'bond.handshakeEnd': [
                  {
                    guard: { type: 'proven', params: ({ event }) => event },
                    target: '#bond.steady',
                    actions: tell({ type: 'link.sendPeers' }),
                  },
                  closes('InvalidProof'),
                ],
              },
              after: deadline,
            },
            syncing: {
              description: 'The peer does not know us: sync catalogs with it, then dial again after a pause.',
              entry: 'countSync',
              initial: 'asking',
              states: {
                asking: {
                  description: 'Both catalogs become their union.',
                  invoke: {
                    src: 'syncCatalog',
                    id: 'syncCatalog',
                    input: ({ context: { peer, addresses } }) => ({ peer, addresses }),
                    onDone: 'pausing',
                    onError: 'pausing',
                  },
                  after: deadline,
                },
                pausing: {
                  description: 'A peer that forgets us at once must not make us loop.',
                  after: { beforeDialAgain: '#bond.handshake.dialling.connecting' },
                },
              },
            },
          },
        },
        accepting: {
          description: 'The acceptor’s column.',
          initial: 'connecting',
          states: {
            connecting: {
              description: 'Step 0: takes the accepted link.',
              entry: [{ type: 'openLink', params: linkInput }, 'linkUp'],
              on: {
                'link.opened': { target: 'awaiting', actions: { type: 'keepBondId', params: ({ event }) => event } },
              },
              after: deadline,
            },
            awaiting: {
              description:
                'Steps 1 and 2: waits for HandshakeStart; network first, then group, then the peer’s own entry.',
              on: {
                'bond.handshakeStart': [
                  {
                    guard: { type: 'otherNetwork', params: ({ event }) => event },
                    ...closes('DifferentNetwork'),
                  },
                  { guard: { type: 'otherGroup', params: ({ event }) => event }, ...closes('GroupNotFound') },
                  { guard: { type: 'unknownPeer', params: ({ event }) => event }, ...closes('UnknownPeer') },
                  { target: 'claiming', actions: { type: 'keepVerdict', params: ({ event }) => event } },
                ],
              },
              after: deadline,
            },
            claiming: {
              description: 'Step 2: one bond per pair.',
              entry: 'claim',
              on: {
                'bond.granted': [{ guard: 'unticketed', target: 'judging' }, { target: 'authenticating' }],
                'bond.refused': closes('AlreadyBonded'),
              },
              after: deadline,
            },
            authenticating: {
              description: 'Step 2: tickets, and only then the proof.',
              invoke: {
                src: 'checkTickets',
                id: 'checkTickets',
                input: ({ context: { peer } }) => ({ peer, addresses: [] }),
                onDone: [
                  {
                    guard: { type: 'granted', params: grantOf },
                    target: 'judging',
                    actions: { type: 'keepGrant', params: grantOf },
                  },
                  closes('NotAllowed'),
                ],
                onError: closes('NotAllowed'),
              },
              after: deadline,
            },
            judging: {
              description: 'Step 2: the proof, last of all.',
              always: [{ guard: 'proofHolds', target: 'proving' }, closes('InvalidProof')],
            },
            proving: {
              description: 'Step 3: shows its own proof and its bonds, waits for the dialler’s.',
              entry: tell({ type: 'link.sendEnd' }),
              on: { 'bond.peers': '#bond.steady' },
              after: deadline,
            },
          },
        },
      },
    },
    steady: {
      description: 'The bond stands.',
      type: 'parallel',
      entry: ['becomeSteady', 'tellSteady', { type: 'tellLink', params: dueEntry }, tell({ type: 'link.watch' })],
      on: {
        'bond.departure': closes('Departed'),
        'bond.undecodable': fails('ProtocolViolation'),
        'bond.depart': { target: 'closed', actions: [tell({ type: 'link.departure' }), because('Departed')] },
        'bond.entryChanged': { actions: tell({ type: 'link.sendEntry' }) },
      },
      states: {
        liveness: {
          description: 'The link measures it, and says what changes.',
          initial: 'heard',
          states: {
            heard: {
              description: 'The peer was heard lately, or has been asked and may yet answer.',
              on: { 'bond.silent': 'silent' },
            },
            silent: {
              description: 'A ping found no answer. Some more, and the peer is gone.',
              on: { 'bond.heard': 'heard', 'bond.lost': fails('Timeout') },
            },
          },
        },
        ticket: {
          description: 'The peer may stay as long as its tickets hold.',
          initial: 'valid',
          on: {
            'bond.entryUpdate': [
              { guard: { type: 'forged', params: ({ event }) => event }, ...closes('ProtocolViolation') },
              { guard: 'unticketed' },
              { target: '.checking', reenter: true },
            ],
            'bond.ticketExpired': { target: '.checking' },
          },
          states: {
            valid: { description: 'Until the earliest expiry, or a new entry.' },
            checking: {
              description: 'Renewed, or no longer allowed.',
              invoke: {
                src: 'checkTickets',
                id: 'checkTickets',
                input: ({ context: { peer } }) => ({ peer, addresses: [] }),
                onDone: [
                  {
                    guard: { type: 'granted', params: grantOf },
                    target: 'valid',
                    actions: { type: 'keepGrant', params: grantOf },
                  },
                  closes('NotAllowed'),
                ],
                onError: closes('NotAllowed'),
              },
              after: deadline,
            },
          },
        },
      },
    },
    failed: {
      description: 'Nobody wanted this end: silence, a lost link, bytes that do not decode.',
      type: 'final',
      entry: ends('failed'),
    },
    closed: {
      description: 'One side said why.',
      type: 'final',
      entry: ends('closed'),
    },
  },
})
