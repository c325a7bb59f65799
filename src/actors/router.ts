/**
 * Carries a group's messages to its members, over steady bonds only. A message is encoded once, however many it goes to. What cannot be
 * sent is dropped, never kept: whoever sends has to live with loss, as raft does (SEMANTICS §3).
 */
import type { ErrorCode } from '../errors.ts'
import type { PeerId } from '../identity/keys.ts'
import type { ReadonlyRegistry } from '../machines/group/registry.ts'
import type { Lane } from '../transport/transport.ts'

/** What the router needs of a bond: takes encoded bytes, and says whether it could queue them. */
export interface Carrier {
  send(bytes: Uint8Array, lane: Lane): boolean
}

export interface RouterDeps<Message> {
  readonly bonds: ReadonlyRegistry<Carrier>
  readonly encode: (message: Message) => Uint8Array
  readonly lane: (message: Message) => Lane
  readonly warn: (code: ErrorCode, detail: string) => void
}

export class Router<Message> {
  readonly #deps: RouterDeps<Message>
  /** Peers without a bond that a warning has named; one is enough until there is a bond again. */
  readonly #warned = new Set<PeerId>()

  constructor(deps: RouterDeps<Message>) {
    this.#deps = deps
  }

  /** To each of `to` that there is a bond with, by default to all. Returns whom it reached. */
  broadcast(message: Message, to?: readonly PeerId[]): PeerId[] {
    const { bonds, encode, lane } = this.#deps
    const bonded = (to ?? [...bonds].map(([peer]) => peer)).filter((peer) => bonds.has(peer))
    if (bonded.length === 0) return []
    const bytes = encode(message)
    return bonded.filter((peer) => bonds.get(peer)?.send(bytes, lane(message)))
  }

  /** To one peer. Whether it is on its way; without a bond it is dropped, and a warning says so, once for each lost bond. */
  sendTo(peer: PeerId, message: Message): boolean {
    const { bonds, encode, lane, warn } = this.#deps
    const bond = bonds.get(peer)
    if (bond) {
      this.#warned.delete(peer)
      return bond.send(encode(message), lane(message))
    }
    if (!this.#warned.has(peer))
      warn('LinkClosed', `A message to ${peer.slice(0, 10)} was dropped: there is no bond with it.`)
    this.#warned.add(peer)
    return false
  }
}
