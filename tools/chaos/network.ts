/**
 * The network of a chaos run: for each ordered pair of members a path of its own, a listener on the loopback that passes connections on
 * to the target. Paths can be slow, silent, or cut.
 *
 * What TCP would do is what a path does: silence loses no byte of a connection that lives, for the sender would send it again; what
 * waits goes on when silence ends, the news of an end included. A cut resets every connection, and each new one until it is mended.
 *
 * Invariant: bytes leave in the order they came, each no sooner than its delay, and no more than the rate allows.
 */

import type { AddressInfo } from 'node:net'
import { createServer, connect as dial, type Server, type Socket } from 'node:net'

/** What holds on the way from one member to another. Where several hold, the worst of each counts. */
export interface Condition {
  readonly from: number
  readonly to: number
  readonly silent?: boolean
  /** Resets connections, whoever dialled. */
  readonly cut?: boolean
  readonly delayMs?: number
  readonly bytesPerSecond?: number
}

/** Bytes that may wait in one direction; then the sender is not read, as with a full socket. */
const WAITING_BYTES_MAX = 256 * 1024

export class ChaosNetwork {
  readonly #paths: readonly Path[]
  readonly #conditions = new Set<readonly Condition[]>()

  private constructor(paths: readonly Path[]) {
    this.#paths = paths
  }

  /** Paths between members 0 to `members - 1`. */
  static async open(members: number): Promise<ChaosNetwork> {
    const numbers = Array.from({ length: members }, (_, number) => number)
    const pairs = numbers.flatMap((from) => numbers.filter((to) => to !== from).map((to) => ({ from, to })))
    return new ChaosNetwork(await Promise.all(pairs.map(({ from, to }) => Path.open(from, to))))
  }

  /** Where `from` dials to reach `to`. */
  address(from: number, to: number): string {
    const path = this.#paths.find((one) => one.from === from && one.to === to)
    if (!path) throw new RangeError(`There is no path from ${from} to ${to}.`)
    return `ws://127.0.0.1:${path.port}`
  }

  /** Where `member` listens now; null: nowhere. */
  listens(member: number, port: number | null): void {
    for (const path of this.#paths) if (path.to === member) path.target = port
  }

  /** Lets `conditions` hold; returns what ends them. */
  impose(conditions: readonly Condition[]): () => void {
    this.#conditions.add(conditions)
    this.#changed()
    return () => {
      if (this.#conditions.delete(conditions)) this.#changed()
    }
  }

  heal(): void {
    this.#conditions.clear()
    this.#changed()
  }

  close(): void {
    for (const path of this.#paths) path.close()
  }

  #changed(): void {
    const all = [...this.#conditions].flat()
    for (const path of this.#paths) path.holds(worst(all, path.from, path.to), worst(all, path.to, path.from))
  }
}

interface Way {
  readonly silent: boolean
  readonly cut: boolean
  readonly delayMs: number
  readonly bytesPerSecond: number
}

const CLEAR: Way = { silent: false, cut: false, delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY }

function worst(conditions: readonly Condition[], from: number, to: number): Way {
  return conditions
    .filter((one) => one.from === from && one.to === to)
    .reduce<Way>(
      (way, one) => ({
        silent: way.silent || one.silent === true,
        cut: way.cut || one.cut === true,
        delayMs: Math.max(way.delayMs, one.delayMs ?? 0),
        bytesPerSecond: Math.min(way.bytesPerSecond, one.bytesPerSecond ?? Number.POSITIVE_INFINITY),
      }),
      CLEAR,
    )
}

/** From one member to another, both ways of each connection the first one dials. */
class Path {
  readonly from: number
  readonly to: number
  target: number | null = null
  readonly #server: Server
  readonly #passages = new Set<Passage>()
  /** Dialled during silence: nobody has answered yet. */
  readonly #held = new Set<Socket>()
  #there = CLEAR
  #back = CLEAR

  private constructor(from: number, to: number, server: Server) {
    this.from = from
    this.to = to
    this.#server = server
    server.on('connection', (socket) => this.#dialled(socket))
  }

  static open(from: number, to: number): Promise<Path> {
    return new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
      server.once('error', reject)
      server.listen(0, '127.0.0.1', () => resolve(new Path(from, to, server)))
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  holds(there: Way, back: Way): void {
    this.#there = there
    this.#back = back
    if (there.cut || back.cut) {
      for (const passage of [...this.#passages]) passage.reset()
      for (const socket of this.#held) socket.resetAndDestroy()
      return
    }
    for (const passage of this.#passages) passage.holds(there, back)
    if (!there.silent && !back.silent) for (const socket of [...this.#held]) this.#passOn(socket)
  }

  close(): void {
    this.#server.close()
    for (const passage of [...this.#passages]) passage.reset()
    for (const socket of this.#held) socket.destroy()
  }

  #dialled(socket: Socket): void {
    // Whatever breaks a connection, its end is what the other side hears of.
    socket.on('error', () => undefined)
    if (this.#there.cut || this.#back.cut) {
      socket.resetAndDestroy()
    } else if (this.#there.silent || this.#back.silent) {
      this.#held.add(socket)
      socket.once('close', () => this.#held.delete(socket))
    } else this.#passOn(socket)
  }

  #passOn(socket: Socket): void {
    this.#held.delete(socket)
    if (this.target === null) {
      socket.resetAndDestroy()
      return
    }
    const passage = new Passage(socket, this.target, () => this.#passages.delete(passage))
    this.#passages.add(passage)
    passage.holds(this.#there, this.#back)
  }
}

/** One connection, passed on. */
class Passage {
  readonly #near: Socket
  readonly #far: Socket
  readonly #there: Flow
  readonly #back: Flow

  constructor(near: Socket, port: number, ended: () => void) {
    this.#near = near
    this.#far = dial({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    this.#far.on('error', () => undefined)
    this.#there = new Flow(near, this.#far)
    this.#back = new Flow(this.#far, near)
    let open = 2
    const closed = () => {
      open--
      if (open === 0) ended()
    }
    near.once('close', closed)
    this.#far.once('close', closed)
  }

  holds(there: Way, back: Way): void {
    this.#there.holds(there)
    this.#back.holds(back)
  }

  reset(): void {
    for (const flow of [this.#there, this.#back]) flow.stop()
    for (const socket of [this.#near, this.#far]) socket.resetAndDestroy()
  }
}

interface Parcel {
  /** Null: the sender is gone, cleanly or not. */
  readonly bytes: Buffer | null
  readonly clean: boolean
  readonly dueMs: number
}

/** One direction of one connection. */
class Flow {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #waiting: Parcel[] = []
  #waitingBytes = 0
  /** The rate allows nothing more before this. */
  #freeMs = 0
  #timer: NodeJS.Timeout | undefined
  #way = CLEAR

  constructor(source: Socket, sink: Socket) {
    this.#source = source
    this.#sink = sink
    source.on('data', (bytes) => this.#arrived(bytes, true))
    source.once('end', () => this.#arrived(null, true))
    source.once('close', () => this.#arrived(null, source.readableEnded))
    source.resume()
  }

  holds(way: Way): void {
    this.#way = way
    this.#pass()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#waiting.length = 0
  }

  #arrived(bytes: Buffer | null, clean: boolean): void {
    this.#waiting.push({ bytes, clean, dueMs: performance.now() + this.#way.delayMs })
    this.#waitingBytes += bytes?.length ?? 0
    if (this.#waitingBytes > WAITING_BYTES_MAX) this.#source.pause()
    this.#pass()
  }

  #pass(): void {
    clearTimeout(this.#timer)
    while (!this.#way.silent) {
      const [parcel] = this.#waiting
      if (!parcel) return
      const nowMs = performance.now()
      const waitMs = Math.max(parcel.dueMs, this.#freeMs) - nowMs
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#pass(), Math.ceil(waitMs))
        return
      }
      this.#waiting.shift()
      this.#deliver(parcel)
      this.#freeMs = nowMs + ((parcel.bytes?.length ?? 0) / this.#way.bytesPerSecond) * 1_000
    }
  }

  #deliver({ bytes, clean }: Parcel): void {
    if (bytes === null) {
      if (clean) this.#sink.end()
      else this.#sink.resetAndDestroy()
      return
    }
    this.#waitingBytes -= bytes.length
    if (!this.#sink.destroyed) this.#sink.write(bytes)
    if (this.#waitingBytes <= WAITING_BYTES_MAX) this.#source.resume()
  }
}
