/**
 * A three-node NATS with a JetStream stream of three replicas, and just enough of a client to publish with acknowledgement: one TCP
 * connection to the stream's leader, one inbox, a reply subject for each message.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { freePorts, type Peer, startThree, versionOf } from './peers.ts'
import { VALUE_BYTES } from './subject.ts'
import { eventually } from './trio.ts'

const STREAM = 'bench'
const LINE_END = '\r\n'

export async function openNats(storage: 'memory' | 'durable'): Promise<Peer> {
  const ports = await freePorts(6)
  const routes = [3, 4, 5].map((i) => `nats://127.0.0.1:${ports[i]}`).join(', ')
  const { close } = startThree('nats-server', (i, folder) => {
    mkdirSync(folder, { recursive: true })
    const path = join(folder, 'nats.conf')
    const cluster = `cluster { name: bench, listen: "127.0.0.1:${ports[i + 3]}", routes: [${routes}] }`
    const store = `jetstream { store_dir: "${folder}" }`
    writeFileSync(path, `server_name: n${i}\nlisten: "127.0.0.1:${ports[i]}"\n${store}\n${cluster}\n`)
    return ['-c', path]
  })
  const leader = await createStream(ports, storage)
  const client = await NatsClient.open(ports[leader]!)
  const value = Buffer.alloc(VALUE_BYTES, 0x5a)
  return {
    subject: 'nats',
    version: versionOf('nats-server'),
    execute: async () => {
      const answer = await client.request(STREAM, value)
      if (answer.includes('"error"')) throw new Error(`NATS: ${answer}`)
    },
    close: async () => {
      client.close()
      await close()
    },
  }
}

/** Resolves with the place of the server that leads the stream. */
async function createStream(ports: readonly number[], storage: 'memory' | 'durable'): Promise<number> {
  const kind = storage === 'memory' ? 'memory' : 'file'
  const config = JSON.stringify({
    name: STREAM,
    subjects: [STREAM],
    storage: kind,
    num_replicas: 3,
    retention: 'limits',
  })
  let leader = -1
  await eventually('a NATS stream', async () => {
    try {
      const client = await NatsClient.open(ports[0]!)
      const created = await Promise.race([
        client.request(`$JS.API.STREAM.CREATE.${STREAM}`, Buffer.from(config)),
        later(),
      ])
      const name = /"leader":"n(\d)"/.exec(created)?.[1]
      client.close()
      leader = name === undefined ? -1 : Number(name)
    } catch {
      // The servers are still finding each other.
    }
    return leader >= 0
  })
  return leader
}

const later = () => new Promise<string>((resolve) => setTimeout(() => resolve(''), 2_000))

class NatsClient {
  readonly #socket: Socket
  readonly #answers = new Map<number, (answer: string) => void>()
  readonly #inbox = `_INBOX.${process.pid}`
  #nextId = 1
  #unread: Buffer = Buffer.alloc(0)
  #waiting = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (data) => this.#read(data))
    socket.write(`CONNECT {"verbose":false,"pedantic":false}${LINE_END}SUB ${this.#inbox}.* 1${LINE_END}`)
  }

  static open(port: number): Promise<NatsClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true })
      socket.once('error', reject)
      socket.once('connect', () => resolve(new NatsClient(socket)))
    })
  }

  request(subject: string, payload: Buffer): Promise<string> {
    return new Promise((resolve) => {
      const id = this.#nextId++
      this.#answers.set(id, resolve)
      if (this.#waiting === '') setImmediate(() => this.#flush())
      const head = `PUB ${subject} ${this.#inbox}.${id} ${payload.length}${LINE_END}`
      this.#waiting += head + payload.toString('latin1') + LINE_END
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #flush(): void {
    this.#socket.write(this.#waiting, 'latin1')
    this.#waiting = ''
  }

  #read(data: Buffer): void {
    const unread = this.#unread.length === 0 ? data : Buffer.concat([this.#unread, data])
    let at = 0
    for (;;) {
      const end = unread.indexOf(LINE_END, at)
      if (end < 0) break
      const words = unread.toString('latin1', at, end).split(' ')
      let next = end + 2
      if (words[0] === 'PING') this.#socket.write(`PONG${LINE_END}`)
      if (words[0] === 'MSG') {
        const length = Number(words.at(-1))
        if (unread.length < next + length + 2) break
        this.#answered(words[1]!, unread.toString('latin1', next, next + length))
        next += length + 2
      }
      at = next
    }
    this.#unread = unread.subarray(at)
  }

  #answered(subject: string, answer: string): void {
    const id = Number(subject.slice(this.#inbox.length + 1))
    this.#answers.get(id)?.(answer)
    this.#answers.delete(id)
  }
}
