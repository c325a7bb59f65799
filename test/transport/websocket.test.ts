import { createServer, type Server, type Socket } from 'node:net'
import { webSocket } from '../../src/transport/websocket.ts'
import { describeTransport, type Harness } from './conformance.ts'

/** A server that takes connections and never says a word. */
async function silentServer(): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

describeTransport('websocket', async (): Promise<Harness> => {
  const silent: { close(): Promise<void> }[] = []
  // A port that was free a moment ago, and is closed again.
  const dead = await silentServer()
  await dead.close()
  return {
    transport: () => webSocket(),
    listenAddress: 'ws://127.0.0.1:0',
    deadAddress: `ws://127.0.0.1:${dead.port}`,
    async silentAddress() {
      const server = await silentServer()
      silent.push(server)
      return `ws://127.0.0.1:${server.port}`
    },
    dispose: async () => {
      await Promise.all(silent.map((server) => server.close()))
    },
  }
})
