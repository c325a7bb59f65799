/**
 * The peers we are bonded with, and what they said of themselves. A peer of another formation has another log: nothing
 * it says may touch ours, and its presence is told once (SEMANTICS: two groups that formed apart never merge).
 */
import type { PeerId } from '../../identity/keys.ts'
import { type RaftContext, type Step, stay } from './context.ts'
import type { EventNamed, MessageEvent } from './events.ts'
import { isFormed } from './formation.ts'

export function withPeer(context: RaftContext, peer: PeerId): RaftContext {
  return { ...context, peers: new Map(context.peers).set(peer, { formation: undefined, voters: 0 }) }
}

export function withoutPeer(context: RaftContext, peer: PeerId): RaftContext {
  const peers = new Map(context.peers)
  peers.delete(peer)
  return { ...context, peers }
}

export function onIntroduce(context: RaftContext, { from, message }: EventNamed<'raft.introduce'>): Step {
  const { formation, voters } = message
  const peers = new Map(context.peers).set(from, { formation, voters })
  const met = formation !== null && !isFormed(context)
  const founding = met ? { ...context.founding, joinsOnly: true } : context.founding
  const next = { ...context, peers, founding }
  const rival = isFormed(context) && formation !== null && formation !== context.formation.id
  if (!rival || context.rivals.has(from)) return stay(next)
  const news = { type: 'respond', params: { kind: 'rivalGroup', peer: from, formation } } as const
  return [{ ...next, rivals: new Set(context.rivals).add(from) }, [news]]
}

/** Does the sender hold our log? */
export function isOfOurGroup({ peers, formation }: RaftContext, event: MessageEvent): boolean {
  return formation.status === 'formed' && peers.get(event.from)?.formation === formation.id
}

/** A peer that holds the log of the very proposal we are bound to: all accepted, whether we heard them or not. */
export function showsFormed({ formation }: RaftContext, { message }: EventNamed<'raft.introduce'>): boolean {
  return formation.status === 'accepted' && message.formation === formation.id
}
