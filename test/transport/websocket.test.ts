import { createServer, type Server, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { webSocket } from '../../src/transport/websocket.ts'
import { describeTransport } from './conformance.ts'
import { type Harness, Pair } from './pair.ts'
import { TLS } from './tls-fixture.ts'

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

async function harness(scheme: 'ws' | 'wss'): Promise<Harness> {
  const silent: { close(): Promise<void> }[] = []
  // A port that was free a moment ago, and is closed again.
  const dead = await silentServer()
  await dead.close()
  return {
    transport: () => webSocket(scheme === 'wss' ? { tls: { ...TLS, ca: TLS.cert } } : {}),
    listenAddress: `${scheme}://127.0.0.1:0`,
    deadAddress: `${scheme}://127.0.0.1:${dead.port}`,
    async silentAddress() {
      const server = await silentServer()
      silent.push(server)
      return `${scheme}://127.0.0.1:${server.port}`
    },
    dispose: async () => {
      await Promise.all(silent.map((server) => server.close()))
    },
  }
}

describeTransport('websocket', () => harness('ws'))
describeTransport('websocket over TLS', () => harness('wss'))

describe('addresses', () => {
  it.each([
    ['ws://10.0.0.5:7001', true],
    ['WSS://node.example/path', true],
    ['memory://a', false],
    ['http://10.0.0.5', false],
  ])('%s is understood: %s', (address, understood) => {
    expect(webSocket().understands(address)).toBe(understood)
  })

  it.each(['ws://[::1]:0', 'ws://0.0.0.0:0', 'ws://localhost:0'])(
    '%s becomes addresses that can be dialled',
    async (address) => {
      const pair = new Pair(await harness('ws'))
      const dialled = await pair.listen(address)
      expect(dialled).toMatch(/^ws:\/\/(\[[0-9a-f:]+\]|[a-z0-9.]+):[1-9][0-9]*$/)
      expect(dialled).not.toContain('0.0.0.0')
      const [a] = await pair.links(dialled)
      expect(a.link.peer).toBe(pair.acceptorIdentity.peer)
      await pair.close()
    },
  )

  it.each(['ws://', 'nonsense', 'wss://127.0.0.1:0', 'ws://127.0.0.1:99999'])(
    '%s cannot be listened on: ListenFailed',
    async (address) => {
      const pair = new Pair(await harness('ws'))
      await expect(pair.listen(address)).rejects.toMatchObject({ code: 'ListenFailed' })
      await pair.close()
    },
  )

  it.each(['ws://', 'nonsense', 'ws://127.0.0.1:99999', 'ws://127.0.0.1:1/#fragment'])(
    '%s cannot be dialled: DialFailed',
    async (address) => {
      const pair = new Pair(await harness('ws'))
      const dial = pair.dialler.dial(address, { protocol: 'tessera.groups.1' })
      await expect(dial).rejects.toMatchObject({ code: 'DialFailed' })
      await pair.close()
    },
  )

  it('a certificate nobody vouches for is not dialled', async () => {
    const pair = new Pair(await harness('wss'))
    const address = await pair.listen('wss://127.0.0.1:0')
    const stranger = new Pair(await harness('ws'))
    const dial = stranger.dialler.dial(address, { protocol: 'tessera.groups.1' })
    await expect(dial).rejects.toMatchObject({ code: 'DialFailed' })
    await Promise.all([pair.close(), stranger.close()])
  })
})
