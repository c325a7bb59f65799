/**
 * `inspect`, with Stately's own inspector at both ends: three nodes on real WebSockets feed `createWebSocketInspector`, a relay as in its
 * `server.mjs` carries what they say, and `createWebSocketReceiver` rebuilds the tree of actors from it alone.
 */
import { scryptSync } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import {
  createWebSocketInspector,
  createWebSocketReceiver,
  type StatelyActorEvent,
  type StatelyInspectionEvent,
} from '@statelyai/inspect'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { createNode, GroupKey, Identity, type TesseraNode } from '../../src/index.ts'
import { counter } from '../nodes/world.ts'

/** Carries each message of a client to all others, and holds it for those who come later. */
async function relay(): Promise<{ url: string; raw: string[]; stop: () => Promise<unknown> }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  const raw: string[] = []
  server.on('connection', (client) => {
    for (const message of raw) client.send(message)
    client.on('message', (data) => {
      const message = data.toString()
      raw.push(message)
      for (const other of server.clients) {
        if (other !== client && other.readyState === WebSocket.OPEN) other.send(message)
      }
    })
  })
  await once(server, 'listening')
  const stop = () => {
    for (const client of server.clients) client.terminate()
    return new Promise((resolve) => server.close(resolve))
  }
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, raw, stop }
}

const PASSPHRASE = 'correct horse battery staple, said to nobody'
const seeds = [0, 1, 2].map((i) => Uint8Array.from({ length: 32 }, (_, at) => (at * 37 + i * 101 + 11) & 0xff))
const COMMANDS = 1_000
/** One snapshot as JSON. */
const SNAPSHOT_CHARS_MAX = 1_500

interface Shown {
  readonly id: string
  readonly children: Map<string, Shown>
}

/** Parents by session, as a receiver has them; an actor with the same name under the same parent is its newest. */
function treesOf(actors: readonly StatelyActorEvent[]): Map<string, Shown> {
  const shown = new Map<string, Shown>()
  const roots = new Map<string, Shown>()
  for (const { sessionId, parentId, name } of actors) {
    const one: Shown = { id: name, children: new Map() }
    shown.set(sessionId, one)
    const siblings = parentId === undefined ? roots : shown.get(parentId)?.children
    siblings?.set(name, one)
  }
  return roots
}

const proofs: Uint8Array[] = []
const secrets: Uint8Array[] = []
let stop = async () => {}
let raw: string[]
let nodes: TesseraNode[]
const received: StatelyInspectionEvent[] = []
/** How many events had come when the commands began. */
let before = 0

beforeAll(async () => {
  const prove = GroupKey.prototype.prove
  vi.spyOn(GroupKey.prototype, 'prove').mockImplementation(function (this: GroupKey, sharedRandom, prover) {
    const proof = prove.call(this, sharedRandom, prover)
    proofs.push(proof)
    secrets.push(sharedRandom)
    return proof
  })
  const wire = await relay()
  raw = wire.raw
  createWebSocketReceiver({ server: wire.url }).subscribe((event) => void received.push(event))
  const key = GroupKey.fromPassphrase(PASSPHRASE)
  const inspectors = seeds.map(() => createWebSocketInspector({ url: wire.url, maxDeferredEvents: 100_000 }))
  nodes = []
  for (const [i, seed] of seeds.entries()) {
    const bootstrap = nodes[0]?.addresses ?? []
    const identity = Identity.fromSeed(seed, 'ephemeral')
    const inspect = inspectors[i]?.inspect
    const listen = 'ws://127.0.0.1:0'
    nodes.push(await createNode({ network: 'inspected', listen, bootstrap, identity, ...(inspect && { inspect }) }))
  }
  const groups = nodes.map((node) => node.join({ key, machine: counter(), voters: 3 }))
  await Promise.all(groups.map((group) => group.when.online()))
  for (const group of groups) while (group.bonds.size < 2) await group.bonds.changed()
  const [group] = groups as [(typeof groups)[0]]
  const { index } = await group.execute({ add: 1 })
  await Promise.all(groups.map((one) => one.when.applied.reaches(index)))
  before = received.length
  for (let i = 0; i < COMMANDS / 100; i++) await group.executeMany(Array.from({ length: 100 }, () => ({ add: 1 })))
  const { committed } = group
  await Promise.all(groups.map((one) => one.when.applied.reaches(committed)))
  await vi.waitFor(() => expect(commitOf(latest(received, 'raft'))).toEqual(nodes.map(() => committed)), 5_000)
  stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()))
    for (const inspector of inspectors) inspector.stop()
    await wire.stop()
  }
})

afterAll(async () => {
  await stop()
  vi.restoreAllMocks()
})

type Snapshot = { readonly status: string; readonly value?: unknown; readonly context?: Record<string, unknown> }
type Snapshots = { readonly sessionId: string; readonly snapshot: Snapshot }[]

const isSnapshot = ({ type }: StatelyInspectionEvent) => type === '@xstate.snapshot' || type === '@xstate.actor'
const actorsOf = (events: readonly StatelyInspectionEvent[]) =>
  events.filter((event): event is StatelyActorEvent => event.type === '@xstate.actor')

/** The latest snapshot of each node's actor of this name, nodes in order. */
function latest(events: readonly StatelyInspectionEvent[], name: string): Snapshot[] {
  const sessions = new Set(actorsOf(events).flatMap((actor) => (actor.name === name ? [actor.sessionId] : [])))
  return nodes.map(({ id }) => {
    const mine = (events.filter(isSnapshot) as unknown as Snapshots).filter(
      ({ sessionId }) => sessions.has(sessionId) && sessionId.startsWith(id.slice(0, 10)),
    )
    return mine.at(-1)?.snapshot as Snapshot
  })
}
const commitOf = (snapshots: Snapshot[]) => snapshots.map((snapshot) => snapshot?.context?.commitIndex)

describe('the tree', () => {
  it('has a root for each node, with discovery and the group under it', () => {
    const trees = treesOf(actorsOf(received))
    const names = nodes.map(({ id }) => `node:${id.slice(0, 10)}`)
    expect([...trees.keys()].sort()).toEqual([...names].sort())
    for (const name of names) {
      const children = [...(trees.get(name)?.children.keys() ?? [])]
      expect(children).toEqual(expect.arrayContaining(['discovery', expect.stringMatching(/^group:[0-9a-f]{10}$/)]))
    }
  })

  it('has raft, the machine and a bond with each other member under each group', () => {
    const trees = treesOf(actorsOf(received))
    for (const { id } of nodes) {
      const root = trees.get(`node:${id.slice(0, 10)}`)
      const group = [...(root?.children.values() ?? [])].find((child) => child.id.startsWith('group:'))
      const children = [...(group?.children.values() ?? [])]
      expect(children.map((child) => child.id)).toEqual(expect.arrayContaining(['raft', 'machine']))
      for (const other of nodes) {
        if (other.id === id) continue
        const ofPeer = new RegExp(`^bond:${other.id.slice(0, 6)}(/\\d+)?$`)
        expect(children.some((child) => ofPeer.test(child.id))).toBe(true)
      }
    }
  })

  it('names every actor so that a person can read it', () => {
    const readable =
      /^(node|group|bond|stray|sync|announce|bootstrap):[\w./]+$|^(discovery|raft|machine|listen|farewell|checkTickets|syncCatalog)$/
    expect(actorsOf(received).flatMap(({ name }) => (readable.test(name) ? [] : [name]))).toEqual([])
  })

  it('shows where each chart stands', () => {
    expect(latest(received, 'discovery').map(({ value }) => value)).toEqual(
      nodes.map(() => ({ online: expect.objectContaining({ announcing: 'waiting' }) })),
    )
    const roles = latest(received, 'raft').map(({ value }) => value)
    expect([...roles].sort()).toEqual(['follower', 'follower', 'leader'])
  })
})

describe('snapshots', () => {
  it('are plain data, and small', () => {
    const snapshots = received.flatMap((event) => ('snapshot' in event ? [event.snapshot] : []))
    expect(snapshots.length).toBeGreaterThan(100)
    const largest = Math.max(...snapshots.map((snapshot) => JSON.stringify(snapshot).length))
    expect(largest).toBeLessThan(SNAPSHOT_CHARS_MAX)
  })

  it('do not grow with the log', () => {
    const sizeOf = (events: StatelyInspectionEvent[]) =>
      Math.max(...latest(events, 'raft').map((snapshot) => JSON.stringify(snapshot).length))
    const [early, late] = [received.slice(0, before), received]
    expect(Math.min(...commitOf(latest(late, 'raft')).map(Number))).toBeGreaterThan(COMMANDS)
    expect(sizeOf(late)).toBeLessThan(sizeOf(early) + 50)
  })
})

describe('secrets', () => {
  const forms = (bytes: Uint8Array) => [
    Buffer.from(bytes).toString('hex'),
    Buffer.from(bytes).toString('base64'),
    Buffer.from(bytes).toString('base64url'),
    [...bytes].join(','),
    [...bytes].map((byte, i) => `"${i}":${byte}`).join(','),
  ]

  it('of the group, of each identity and of each link never reach an inspector', () => {
    const stream = raw.join('\n')
    expect(proofs.length).toBeGreaterThanOrEqual(12)
    const group = secretOf(PASSPHRASE)
    expect(GroupKey.fromSecret(group).fingerprint()).toBe(GroupKey.fromPassphrase(PASSPHRASE).fingerprint())
    for (const secret of [group, ...seeds, ...proofs, ...secrets])
      for (const form of forms(secret)) expect(stream.includes(form)).toBe(false)
    expect(stream.includes(PASSPHRASE)).toBe(false)
  })

  it('have no field either', () => {
    const suspicious =
      /"(?!checkTickets")[^"]*(proof|secret|passphrase|privateKey|seed|random|signature|tickets)[^"]*":/i
    // A chart's definition names its parts; what is asked for here is values.
    const values = received.map((event) => ({ ...event, definition: undefined }))
    const found = values.map((event) => JSON.stringify(event)).filter((text) => suspicious.test(text))
    expect(found).toEqual([])
  })
})

/** What scrypt makes of the words: the same as `GroupKey.fromPassphrase` has inside. */
function secretOf(passphrase: string): Uint8Array {
  const utf8 = new TextEncoder()
  const settings = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 1024 * 1024 }
  const salt = utf8.encode('tessera.group.passphrase.1')
  return scryptSync(utf8.encode(passphrase.normalize('NFKC')), salt, 32, settings)
}
