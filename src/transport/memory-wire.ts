/**
 * One end of a connection inside a memory network, and what is on its way from it to the other end.
 *
 * Each item on the way has one arrival, scheduled by the network; an arrival delivers whatever is first, so order holds whatever the
 * delays. An arrival on a blocked path is held, as TCP holds what it cannot deliver, and made up for when the path is free
 * again. What has not arrived counts as not sent, as if the way were a socket's buffer: that is how lanes overtake each other here
 * too, and how a peer that does not read is felt.
 */
import type { TesseraError } from '../errors.ts'
import { WIRE } from '../limits.ts'
import type { Connections } from './connections.ts'
import type { Credential } from './credential.ts'
import type { Wire, WireEvents } from './wire.ts'

type Item = Uint8Array | 'syn' | 'opened' | 'closed' | TesseraError

/** One endpoint as its network sees it. */
export interface Party {
  readonly names: Set<string>
  readonly connections: Connections
  /** Fresh for each endpoint; null where nothing is encrypted. */
  readonly credential: Credential | null
  crashed: boolean
}

/** What an end needs of its network. */
export interface Path {
  blocked(from: MemoryEnd, to: MemoryEnd): boolean
  /** Runs `task` after the delay of one item sent now, never before what the same end sent earlier. */
  schedule(from: MemoryEnd, task: () => void): void
  /** An item 'syn' has reached the other end: somebody may answer there. */
  arrived(end: MemoryEnd): void
  /** Something sent by this end is held; `release` it when its path is free. */
  holding(end: MemoryEnd): void
  ended(end: MemoryEnd): void
}

export class MemoryEnd implements Wire {
  readonly #path: Path
  /** Whose end this is. */
  readonly party: Party
  other: MemoryEnd | null = null
  events: WireEvents | null = null
  /** When the last item sent so far is due. Kept by the network. */
  lastDueMs = 0
  #items: Item[] = []
  #held = 0
  #bytesOnWay = 0
  #saidClosed = false
  #isDown = false

  constructor(path: Path, party: Party) {
    this.#path = path
    this.party = party
  }

  get bufferedBytes(): number {
    return this.#bytesOnWay
  }

  send(packet: Uint8Array): void {
    this.push(packet)
  }

  cork(): void {}

  uncork(): void {}

  close(): void {
    this.push('closed')
    this.#saidClosed = true
  }

  cut(): void {
    if (this.#isDown) return
    this.#forget()
    this.#saidClosed = false
    this.close()
    this.#goDown()
  }

  /** The connection is gone at once, at this end; the other end is not told. */
  break(): void {
    this.#forget()
    this.#saidClosed = true
    this.#goDown()
  }

  push(item: Item): void {
    if (this.#saidClosed) return
    this.#items.push(item)
    if (item instanceof Uint8Array) this.#bytesOnWay += item.length
    this.#path.schedule(this, () => this.#arrive())
  }

  /** Where the path is free again, all that was held sets out once more. */
  release(): void {
    const held = this.#held
    this.#held = 0
    for (let i = 0; i < held; i++) this.#path.schedule(this, () => this.#arrive())
  }

  #arrive(): void {
    const { other } = this
    if (!other || this.#items.length === 0) return
    if (this.#path.blocked(this, other)) {
      this.#held++
      this.#path.holding(this)
      return
    }
    const item = this.#items.shift()!
    other.#receive(item)
    if (item instanceof Uint8Array) this.#left(item.length)
  }

  /** Tells the sender once there is room for about as much as it may have on the way. */
  #left(bytes: number): void {
    const before = this.#bytesOnWay
    this.#bytesOnWay = Math.max(0, before - bytes)
    const low = WIRE.socketBytesMax / 2
    if (before >= low && this.#bytesOnWay < low) this.events?.drained()
  }

  #forget(): void {
    this.#items = []
    this.#held = 0
    this.#bytesOnWay = 0
  }

  #receive(item: Item): void {
    if (this.#isDown) return
    if (item === 'syn') this.#path.arrived(this)
    else if (item === 'opened') this.events?.opened()
    else if (item instanceof Uint8Array) this.events?.packet(item)
    else this.#receiveEnd(item)
  }

  #receiveEnd(item: 'closed' | TesseraError): void {
    if (item !== 'closed') this.events?.refused(item)
    this.push('closed')
    this.#saidClosed = true
    this.#isDown = true
    this.#path.ended(this)
    this.events?.closed()
  }

  #goDown(): void {
    if (this.#isDown) return
    this.#isDown = true
    this.#path.ended(this)
    this.#path.schedule(this, () => this.events?.closed())
  }
}
