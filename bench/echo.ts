/** The other process of `bond` and of the bare round trip: answers, or swallows and counts. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { serve } from './child.ts'

const servers: WebSocketServer[] = []

async function listen(onConnection: (webSocket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
  servers.push(server)
  server.on('connection', onConnection)
  await once(server, 'listening')
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const methods = {
  /** Sends each message back. */
  listenBare: (_: null): Promise<string> =>
    listen((webSocket) => webSocket.on('message', (data: Buffer) => webSocket.send(data))),
}

export type EchoMethods = typeof methods

serve(methods)
