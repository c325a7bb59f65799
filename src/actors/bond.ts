/**
 * The link of a bond: what hears its chart's `openLink` and `tellLink`. It dials or takes an accepted link, speaks the handshake's wire messages,
 * makes and checks proofs and signed entries, and tells the chart only verdicts, so that no secret enters a snapshot.
 *
 * Raft messages do not pass through the chart: once the bond is steady they go straight to the group's raft actor, a batch at a time.
 * Nor does what shows that the peer lives: the link measures that itself, by its heartbeat. Nor do the entries that
 * it brings: who is to be dialled is the catalog's news, and in a mesh nearly all of what is brought is none.
 *
 * Lifecycle: dialling | accepted -> open (handshake messages) -> steady (bond messages) -> closed. It goes down with its bond, however
 * that ends. An object, not an actor: every bond has one, and an actor of its own would weigh as much as all that it does (ADR 24).
 */
import type { Clock } from '../clock.ts'
import type { CloseReason } from '../errors.ts'
import type { BondId, GroupId, NetworkId } from '../identity/digest.ts'
import { digest } from '../identity/digest.ts'
import type { GroupKey } from '../identity/group-key.ts'
import type { PeerId } from '../identity/keys.ts'
import type { SignedEntry } from '../identity/peer-entry.ts'
import { WIRE } from '../limits.ts'
import type { LinkCommand, LinkInput, LinkReport } from '../machines/bond/events.ts'
import type { Rtt } from '../machines/bond/heartbeat.ts'
import type { bondMachine } from '../machines/bond/machine.ts'
import type { BondMessage, HandshakeMessage } from '../machines/bond/messages.ts'
import type { RaftMessage } from '../machines/raft/messages.ts'
import type { RandomState } from '../machines/random.ts'
import { decodeBond, decodeHandshake, encodeBond, encodeHandshake } from '../transport/codec.ts'
import type { Endpoint, Link } from '../transport/transport.ts'
import { type BoundLink, type Reported, withLink } from './bound-link.ts'
import { fitting } from './discovery.ts'
import { type Beating, Heartbeat } from './heartbeat.ts'

/** The peer entries a bond tells and learns; the node's catalog stands behind it. */
export interface Entries {
  readonly own: () => SignedEntry
  /** What is held of that peer. */
  readonly signedOf: (peer: PeerId) => SignedEntry | undefined
  /** That peer is in the catalog, and has not left. */
  readonly knows: (peer: PeerId) => boolean
  /** Entries of all peers that this group has a steady bond with. */
  readonly bonded: () => readonly SignedEntry[]
  /** Verifies and keeps, only those `of` one peer where it is named; returns the peers of what was kept. */
  readonly learn: (entries: readonly SignedEntry[], of?: PeerId) => readonly PeerId[]
}

export interface BondDeps {
  readonly clock: Clock
  readonly endpoint: Endpoint
  readonly self: PeerId
  readonly network: NetworkId
  /** Null for a stray: a link that asks for a group nobody joined here. */
  readonly group: { readonly id: GroupId; readonly key: GroupKey } | null
  readonly entries: Entries
  /** The accepted link of this number, once. */
  readonly accepted: (linkNumber: number) => Link | undefined
  /** Raft messages of a steady bond. */
  readonly deliver: (peer: PeerId, messages: readonly RaftMessage[]) => void
  /** The link of bond `id` stands; called again with null when it is down. */
  readonly attach: (id: BondId, standing: StandingLink | null) => void
  /** Whom the peer of bond `id` says that it is bonded with. */
  readonly acquainted: (id: BondId, peers: readonly PeerId[]) => void
}

/** The link of a bond, and how far away its peer is. */
export interface StandingLink {
  /** Null once it is down. */
  readonly link: Link | null
  /** Null until a ping was answered. */
  readonly rtt: Rtt | null
}

/** The chart of a bond, with a real link. */
export function bondLogic(chart: typeof bondMachine, deps: BondDeps): typeof bondMachine {
  return withLink(chart, (bond, input) => new BondLink(deps, input, bond))
}

export class BondLink implements BoundLink, Beating, StandingLink {
  readonly #deps: BondDeps
  readonly #bond: Reported
  readonly #peer: PeerId
  readonly #seed: RandomState
  /** Null where nothing is dialled any more. */
  #dialling: AbortController | null = null
  #link: Link | null = null
  #bondId: BondId | null = null
  #steady = false
  #closing = false
  #heartbeat: Heartbeat | null = null

  constructor(deps: BondDeps, input: LinkInput, bond: Reported) {
    this.#deps = deps
    this.#bond = bond
    this.#peer = input.peer
    this.#seed = input.seed
  }

  get link(): Link | null {
    return this.#link
  }

  get rtt(): Rtt | null {
    return this.#heartbeat?.rtt ?? null
  }

  open(input: LinkInput): void {
    const { role, linkNumber } = input
    if (role === 'dialler') {
      this.#dialling = new AbortController()
      void this.#dial(input, this.#dialling.signal)
      return
    }
    const link = linkNumber === null ? undefined : this.#deps.accepted(linkNumber)
    if (link) this.#use(link)
    else this.tell({ type: 'link.failed' })
  }

  handle(event: LinkCommand): void {
    if (event.type === 'link.close') return this.#close(event.reason)
    if (!this.#link || this.#closing) return
    switch (event.type) {
      case 'link.sendStart':
        return this.#sendStart(this.#link)
      case 'link.sendEnd':
        return this.#sendEnd(this.#link)
      case 'link.sendPeers':
        return this.#sendPeers(this.#link)
      case 'link.watch':
        this.#heartbeat = new Heartbeat(this.#deps.clock, this.#seed, this)
        return
      case 'link.departure':
        return this.#send({ type: 'Departure' })
      case 'link.sendEntry':
        return this.#send({ type: 'PeerEntryUpdate', entry: this.#deps.entries.own() })
    }
  }

  /** The bond was stopped: whatever still stands goes down. */
  abandon(): void {
    this.#close('Cancelled')
  }

  tell(report: LinkReport): void {
    if (this.#bond.getSnapshot().status === 'active') this.#bond.send(report)
  }

  async #dial({ peer, addresses, group }: LinkInput, signal: AbortSignal): Promise<void> {
    for (const address of addresses) {
      try {
        const options = { protocol: 'tessera.groups.1', topic: group, peer, signal } as const
        const link = await this.#deps.endpoint.dial(address, options)
        if (signal.aborted) return void link.close('Cancelled')
        return this.#use(link)
      } catch {
        // The next address may do; the chart hears only that none did.
        if (signal.aborted) return
      }
    }
    this.tell({ type: 'link.failed' })
  }

  #use(link: Link): void {
    this.#dialling = null
    this.#link = link
    this.#bondId = digest(link.sharedRandom('tessera.bond.id')) as BondId
    this.#deps.attach(this.#bondId, this)
    link.onClose((reason, byPeer) => {
      if (this.#bondId) this.#deps.attach(this.#bondId, null)
      this.#link = null
      this.#heartbeat?.stop()
      this.tell({ type: 'link.closed', reason, byPeer })
    })
    this.tell({ type: 'link.opened', bondId: this.#bondId })
    link.onMessages((messages) => this.#received(messages))
  }

  #close(reason: CloseReason): void {
    if (this.#closing) return
    this.#closing = true
    this.#dialling?.abort()
    this.#heartbeat?.stop()
    void this.#link?.close(reason)
  }

  ping(sentMs: number): void {
    this.#send({ type: 'Ping', sentMs })
  }

  #send(message: BondMessage): void {
    this.#link?.send(encodeBond(message))
  }

  /** A peer that has this much on its way to it hears us anyway, or does not read: then its pings must not make more wait. */
  pong(sentMs: number): void {
    if (this.#link && this.#link.queuedBytes < WIRE.socketBytesMax) this.#send({ type: 'Pong', sentMs })
  }

  #proof(link: Link, prover: PeerId): Uint8Array {
    const { group } = this.#deps
    return group ? group.key.prove(link.sharedRandom(group.id), prover) : new Uint8Array(32)
  }

  #proven(link: Link, proof: Uint8Array): boolean {
    const { group } = this.#deps
    return group?.key.verifyProof(link.sharedRandom(group.id), this.#peer, proof) ?? false
  }

  #sendStart(link: Link): void {
    const { network, group, self } = this.#deps
    if (!group) return
    const [proof, entry] = [this.#proof(link, self), this.#deps.entries.own()]
    link.send(encodeHandshake({ type: 'HandshakeStart', network, group: group.id, proof, entry }))
  }

  #sendEnd(link: Link): void {
    link.trust()
    const proof = this.#proof(link, this.#deps.self)
    link.send(encodeHandshake({ type: 'HandshakeEnd', proof, bonds: this.#told() }))
  }

  #sendPeers(link: Link): void {
    link.trust()
    link.send(encodeHandshake({ type: 'Peers', bonds: this.#told() }))
    this.#steady = true
  }

  /**
   * Own entry, what is held of the other, and those of all bonded peers, as far as they fit. The other may have come back on a clock that is
   * behind: until it hears of its former entry it cannot make a newer one, and its goodbye would be taken for an old word.
   */
  #told(): readonly SignedEntry[] {
    const { own, signedOf, bonded } = this.#deps.entries
    const theirs = signedOf(this.#peer)
    return fitting([own(), ...(theirs ? [theirs] : []), ...bonded()])
  }

  #received(messages: readonly Uint8Array[]): void {
    this.#heartbeat?.heard()
    try {
      for (const bytes of messages) {
        if (this.#closing || !this.#link) return
        if (this.#steady) this.#onBondMessage(decodeBond(bytes))
        else this.#onHandshakeMessage(this.#link, decodeHandshake(bytes))
      }
    } catch {
      // Whatever does not decode is the peer's fault; the chart decides what that means in its state.
      this.tell({ type: 'bond.undecodable' })
    }
  }

  #onHandshakeMessage(link: Link, message: HandshakeMessage): void {
    switch (message.type) {
      case 'HandshakeStart': {
        const { network, group, proof, entry } = message
        const { entries } = this.#deps
        entries.learn([entry], this.#peer)
        const [proven, known] = [this.#proven(link, proof), entries.knows(this.#peer)]
        return this.tell({ type: 'bond.handshakeStart', network, group, proven, known })
      }
      case 'HandshakeEnd': {
        const proven = this.#proven(link, message.proof)
        if (proven) this.#learn(message.bonds)
        return this.tell({ type: 'bond.handshakeEnd', proven })
      }
      case 'Peers':
        this.#steady = true
        this.#learn(message.bonds)
        return this.tell({ type: 'bond.peers' })
    }
  }

  #learn(bonds: readonly SignedEntry[]): void {
    const peers = this.#deps.entries.learn(bonds)
    if (this.#bondId) this.#deps.acquainted(this.#bondId, peers)
  }

  #onBondMessage(message: BondMessage): void {
    switch (message.type) {
      case 'Raft':
        return this.#deps.deliver(this.#peer, message.messages)
      case 'Ping':
        return this.#heartbeat ? this.#heartbeat.asked(message.sentMs) : this.pong(message.sentMs)
      case 'Pong':
        return this.#heartbeat?.answered(message.sentMs)
      case 'Departure':
        return this.tell({ type: 'bond.departure' })
      case 'PeerEntryUpdate': {
        const genuine = this.#deps.entries.learn([message.entry], this.#peer).length === 1
        return this.tell({ type: 'bond.entryUpdate', genuine })
      }
      case 'BondFormed':
        this.#deps.entries.learn([message.entry])
    }
  }
}
