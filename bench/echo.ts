/** The other process of `bond`, `handshake` and the bare round trip: answers, or swallows and counts, or just stands there. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { systemClock } from '../src/clock.ts'
import { Identity } from '../src/identity/keys.ts'
import { webSocket } from '../src/transport/websocket.ts'
import { type BondAddress, BondEnds } from './bond-ends.ts'
import { serve } from './child.ts'
import { heldBytes } from './memory.ts'
import { eventually } from './trio.ts'

type Mode = 'echo' | 'count'

/** Messages seen in mode `count`. */
let counted = 0
const bonds = new BondEnds()
const kept: unknown[] = []

/** Unheard, an error would end the process. */
function watch(socket: WebSocket): void {
  socket.on('error', ignored).on('close', ignored)
}

const ignored = (): void => {}

async function listenBare(onConnection: (socket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  kept.push(server)
  server.on('connection', onConnection)
  await once(server, 'listening')
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function listenLinks(mode: Mode): Promise<string> {
  const endpoint = webSocket().endpoint({ identity: Identity.ephemeral(), clock: systemClock })
  const listener = await endpoint.listen('ws://127.0.0.1:0', ['tessera.groups.1'], (link) => {
    link.trust()
    link.onMessages((messages) => {
      if (mode === 'count') counted += messages.length
      else for (const message of messages) link.send(message)
    })
  })
  return listener.addresses[0]!
}

const methods = {
  listenBare: (mode: Mode): Promise<string> =>
    listenBare((socket) => {
      kept.push(socket)
      watch(socket)
      socket.on('message', (data: Buffer) => {
        if (mode === 'count') counted++
        else socket.send(data)
      })
    }),
  listenLinks,
  listenBonds: (_: null): Promise<BondAddress> => bonds.listen(),
  counted: async (_: null): Promise<number> => counted,
  steadyBonds: async (_: null): Promise<number> => bonds.steady,
  dialBonds: async ({ to, count }: { to: BondAddress; count: number }): Promise<void> => {
    for (let i = 0; i < count; i++) await bonds.dial(to)
  },
  /** As their user would hold them: each has said something and heard an answer, as the ends of bonds have. */
  dialBare: async ({ address, count }: { address: string; count: number }): Promise<void> => {
    const { WebSocket } = await import('ws')
    for (let i = 0; i < count; i++) {
      const socket = new WebSocket(address, { perMessageDeflate: false })
      watch(socket)
      socket.on('message', () => counted++)
      kept.push(socket)
      await once(socket, 'open')
      socket.send('hello')
    }
    await eventually('all answers', async () => counted === kept.length)
  },
  heldBytes: async (_: null): Promise<number> => heldBytes(),
}

export type EchoMethods = typeof methods

serve(methods)
