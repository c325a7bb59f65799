/**
 * What a group holds of each steady bond beside its chart: the link, the handle its users have, and the peer's newest entry. The
 * registry of the handles is the group's: `group.bonds` is a view of it.
 */
import { type Atom, createAtom } from '@xstate/store'
import type { CloseReason } from '../errors.ts'
import type { BondId } from '../identity/digest.ts'
import type { PeerId } from '../identity/keys.ts'
import type { PeerEntry, SignedEntry } from '../identity/peer-entry.ts'
import { createRegistry } from '../machines/group/registry.ts'
import { encodeBond } from '../transport/codec.ts'
import type { StandingLink } from './bond.ts'
import { Bond } from './bond-handle.ts'

export interface BondBookDeps {
  readonly entryOf: (peer: PeerId) => PeerEntry | undefined
  readonly signedOf: (peer: PeerId) => SignedEntry | undefined
  /** The bond's actor, by its name among the group's children. */
  readonly actorOf: (bond: string) => BondActor | undefined
}

interface BondActor {
  getSnapshot(): { readonly value: unknown }
  send(event: { readonly type: 'bond.close'; readonly reason: CloseReason }): void
}

export class BondBook {
  readonly registry = createRegistry<Bond>()
  readonly #deps: BondBookDeps
  readonly #links = new Map<BondId, StandingLink>()
  /** Whom the peers of bonds that are not announced yet have named as theirs. */
  readonly #acquainted = new Map<BondId, ReadonlySet<PeerId>>()
  readonly #peers = new Map<PeerId, Atom<PeerEntry>>()

  constructor(deps: BondBookDeps) {
    this.#deps = deps
  }

  /** The link of bond `id` stands, or with null, is down. */
  attach(id: BondId, link: StandingLink | null): void {
    if (link) this.#links.set(id, link)
    else {
      this.#links.delete(id)
      this.#acquainted.delete(id)
    }
  }

  /** The peer of bond `id` says that it is bonded with these. */
  acquainted(id: BondId, peers: readonly PeerId[]): void {
    this.#acquainted.set(id, new Set(peers))
  }

  /** The bond with `peer` is steady; its actor is called `bond`. */
  register(peer: PeerId, bond: string, id: BondId): void {
    const { entryOf, actorOf } = this.#deps
    const standing = this.#links.get(id)
    const entry = entryOf(peer)
    if (!standing || !entry) return
    const handle = new Bond({
      id,
      standing,
      peer: this.#atomOf(entry),
      state: () => actorOf(bond)?.getSnapshot().value,
      requestClose: (reason) => actorOf(bond)?.send({ type: 'bond.close', reason }),
    })
    this.registry.set(peer, handle)
  }

  /** Tells everyone of the new bond `id` with `peer`, but those whom the peer has named itself: they are bonded with it already. */
  announce(peer: PeerId, id: BondId): void {
    const named = this.#acquainted.get(id)
    this.#acquainted.delete(id)
    const entry = this.#deps.signedOf(peer)
    const others = [...this.registry].filter(([other]) => other !== peer && !named?.has(other))
    if (!entry || others.length === 0) return
    const bytes = encodeBond({ type: 'BondFormed', entry })
    for (const [, bond] of others) bond.send(bytes, 'prompt')
  }

  /** Tells `peer` of an entry, which it learns like any that it hears of; false where there is no bond, or no room on its link. */
  tell(peer: PeerId, entry: SignedEntry): boolean {
    return this.registry.get(peer)?.send(encodeBond({ type: 'BondFormed', entry }), 'prompt') ?? false
  }

  unregister(peer: PeerId, reason: CloseReason): void {
    this.registry.get(peer)?.end(reason)
    this.registry.delete(peer)
    this.#peers.delete(peer)
  }

  /** The group was left: no bond of it stands any more. */
  clear(): void {
    for (const [peer] of this.registry) this.unregister(peer, 'UnexpectedClose')
  }

  /** The newest entry of `peer` came into the catalog. */
  entryChanged(entry: PeerEntry): void {
    this.#peers.get(entry.peer)?.set(entry)
  }

  /** The signed entries of all peers there is a steady bond with. */
  entries(): SignedEntry[] {
    return [...this.registry].flatMap(([peer]) => this.#deps.signedOf(peer) ?? [])
  }

  #atomOf(entry: PeerEntry): Atom<PeerEntry> {
    const atom = this.#peers.get(entry.peer) ?? createAtom(entry)
    this.#peers.set(entry.peer, atom)
    return atom
  }
}
