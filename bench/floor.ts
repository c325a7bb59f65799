/**
 * The floor under `commit`: what a replicated append would cost if nobody had to agree on anything. Three processes, `ws`, one
 * authenticated cipher for each direction, a batch per turn of the event loop, an acknowledgement per batch, an answer once two of three
 * have it. No elections, no terms, no sessions, no schema, no XState.
 *
 * A batch is one packet: commands of equal size, one after the other. An acknowledgement is how many commands the follower holds.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type FileHandle, open } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { WebSocket, WebSocketServer } from 'ws'
import { CipherState, NOISE_MESSAGE_BYTES_MAX, TAG_BYTES } from '../src/transport/noise.ts'
import { VALUE_BYTES } from './subject.ts'

const NOTHING = new Uint8Array(0)
const BATCH_MAX = Math.floor((NOISE_MESSAGE_BYTES_MAX - TAG_BYTES) / VALUE_BYTES)
const OPTIONS = { perMessageDeflate: false, maxPayload: NOISE_MESSAGE_BYTES_MAX } as const

/** One process's log: an array, and a file where it must be durable. Batches that wait share one sync. */
class FloorLog {
  readonly #commands: Uint8Array[] = []
  readonly #file: FileHandle | null
  #waiting: Uint8Array[] = []
  #syncing = false
  readonly #durable: (count: number) => void

  constructor(file: FileHandle | null, durable: (count: number) => void) {
    this.#file = file
    this.#durable = durable
  }

  append(batch: Uint8Array): void {
    for (let at = 0; at < batch.length; at += VALUE_BYTES) this.#commands.push(batch.subarray(at, at + VALUE_BYTES))
    if (this.#file === null) return this.#durable(this.#commands.length)
    this.#waiting.push(batch)
    if (!this.#syncing) void this.#sync(this.#file)
  }

  async #sync(file: FileHandle): Promise<void> {
    this.#syncing = true
    while (this.#waiting.length > 0) {
      const batches = this.#waiting
      const count = this.#commands.length
      this.#waiting = []
      await file.writev(batches)
      await file.datasync()
      this.#durable(count)
    }
    this.#syncing = false
  }

  async close(): Promise<void> {
    await this.#file?.close()
  }
}

const fileIn = async (folder: string | undefined) => (folder === undefined ? null : open(join(folder, 'floor'), 'a'))

function sendTo(webSocket: WebSocket, cipher: CipherState): (bytes: Uint8Array) => void {
  return (bytes) => webSocket.send(cipher.encryptWithAd(NOTHING, bytes), { binary: true, compress: false })
}

/** Two keys, fresh for each connection: one for each direction. The keys travel in the clear; it is the ciphers that cost. */
function ciphersOf(keys: Uint8Array): readonly [CipherState, CipherState] {
  return [new CipherState(keys.slice(0, 32)), new CipherState(keys.slice(32, 64))]
}

/** Appends and acknowledges until its process ends. */
export async function followFloor(address: string, folder: string | undefined): Promise<void> {
  const keys = randomBytes(64)
  const [sending, receiving] = ciphersOf(keys)
  const webSocket = new WebSocket(address, OPTIONS)
  await once(webSocket, 'open')
  webSocket.send(keys)
  const send = sendTo(webSocket, sending)
  const log = new FloorLog(await fileIn(folder), (count) => {
    const acknowledgement = new Uint8Array(8)
    new DataView(acknowledgement.buffer).setFloat64(0, count)
    send(acknowledgement)
  })
  webSocket.on('message', (packet: Buffer) => log.append(receiving.decryptWithAd(NOTHING, packet)))
}

export class FloorLeader {
  readonly #server = new WebSocketServer({ ...OPTIONS, port: 0, host: '127.0.0.1' })
  readonly #followers: ((bytes: Uint8Array) => void)[] = []
  /** How many commands each of the three holds; the first is this process. */
  readonly #held = [0, 0, 0]
  readonly #log: FloorLog
  #gathered: Uint8Array[] = []
  #unanswered: ((count: number) => void)[] = []
  #answered = 0

  private constructor(file: FileHandle | null) {
    this.#log = new FloorLog(file, (count) => this.#holds(0, count))
    this.#server.on('connection', (webSocket) => {
      webSocket.once('message', (keys: Buffer) => this.#accept(webSocket, keys))
    })
  }

  static async open(folder: string | undefined): Promise<FloorLeader> {
    const leader = new FloorLeader(await fileIn(folder))
    if (leader.#server.address() === null) await once(leader.#server, 'listening')
    return leader
  }

  get address(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Both followers are there. */
  get complete(): boolean {
    return this.#followers.length === 2
  }

  execute(command: Uint8Array): Promise<number> {
    return new Promise((resolve) => {
      this.#unanswered.push(resolve)
      if (this.#gathered.push(command) === 1) setImmediate(() => this.#flush())
    })
  }

  #accept(webSocket: WebSocket, keys: Buffer): void {
    const [receiving, sending] = ciphersOf(keys)
    const place = this.#followers.push(sendTo(webSocket, sending))
    webSocket.on('message', (packet: Buffer) => {
      const { buffer, byteOffset } = receiving.decryptWithAd(NOTHING, packet)
      this.#holds(place, new DataView(buffer, byteOffset).getFloat64(0))
    })
  }

  #flush(): void {
    const gathered = this.#gathered
    this.#gathered = []
    for (let from = 0; from < gathered.length; from += BATCH_MAX) {
      const commands = gathered.slice(from, from + BATCH_MAX)
      const batch = new Uint8Array(commands.length * VALUE_BYTES)
      for (let i = 0; i < commands.length; i++) batch.set(commands[i]!, i * VALUE_BYTES)
      for (const send of this.#followers) send(batch)
      this.#log.append(batch)
    }
  }

  /** A majority of three is what the second fullest holds. */
  #holds(place: number, count: number): void {
    this.#held[place] = count
    const committed = [...this.#held].sort((a, b) => b - a)[1]!
    const newly = committed - this.#answered
    if (newly <= 0) return
    const settled = this.#unanswered
    this.#unanswered = settled.splice(newly)
    for (const resolve of settled) resolve(++this.#answered)
  }
}
