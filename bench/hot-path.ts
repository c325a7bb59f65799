/**
 * What decisions about the hot path save: an event of the bond's chart (ADR 3), a delay of the chart for each heartbeat (ADR 4), a copy
 * of the log (ADR 8), and a step of raft's chart that leads nowhere else (ADR 17). Part of `npm run bench -- machine`.
 */
import { createActor, fromPromise, SimulatedClock, setup } from 'xstate'
import type { BondId, GroupId, NetworkId } from '../src/identity/digest.ts'
import type { PeerId } from '../src/identity/keys.ts'
import type { TicketInput, TicketVerdict } from '../src/machines/bond/events.ts'
import { bondMachine } from '../src/machines/bond/machine.ts'
import { inPlace } from '../src/machines/raft/in-place.ts'
import { Log } from '../src/machines/raft/log.ts'
import { raftMachine } from '../src/machines/raft/machine.ts'
import type { Entry, Term } from '../src/machines/raft/messages.ts'
import { CipherState } from '../src/transport/noise.ts'
import { type Figure, figure } from './figure.ts'

const id = (digit: string) => digit.repeat(64)

/** A steady bond whose link says nothing by itself. */
async function steadyBond() {
  const inert = bondMachine.provide({
    actors: {
      checkTickets: fromPromise<TicketVerdict, TicketInput>(async () => {
        return { granted: true, expires: Number.POSITIVE_INFINITY, nowMs: 0 }
      }),
    },
  })
  const [network, group] = [id('1') as NetworkId, id('2') as GroupId]
  const [self, peer] = [id('a') as PeerId, id('b') as PeerId]
  const input = { role: 'dialler', self, peer, network, group, addresses: [], linkNumber: null, known: true } as const
  const bond = createActor(inert, { input: { ...input, seed: [1, 2, 3, 4] }, clock: new SimulatedClock() })
  bond.start()
  await new Promise((resolve) => setImmediate(resolve))
  bond.send({ type: 'link.opened', bondId: id('c') as BondId })
  bond.send({ type: 'bond.granted' })
  bond.send({ type: 'bond.handshakeEnd', proven: true })
  if (!bond.getSnapshot().matches('steady')) throw new Error('The bond is not steady.')
  return bond
}

/** A follower drawn with `after`: each heartbeat starts its delay anew. */
const delayed = setup({ types: { events: {} as { type: 'heard' } } }).createMachine({
  initial: 'follower',
  states: {
    follower: {
      on: { heard: { target: 'follower', reenter: true } },
      after: { 2000: 'preCandidate' },
    },
    preCandidate: {},
  },
})

const LOG_LENGTHS = [1_000, 10_000, 100_000] as const

/** Raft alone in its group, which it leads. */
function loneRaft() {
  const self = id('a') as PeerId
  const timing = { electionTimeoutMs: 2_000, electionJitterMs: 500, heartbeatIntervalMs: 500 }
  const raft = createActor(raftMachine, { input: { self, voters: 1, timing, seed: [1, 2, 3, 4], nowMs: 1 } })
  raft.start()
  raft.send({ type: 'raft.persisted', number: 1_000 })
  raft.send({ type: 'raft.tick', nowMs: 10_000 })
  return raft
}

export async function hotPathFigures(): Promise<Figure[]> {
  let sink = 0
  const bond = await steadyBond()
  const follower = createActor(delayed).start()
  const raft = loneRaft()
  let { context } = raft.getSnapshot()
  const tickInPlace = () => {
    const step = inPlace('leader', context, { type: 'raft.tick', nowMs: nowMs++ })
    if (!step) throw new Error('A tick leads nowhere else.')
    ;[context] = step
  }
  let nowMs = 10_000
  const figures = [
    figure('a function call', () => void sink++, 1_000_000),
    figure(
      'an event of a steady bond',
      () => bond.send({ type: (sink++ & 1) === 0 ? 'bond.silent' : 'bond.heard' }),
      20_000,
    ),
    figure('a tick of raft', () => raft.send({ type: 'raft.tick', nowMs: nowMs++ }), 20_000),
    figure('a tick of raft, in place', tickInPlace, 20_000),
    figure('an event that restarts an `after`, on real timers', () => follower.send({ type: 'heard' }), 20_000),
    ...LOG_LENGTHS.flatMap(appendFigures),
    ...noiseFigures(),
  ]
  follower.stop()
  raft.stop()
  bond.stop()
  return figures
}

function appendFigures(length: number): Figure[] {
  const entry: Entry = { kind: 'noop', term: 1 as Term, timeMs: 0 }
  const entries = Array.from({ length }, () => entry)
  let log = Log.of(entries)
  const append = () => {
    log = log.append([entry])
  }
  return [
    figure(`append to a log of ${length} entries, shared`, append, 1_000),
    figure(`append to a log of ${length} entries, copied`, () => void [...entries, entry], 20),
  ]
}

function noiseFigures(): Figure[] {
  const key = new Uint8Array(32).fill(1)
  const nothing = new Uint8Array(0)
  return [64, 1_024, 16_384, 65_000].flatMap((bytes) => {
    const plain = new Uint8Array(bytes)
    const sealing = new CipherState(key)
    const opened = new CipherState(key).encryptWithAd(nothing, plain)
    return [
      figure(`a Noise frame of ${bytes} bytes, seal`, () => void sealing.encryptWithAd(nothing, plain), 2_000),
      figure(
        `a Noise frame of ${bytes} bytes, open`,
        () => void new CipherState(key).decryptWithAd(nothing, opened),
        2_000,
      ),
    ]
  })
}
