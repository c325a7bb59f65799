/** A bare `ws` pair: this process talks, a child answers. The measure for whatever tessera puts on top of `ws`. */
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { forkChild } from './child.ts'
import type { EchoMethods } from './echo.ts'
import { closedLoop, type Load } from './load.ts'
import { VALUE_BYTES } from './subject.ts'

/** Round trips of one value over a connection of their own. */
export async function bareRoundTrip(inFlight: number, seconds: number): Promise<Load> {
  const child = forkChild<EchoMethods>('echo')
  try {
    const webSocket = new WebSocket(await child.call('listenBare', 'echo'), { perMessageDeflate: false })
    await once(webSocket, 'open')
    const value = new Uint8Array(VALUE_BYTES)
    const waiting: (() => void)[] = []
    let head = 0
    webSocket.on('message', () => waiting[head++]?.())
    const roundTrip = () =>
      new Promise<void>((resolve) => {
        waiting.push(resolve)
        webSocket.send(value)
      })
    const load = await closedLoop(roundTrip, inFlight, seconds)
    webSocket.terminate()
    return load
  } finally {
    await child.end()
  }
}
