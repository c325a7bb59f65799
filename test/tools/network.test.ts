/** The network between the members of a chaos run, with real sockets: what it does to bytes, to connections, and to the news of an end. */
import { once } from 'node:events'
import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ChaosNetwork, type Condition } from '../../tools/chaos/network.ts'

const A = 0
const B = 1

let network: ChaosNetwork
let server: Server
let accepted: Socket[]
let opened: Socket[]

/** Answers each byte with the same one. */
beforeEach(async () => {
  accepted = []
  opened = []
  network = await ChaosNetwork.open(2)
  server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket)
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  network.listens(B, typeof address === 'object' && address ? address.port : null)
})

afterEach(() => {
  network.close()
  server.close()
  for (const socket of [...accepted, ...opened]) socket.destroy()
})

function dialled(): Socket {
  const { port } = new URL(network.address(A, B))
  const socket = dial({ port: Number(port), host: '127.0.0.1' })
  opened.push(socket)
  socket.on('error', () => undefined)
  return socket
}

/** A connection from A to B. */
async function connected(): Promise<Socket> {
  const socket = dialled()
  await once(socket, 'connect')
  return socket
}

async function echoed(socket: Socket, text: string): Promise<string> {
  socket.write(text)
  let heard = ''
  while (heard.length < text.length) heard += String((await once(socket, 'data'))[0])
  return heard
}

/** The code of what ended the connection, or `clean`. */
async function endOf(socket: Socket): Promise<string> {
  const failed = new Promise<string>((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.once('end', () => resolve('clean'))
  })
  socket.resume()
  return await failed
}

const bothWays = (how: Omit<Condition, 'from' | 'to'>): Condition[] => [
  { from: A, to: B, ...how },
  { from: B, to: A, ...how },
]

describe('a clear path', () => {
  it('passes bytes on, both ways and in order', async () => {
    const text = 'x'.repeat(600_000)
    expect(await echoed(await connected(), `${text}y`)).toBe(`${text}y`)
  })

  it('passes a clean end on', async () => {
    const socket = await connected()
    await echoed(socket, 'here')
    const ended = endOf(socket)
    accepted[0]?.end()
    expect(await ended).toBe('clean')
  })

  it('passes a reset on', async () => {
    const socket = await connected()
    await echoed(socket, 'here')
    const ended = endOf(socket)
    accepted[0]?.resetAndDestroy()
    expect(await ended).toBe('ECONNRESET')
  })

  it('resets who dials a member that does not listen', async () => {
    network.listens(B, null)
    expect(await endOf(dialled())).toBe('ECONNRESET')
  })
})

describe('a cut', () => {
  it('resets what is connected, whichever way it is cut', async () => {
    for (const [from, to] of [
      [A, B],
      [B, A],
    ] as const) {
      const socket = await connected()
      await echoed(socket, 'here')
      const ended = endOf(socket)
      network.impose([{ from, to, cut: true }])
      expect(await ended).toBe('ECONNRESET')
      network.heal()
    }
  })

  it('resets each new connection until it is mended', async () => {
    const mend = network.impose(bothWays({ cut: true }))
    expect(await endOf(dialled())).toBe('ECONNRESET')
    mend()
    expect(await echoed(await connected(), 'again')).toBe('again')
  })
})

describe('silence', () => {
  it('holds bytes back, and loses none', async () => {
    const socket = await connected()
    await echoed(socket, 'before')
    const mend = network.impose(bothWays({ silent: true }))
    let heard = ''
    socket.on('data', (bytes) => {
      heard += String(bytes)
    })
    socket.write('during')
    // Another connection of the same process goes there and back meanwhile; this one's bytes had the time.
    await another()
    expect(heard).toBe('')
    mend()
    while (heard !== 'during') await once(socket, 'data')
  })

  it('holds back the news of an end', async () => {
    const socket = await connected()
    await echoed(socket, 'before')
    const mend = network.impose([{ from: B, to: A, silent: true }])
    let end: string | null = null
    const ended = endOf(socket).then((how) => {
      end = how
    })
    accepted[0]?.resetAndDestroy()
    await another()
    expect(end).toBeNull()
    mend()
    await ended
    expect(end).toBe('ECONNRESET')
  })

  it('of one way lets the other way pass', async () => {
    const socket = await connected()
    await echoed(socket, 'before')
    network.impose([{ from: A, to: B, silent: true }])
    const heard = once(socket, 'data')
    socket.write('not heard')
    accepted[0]?.write('heard')
    expect(String((await heard)[0])).toBe('heard')
  })

  it('lets nobody answer who is dialled, until it ends', async () => {
    const mend = network.impose(bothWays({ silent: true }))
    const socket = await connected()
    await another()
    expect(accepted).toEqual([])
    mend()
    expect(await echoed(socket, 'at last')).toBe('at last')
  })

  it('goes on while one of two that silence a path is not over', async () => {
    const socket = await connected()
    await echoed(socket, 'before')
    const first = network.impose(bothWays({ silent: true }))
    const second = network.impose(bothWays({ silent: true }))
    let heard = ''
    socket.on('data', (bytes) => {
      heard += String(bytes)
    })
    socket.write('during')
    first()
    await another()
    expect(heard).toBe('')
    second()
    while (heard !== 'during') await once(socket, 'data')
  })

  /** A round trip over the loopback beside the network. */
  async function another(): Promise<void> {
    const echo = createServer((socket) => socket.pipe(socket))
    echo.listen(0, '127.0.0.1')
    await once(echo, 'listening')
    const address = echo.address()
    const socket = dial({ port: typeof address === 'object' && address ? address.port : 0, host: '127.0.0.1' })
    for (let trips = 0; trips < 20; trips++) await echoed(socket, 'trip')
    socket.destroy()
    echo.close()
  }
})

describe('a slow path', () => {
  const tookMs = async (work: () => Promise<unknown>): Promise<number> => {
    const startMs = performance.now()
    await work()
    return performance.now() - startMs
  }

  it('delays each way', async () => {
    const socket = await connected()
    await echoed(socket, 'before')
    network.impose(bothWays({ delayMs: 60 }))
    expect(await tookMs(() => echoed(socket, 'x'))).toBeGreaterThanOrEqual(119)
  })

  it('passes no more than its rate', async () => {
    const socket = await connected()
    network.impose([{ from: A, to: B, bytesPerSecond: 400_000 }])
    await echoed(socket, 'x'.repeat(20_000))
    // The 20,000 bytes occupy the path for 50 ms.
    expect(await tookMs(() => echoed(socket, 'x'))).toBeGreaterThanOrEqual(25)
  })
})
