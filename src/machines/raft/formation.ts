/**
 * Forming the first configuration: the one moment Raft cannot protect, because there is no log to agree in.
 *
 * Lifecycle of one member: `none` -> `accepted` (bound to one proposal) -> `formed`, or back to `none` when a refusal of
 * that proposal is learned. Among n members without a log the one with the smallest id proposes; each voter stores its
 * answer, then tells it to all voters; all n accepted is formed. Then everyone writes the same entry 1 for itself.
 *
 * Two first configurations that share a member can never both elect. Let M vote in X and in Y. X is formed only when every
 * voter of it, M among them, has said `accepted`; the same for Y. M says it for Y while it had said it for X only after it
 * was released from X, which happens in two ways:
 *   1. It learned that some R refused X. R stored that before it told it, and a refusal is for ever, so the set of
 *      acceptances of X never becomes whole.
 *   2. It learned that some Z that shares a voter S with X *is* formed. S accepted Z. If S never accepted X, X is not whole.
 *      If S did, it was released from one before it accepted the other; Z was formed, so it was released from X, and by
 *      induction over the releases (each is preceded by the one it rests on) X is never whole.
 * So at most one of X and Y is ever formed, and a member votes only in a configuration that is. What forgets its answers
 * (memory storage) must come back as another peer, as with votes.
 *
 * A member that has met a formed group never forms one: if the group is lost, that is for a person to decide.
 */
import type { PeerId } from '../../identity/keys.ts'
import { nextHex } from '../random.ts'
import { drawn, type RaftContext, update, withElection, withFounding, withFreshTimeout } from './context.ts'
import type { EventNamed } from './events.ts'
import type {
  ConfigurationEntry,
  FormationAnswer,
  FormationId,
  FormationProposal,
  Introduce,
  LogIndex,
  Term,
} from './messages.ts'
import { chain, type Effect, isHardStateOnDisk, reply, type Step, sendTo, stay, write, writeHardState } from './step.ts'

const FORMATION_ID_BYTES = 16
const FIRST_INDEX = 1 as LogIndex
const FIRST_TERM = 1 as Term

type Offer = Pick<FormationProposal, 'formation' | 'voters'>

export function introduction({ formation, founding, membership }: RaftContext): Introduce {
  const { preference } = membership
  return { type: 'Introduce', formation: heldLog(formation), voters: founding.voters, preference }
}

function heldLog({ status, id }: RaftContext['formation']): FormationId | null {
  return status === 'formed' ? id : null
}

export function isFormed({ formation }: RaftContext): boolean {
  return formation.status === 'formed'
}

/** This member and the n - 1 smallest others that would form with the same n; null while they are too few. */
export function candidateVoters({ self, peers, founding }: RaftContext): PeerId[] | null {
  const willing = [...peers].filter(([, peer]) => peer.formation === null && peer.voters === founding.voters)
  if (willing.length < founding.voters - 1) return null
  const others = willing.map(([peer]) => peer).sort()
  return [self, ...others.slice(0, founding.voters - 1)].sort()
}

/** Only the smallest proposes, so that in the common case there is one proposal. */
export function mayPropose(context: RaftContext): boolean {
  const { founding, formation, nowMs, self } = context
  if (founding.voters === 0 || formation.status !== 'none') return false
  if (founding.joinsOnly || nowMs < founding.againMs) return false
  return candidateVoters(context)?.[0] === self
}

/** Proposing is accepting. The proposal leaves once it is stored. */
export function propose(context: RaftContext): Step {
  const voters = candidateVoters(context) ?? [context.self]
  const [id, random] = nextHex(context.election.random, FORMATION_ID_BYTES)
  return accept(withElection(context, { random }), { formation: id as FormationId, voters })
}

/** Bound from here on. Whoever knows of a proposal may spread it: that it exists proves that its first voter accepted. */
function accept(context: RaftContext, { formation: id, voters }: Offer): Step {
  const formation = { ...context.formation, status: 'accepted' as const, id, voters }
  const founding = { ...context.founding, accepted: new Set([context.self, voters[0]!]), againMs: nextTry(context) }
  return chain(writeHardState(update(context, { formation, founding })), tellVoters)
}

function nextTry({ nowMs, election }: RaftContext): number {
  return nowMs + election.timing.heartbeatIntervalMs
}

/** The proposal to those whose answer is missing, our answer to all. */
function tellVoters(context: RaftContext): Step {
  return [context, tell(context, context.formation.voters)]
}

function tell(context: RaftContext, to: readonly PeerId[]): Effect[] {
  const { formation, founding, writes } = context
  if (formation.status !== 'accepted' || formation.id === null) return []
  const { id, voters } = formation
  const unanswered = to.filter((peer) => !founding.accepted.has(peer))
  const proposal: FormationProposal = { type: 'FormationProposal', formation: id, voters }
  return [
    ...sendTo(context, unanswered, proposal, writes.issued),
    ...sendTo(context, to, answerTo({ formation: id, voters }, true), writes.issued),
  ]
}

function answerTo({ formation, voters }: Offer, accepted: boolean): FormationAnswer {
  return { type: 'FormationAnswer', formation, voters, accepted }
}

/** A proposal, from its proposer or passed on. */
export function onFormationProposal(context: RaftContext, event: EventNamed<'raft.formationProposal'>): Step {
  const { from, message } = event
  const { formation } = context
  if (!message.voters.includes(context.self)) return stay(context)
  if (formation.id === message.formation) return [context, reply(context, from, answerTo(message, true))]
  if (isFormed(context) || formation.refused.includes(message.formation)) {
    return [context, reply(context, from, answerTo(message, false))]
  }
  return decide(context, message)
}

/** Free and asked in the same terms: accept. Else refuse, which is for ever. */
function decide(context: RaftContext, offer: Offer): Step {
  const free = context.formation.status === 'none' && !context.founding.joinsOnly
  return free && offer.voters.length === context.founding.voters ? accept(context, offer) : refuse(context, offer)
}

function refuse(context: RaftContext, offer: Offer): Step {
  const refused = [...context.formation.refused, offer.formation]
  const [next, effects] = writeHardState(update(context, { formation: { ...context.formation, refused } }))
  return [next, [...effects, ...sendTo(next, offer.voters, answerTo(offer, false), next.writes.issued)]]
}

/** Another voter's answer, which also tells that the proposal exists. */
export function onFormationAnswer(context: RaftContext, event: EventNamed<'raft.formationAnswer'>): Step {
  const { from, message } = event
  if (!message.voters.includes(context.self) || !message.voters.includes(from)) return stay(context)
  if (!message.accepted) return context.formation.id === message.formation ? release(context) : stay(context)
  if (context.formation.id === message.formation) return stay(withAccepted(context, from))
  if (context.formation.refused.includes(message.formation)) {
    return [context, reply(context, from, answerTo(message, false))]
  }
  return chain(decide(context, message), (next) =>
    stay(next.formation.id === message.formation ? withAccepted(next, from) : next),
  )
}

function withAccepted(context: RaftContext, peer: PeerId): RaftContext {
  const accepted = new Set(context.founding.accepted).add(peer)
  return withFounding(context, { accepted })
}

/** The proposal is dead: free again, after a pause that two rival proposers draw differently. */
function release(context: RaftContext): Step {
  const { heartbeatIntervalMs } = context.election.timing
  const [pauseMs, next] = drawn(context, heartbeatIntervalMs / 2, heartbeatIntervalMs * 2)
  const { refused, id } = context.formation
  const formation = { status: 'none' as const, id: null, voters: [], refused: id === null ? refused : [...refused, id] }
  const founding = { ...next.founding, accepted: new Set<PeerId>(), againMs: next.nowMs + pauseMs }
  return writeHardState(update(next, { formation, founding }))
}

/** Everyone answered, and everyone accepted: one's own acceptance counts when it is on disk, as another's does. */
export function allAccepted({ formation, founding, writes }: RaftContext): boolean {
  if (formation.status !== 'accepted' || !isHardStateOnDisk(writes)) return false
  return formation.voters.every((voter) => founding.accepted.has(voter))
}

/** Answers may be lost: tell again, each heartbeat interval. */
export function onFormingTick(context: RaftContext): Step {
  if (context.formation.status !== 'accepted' || context.nowMs < context.founding.againMs) return stay(context)
  return tellVoters(withFounding(context, { againMs: nextTry(context) }))
}

/** A new bond: say what we hold, and what we are bound to if the peer has a part in it. */
export function greet(context: RaftContext, peer: PeerId): Step {
  const hello = sendTo(context, [peer], introduction(context), context.writes.issued)
  return [context, context.formation.voters.includes(peer) ? [...hello, ...tell(context, [peer])] : hello]
}

/** The first configuration is entry 1 of term 1 on every voter alike. The proposer need not wait to campaign. */
export function form(context: RaftContext): Step {
  const { id, voters } = context.formation
  const entry: ConfigurationEntry = {
    kind: 'configuration',
    term: FIRST_TERM,
    timeMs: 0,
    configuration: { voters, learners: [] },
  }
  const log = context.log.append([entry])
  const configurations = [{ index: FIRST_INDEX, configuration: entry.configuration }]
  const formed = update(holding(context, id!, voters), {
    term: FIRST_TERM,
    log,
    configurations,
    configuration: entry.configuration,
  })
  const waiting = withFreshTimeout(formed)
  const hurried = voters[0] === context.self ? withElection(waiting, { deadlineMs: waiting.nowMs }) : waiting
  return chain(write(hurried, true, FIRST_INDEX, [entry]), introduceAgain)
}

/** A member that holds a log refuses every proposal, so the refusals need not be kept. */
function holding(context: RaftContext, id: FormationId, voters: readonly PeerId[]): RaftContext {
  return update(context, { formation: { status: 'formed', id, voters, refused: [] } })
}

function introduceAgain(context: RaftContext): Step {
  return [context, sendTo(context, [...context.peers.keys()], introduction(context), context.writes.issued)]
}

type Offered = EventNamed<'raft.appendEntries'> | EventNamed<'raft.installSnapshot'>

/** The whole log of a formed group is offered, from entry 1 on or behind a snapshot: may we follow it? */
export function mayJoin(context: RaftContext, event: Offered): boolean {
  const { peers, formation } = context
  const founders = foundersIn(event)
  if (!peers.get(event.from)?.formation || founders === null) return false
  return formation.status === 'none' || founders.some((voter) => formation.voters.includes(voter))
}

/** The voters of the first configuration of what is offered; null where it is not all of a log. */
function foundersIn({ message }: Offered): readonly PeerId[] | null {
  if (message.type === 'InstallSnapshot') return message.snapshot.founders
  const first = message.prevIndex === 0 ? message.entries[0] : undefined
  return first?.kind === 'configuration' ? first.configuration.voters : null
}

/** Follow the log of the group that peer belongs to, from nothing. */
export function join(context: RaftContext, event: Offered): Step {
  const id = context.peers.get(event.from)!.formation!
  return chain(writeHardState(holding(context, id, foundersIn(event) ?? [])), introduceAgain)
}
