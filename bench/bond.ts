/**
 * `bond`: what a message costs over a bond, beside a bare `ws` pair, and what a bond's end weighs. Until actors talk over bonds only
 * consensus does, so messages are given to the link under a bond, which is all they pass.
 *
 * One way: as many as the pipe takes, counted where they arrive. Round trip: one at a time. Memory: 200 ends in a process, both sides.
 */
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { systemClock } from '../src/clock.ts'
import { Identity } from '../src/identity/keys.ts'
import { webSocket } from '../src/transport/websocket.ts'
import { forkChild } from './child.ts'
import type { EchoMethods } from './echo.ts'
import { closedLoop } from './load.ts'
import type { BenchOptions } from './options.ts'
import type { Measured, Ratio, Row } from './report.ts'
import { grouped, median, rounded } from './statistics.ts'
import { eventually } from './trio.ts'
import { countWireBytes, wireBytes } from './wire-bytes.ts'

const SIZES = [64, 200, 1_024, 16_384] as const
const ENDS = 200
/** And so many before: what is loaded, compiled and cached for all of them is none of theirs. */
const ENDS_BEFORE = 1_000
/** First pings, and what else follows a handshake. */
const SETTLE_MS = 1_000
/** Given to the pipe in one turn at most, and while less than this waits in it. */
const PER_TURN = 256
const WAITING_BYTES_MAX = 1 << 20

type Subject = 'tessera' | 'ws'
interface BondRow {
  readonly subject: Subject
  readonly what: 'oneWay' | 'roundTrip' | 'memory'
  readonly bytes: number | null
  readonly perSecond: number | null
  readonly p50Ms: number | null
  readonly bytesPerEnd: number | null
  /** Of one message, on the wire; only in the rounds. */
  readonly wireBytes?: number
}

interface Pipe {
  send(message: Uint8Array): void
  readonly queuedBytes: number
  onMessage(handler: () => void): void
  close(): void
}

export async function bond({ seconds, rounds, tell }: BenchOptions): Promise<Measured> {
  countWireBytes()
  const all: BondRow[] = []
  const note = (row: BondRow) => {
    tell(JSON.stringify(row))
    all.push(row)
  }
  for (const bytes of SIZES) {
    for (const warm of [true, ...new Array<boolean>(rounds).fill(false)]) {
      for (const subject of ['tessera', 'ws'] as const) {
        const length = warm ? seconds / 2 : seconds
        const measured = [await oneWay(subject, bytes, length), await roundTrip(subject, bytes, length)]
        if (!warm) measured.forEach(note)
      }
    }
  }
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    for (const subject of ['tessera', 'ws'] as const) note(await memory(subject))
  }
  const rows = rowsOf(all)
  return {
    rows: rows.map(({ wireBytes: _, ...row }): Row => row),
    ratios: ratiosOf(rows),
    rounds: all.map((row): Row => ({ ...row })),
  }
}

async function withPipe<T>(
  subject: Subject,
  mode: 'echo' | 'count',
  use: (pipe: Pipe, counted: () => Promise<number>) => Promise<T>,
): Promise<T> {
  const child = forkChild<EchoMethods>('echo')
  try {
    const address = await child.call(subject === 'ws' ? 'listenBare' : 'listenLinks', mode)
    const pipe = await (subject === 'ws' ? openBare(address) : openLink(address))
    const result = await use(pipe, () => child.call('counted', null))
    pipe.close()
    return result
  } finally {
    await child.end()
  }
}

async function openBare(address: string): Promise<Pipe> {
  const socket = new WebSocket(address, { perMessageDeflate: false })
  await once(socket, 'open')
  return {
    send: (message) => socket.send(message),
    get queuedBytes() {
      return socket.bufferedAmount
    },
    onMessage: (handler) => void socket.on('message', handler),
    close: () => socket.terminate(),
  }
}

async function openLink(address: string): Promise<Pipe> {
  const endpoint = webSocket().endpoint({ identity: Identity.ephemeral(), clock: systemClock })
  const link = await endpoint.dial(address, { protocol: 'tessera.groups.1' })
  link.trust()
  return {
    send: (message) => void link.send(message),
    get queuedBytes() {
      return link.queuedBytes
    },
    onMessage: (handler) =>
      link.onMessages((messages) => {
        for (let i = 0; i < messages.length; i++) handler()
      }),
    close: () => void endpoint.close(),
  }
}

function oneWay(subject: Subject, bytes: number, seconds: number): Promise<BondRow> {
  return withPipe(subject, 'count', async (pipe, counted) => {
    const message = new Uint8Array(bytes).fill(0x5a)
    const before = wireBytes().written
    const startMs = performance.now()
    const endMs = startMs + seconds * 1_000
    let sent = 0
    while (performance.now() < endMs) {
      for (let i = 0; i < PER_TURN && pipe.queuedBytes < WAITING_BYTES_MAX; i++, sent++) pipe.send(message)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await eventually('all messages', async () => (await counted()) === sent)
    const elapsed = (performance.now() - startMs) / 1_000
    const onWire = rounded((wireBytes().written - before) / sent)
    return {
      subject,
      what: 'oneWay',
      bytes,
      perSecond: rounded(sent / elapsed),
      p50Ms: null,
      bytesPerEnd: null,
      wireBytes: onWire,
    }
  })
}

function roundTrip(subject: Subject, bytes: number, seconds: number): Promise<BondRow> {
  return withPipe(subject, 'echo', async (pipe) => {
    const message = new Uint8Array(bytes).fill(0x5a)
    let answered: () => void = () => {}
    pipe.onMessage(() => answered())
    const once = () =>
      new Promise<void>((resolve) => {
        answered = resolve
        pipe.send(message)
      })
    const { perSecond, p50Ms } = await closedLoop(once, 1, seconds)
    return { subject, what: 'roundTrip', bytes, perSecond, p50Ms, bytesPerEnd: null }
  })
}

/** Both processes hold `ENDS` ends; the mean of the two. */
async function memory(subject: Subject): Promise<BondRow> {
  const children = [0, 1].map(() => forkChild<EchoMethods>('echo', ['--expose-gc']))
  const [dialler, acceptor] = children as [(typeof children)[0], (typeof children)[0]]
  try {
    const open =
      subject === 'tessera'
        ? await acceptor
            .call('listenBonds', null)
            .then((to) => (count: number) => dialler.call('dialBonds', { to, count }))
        : await acceptor
            .call('listenBare', 'echo')
            .then((address) => (count: number) => dialler.call('dialBare', { address, count }))
    await open(ENDS_BEFORE)
    await sleep(SETTLE_MS)
    const before = await Promise.all(children.map((child) => child.call('heldBytes', null)))
    await open(ENDS)
    await sleep(SETTLE_MS)
    const after = await Promise.all(children.map((child) => child.call('heldBytes', null)))
    const growth = after.map((bytes, i) => (bytes - before[i]!) / ENDS)
    const bytesPerEnd = Math.round((growth[0]! + growth[1]!) / 2)
    return { subject, what: 'memory', bytes: null, perSecond: null, p50Ms: null, bytesPerEnd }
  } finally {
    await Promise.all(children.map((child) => child.end()))
  }
}

function rowsOf(all: readonly BondRow[]): BondRow[] {
  return grouped(all, ({ subject, what, bytes }) => `${subject} ${what} ${bytes}`).map((cell) => {
    const middle = (pick: (row: BondRow) => number | null | undefined) => {
      const values = cell.map(pick).filter((value) => value !== null && value !== undefined)
      return values.length === 0 ? null : rounded(median(values))
    }
    const { subject, what, bytes } = cell[0]!
    const onWire = middle((row) => row.wireBytes)
    const shared = {
      subject,
      what,
      bytes,
      perSecond: middle((row) => row.perSecond),
      p50Ms: middle((row) => row.p50Ms),
    }
    return { ...shared, bytesPerEnd: middle((row) => row.bytesPerEnd), ...(onWire !== null && { wireBytes: onWire }) }
  })
}

function ratiosOf(rows: readonly BondRow[]): Ratio[] {
  const ratio = (what: BondRow['what'], bytes: number | null, pick: (row: BondRow) => number | null | undefined) => {
    const of = (subject: Subject) =>
      pick(rows.find((row) => row.subject === subject && row.what === what && row.bytes === bytes)!)
    return (of('tessera') ?? Number.NaN) / (of('ws') ?? Number.NaN)
  }
  return [
    {
      name: 'one way, 200 bytes, bond / ws',
      value: ratio('oneWay', 200, (row) => row.perSecond),
      target: 1.5,
      wanted: 'at least',
    },
    {
      name: 'round trip, 200 bytes, bond / ws, p50',
      value: ratio('roundTrip', 200, (row) => row.p50Ms),
      target: 1.6,
      wanted: 'at most',
    },
    {
      name: 'memory per end, bond / ws',
      value: ratio('memory', null, (row) => row.bytesPerEnd),
      target: 2,
      wanted: 'at most',
    },
    ...SIZES.map((bytes): Ratio => {
      return {
        name: `bytes on the wire, one way of ${bytes}, bond / ws`,
        value: ratio('oneWay', bytes, (row) => row.wireBytes),
        target: null,
        wanted: 'at most',
      }
    }),
  ]
}
