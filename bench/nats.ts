/**
 * A three-node NATS with a JetStream stream of three replicas, and two clients that publish to it with acknowledgement, connected to the
 * stream's leader: NATS's own, which an application would use, and one that does nothing else (nats-bare.ts).
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type NatsConnection, StorageType } from 'nats'
import { BareNatsClient } from './nats-bare.ts'
import { freePorts, type Peer, startThree, versionOf } from './peers.ts'
import { VALUE_BYTES } from './subject.ts'
import { eventually } from './trio.ts'

const STREAM = 'bench'

export async function openNats(storage: 'memory' | 'durable'): Promise<Peer[]> {
  const ports = await freePorts(6)
  const addresses = ports.slice(0, 3).map((port) => `127.0.0.1:${port}`)
  const routes = [3, 4, 5].map((i) => `nats://127.0.0.1:${ports[i]}`).join(', ')
  const { close } = startThree('nats-server', (i, folder) => {
    mkdirSync(folder, { recursive: true })
    const path = join(folder, 'nats.conf')
    const cluster = `cluster { name: bench, listen: "127.0.0.1:${ports[i + 3]}", routes: [${routes}] }`
    const store = `jetstream { store_dir: "${folder}" }`
    writeFileSync(path, `server_name: n${i}\nlisten: "${addresses[i]}"\n${store}\n${cluster}\n`)
    return ['-c', path]
  })
  const leader = await createStream(addresses, storage)
  const connection = await connect({ servers: addresses[leader]! })
  const stream = connection.jetstream()
  const bare = await BareNatsClient.open(ports[leader]!)
  const value = Buffer.alloc(VALUE_BYTES, 0x5a)
  const version = versionOf('nats-server')
  return [
    {
      subject: 'nats',
      version,
      execute: () => stream.publish(STREAM, value),
      close: async () => {
        await connection.close()
        await close()
      },
    },
    {
      subject: 'nats-bare',
      version,
      execute: async () => {
        const answer = await bare.request(STREAM, value)
        if (answer.includes('"error"')) throw new Error(`NATS: ${answer}`)
      },
      close: async () => bare.close(),
    },
  ]
}

/** Resolves with the place of the server that leads the stream. */
async function createStream(addresses: readonly string[], storage: 'memory' | 'durable'): Promise<number> {
  const config = {
    name: STREAM,
    subjects: [STREAM],
    storage: storage === 'memory' ? StorageType.Memory : StorageType.File,
    num_replicas: 3,
  }
  let leader: string | undefined
  await eventually('a NATS stream', async () => {
    let connection: NatsConnection | undefined
    try {
      connection = await connect({ servers: [...addresses], reconnect: false })
      const manager = await connection.jetstreamManager()
      leader = (await manager.streams.add(config)).cluster?.leader
    } catch {
      // The servers are still finding each other.
    }
    await connection?.close()
    return leader !== undefined
  })
  return Number(leader?.slice(1))
}
