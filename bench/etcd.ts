/**
 * A three-node etcd, and just enough of a gRPC client to put keys into it: one HTTP/2 connection to the leader, one stream for each put.
 * Messages are protobuf, written by hand: `etcdserverpb.PutRequest { bytes key = 1; bytes value = 2 }`.
 */
import { type ClientHttp2Session, connect } from 'node:http2'
import { freePorts, type Peer, startThree, versionOf } from './peers.ts'
import { VALUE_BYTES } from './subject.ts'
import { eventually } from './trio.ts'

const KEY = new TextEncoder().encode('bench')

export async function openEtcd(): Promise<Peer> {
  const ports = await freePorts(6)
  const client = (i: number) => `http://127.0.0.1:${ports[i]}`
  const peer = (i: number) => `http://127.0.0.1:${ports[i + 3]}`
  const cluster = [0, 1, 2].map((i) => `n${i}=${peer(i)}`).join(',')
  const { close } = startThree('etcd', (i, folder) => [
    ...['--name', `n${i}`, '--data-dir', folder, '--logger', 'zap', '--log-level', 'error'],
    ...['--listen-client-urls', client(i), '--advertise-client-urls', client(i)],
    ...['--listen-peer-urls', peer(i), '--initial-advertise-peer-urls', peer(i)],
    ...['--initial-cluster', cluster, '--initial-cluster-state', 'new'],
  ])
  let leader: string | null = null
  await eventually('an etcd leader', async () => {
    for (const i of [0, 1, 2]) if (await leads(client(i))) leader = client(i)
    return leader !== null
  })
  const session = connect(leader ?? client(0))
  const request = putRequest()
  return {
    subject: 'etcd',
    version: versionOf('etcd'),
    execute: () => put(session, request),
    close: async () => {
      session.destroy()
      await close()
    },
  }
}

/** By the JSON gateway. False while the node does not answer. */
async function leads(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/v3/maintenance/status`, { method: 'POST', body: '{}' })
    const status = (await answer.json()) as { leader?: string; header?: { member_id: string } }
    return status.leader !== undefined && status.leader === status.header?.member_id
  } catch {
    // It is still starting.
    return false
  }
}

/** gRPC: a flag for compression, the length, the message. */
function putRequest(): Buffer {
  const message = Buffer.concat([
    Uint8Array.of(0x0a, KEY.length),
    KEY,
    Uint8Array.of(0x12, VALUE_BYTES),
    new Uint8Array(VALUE_BYTES).fill(0x5a),
  ])
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

const HEADERS = {
  ':method': 'POST',
  ':path': '/etcdserverpb.KV/Put',
  'content-type': 'application/grpc',
  te: 'trailers',
} as const

function put(session: ClientHttp2Session, request: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request(HEADERS)
    stream.on('trailers', (trailers) => {
      if (trailers['grpc-status'] === '0') resolve()
      else reject(new Error(`etcd: ${trailers['grpc-message']}`))
    })
    stream.on('error', reject)
    stream.resume()
    stream.end(request)
  })
}
