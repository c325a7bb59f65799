/**
 * The peers we are bonded with, and what they said of themselves. A peer of another formation has another log: nothing
 * it says may touch ours, and its presence is told once (SEMANTICS: two groups that formed apart never merge).
 */
import type { PeerId } from '../../identity/keys.ts'
import { LONG_AGO_MS, type RaftContext, update, withFounding, withMembership } from './context.ts'
import type { EventNamed, MessageEvent } from './events.ts'
import { introduction, isFormed } from './formation.ts'
import { type Step, sendTo, stay } from './step.ts'

export function withPeer(context: RaftContext, peer: PeerId): RaftContext {
  const unknown = { formation: undefined, voters: 0, preference: 'normal' } as const
  const next = update(context, { peers: new Map(context.peers).set(peer, unknown) })
  const departed = new Set(context.membership.departed)
  return departed.delete(peer) ? withMembership(next, { departed }) : next
}

export function withoutPeer(context: RaftContext, { peer, departed }: EventNamed<'raft.bondLost'>): RaftContext {
  const peers = new Map(context.peers)
  peers.delete(peer)
  const next = update(context, { peers })
  return departed ? withMembership(next, { departed: new Set(context.membership.departed).add(peer) }) : next
}

export function onIntroduce(context: RaftContext, { from, message }: EventNamed<'raft.introduce'>): Step {
  const { formation, voters, preference } = message
  const peers = new Map(context.peers).set(from, { formation, voters, preference })
  const met = formation !== null && !isFormed(context)
  const founding = met ? { ...context.founding, joinsOnly: true } : context.founding
  const next = update(context, { peers, founding })
  const rival = isFormed(context) && formation !== null && formation !== context.formation.id
  if (!rival || context.founding.rivals.has(from)) return stay(next)
  const news = { type: 'respond', params: { kind: 'rivalGroup', peer: from, formation } } as const
  return [withFounding(next, { rivals: new Set(context.founding.rivals).add(from) }), [news]]
}

const ANSWERS: ReadonlySet<string> = new Set([
  'AppendEntriesResponse',
  'AppendEntriesRejection',
  'InstallSnapshotResponse',
  'NewerTerm',
])

/** Does the sender hold our log? Who answers our AppendEntries does, even if its word for it was lost. */
export function isOfOurGroup({ peers, formation }: RaftContext, { from, message }: MessageEvent): boolean {
  if (formation.status !== 'formed') return false
  const held = peers.get(from)?.formation
  if (held === formation.id) return true
  return ANSWERS.has(message.type) && peers.has(from) && !held
}

/**
 * An introduction may be lost like any message, and who missed it is deaf to the other. So whoever hears no leader, a
 * learner too that still believes in a former one, and a leader whom some peer does not answer, says again who it is, once each election timeout.
 */
export function introduceAgain(context: RaftContext): Step {
  const { nowMs, founding, election, peers, leader, self, progress } = context
  const { leaderHeardMs, timing } = election
  const { electionTimeoutMs } = timing
  if (nowMs < founding.introduceDueMs) return stay(context)
  const silent = (peer: PeerId): boolean =>
    nowMs - (progress.get(peer)?.lastContactMs ?? LONG_AGO_MS) >= electionTimeoutMs
  const isDeaf = leader === null || nowMs - leaderHeardMs >= electionTimeoutMs
  const unsure = leader === self ? [...peers.keys()].filter(silent) : isDeaf ? [...peers.keys()] : []
  const next = withFounding(context, { introduceDueMs: nowMs + electionTimeoutMs })
  return [next, sendTo(next, unsure, introduction(next), next.writes.issued)]
}

/** A peer that holds the log of the very proposal we are bound to: all accepted, whether we heard them or not. */
export function showsFormed({ formation }: RaftContext, { message }: EventNamed<'raft.introduce'>): boolean {
  return formation.status === 'accepted' && message.formation === formation.id
}
