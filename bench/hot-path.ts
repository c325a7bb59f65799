/**
 * What three decisions about the hot path save: an event of the bond's chart (ADR 3), a delay of the chart for each heartbeat (ADR 4),
 * and a copy of the log (ADR 8). Run: `npx tsc -p tsconfig.tools.json && node build/bench/hot-path.js`.
 */
import { createActor, fromCallback, fromPromise, SimulatedClock, setup } from 'xstate'
import type { BondId, GroupId, NetworkId } from '../src/identity/digest.ts'
import type { PeerId } from '../src/identity/keys.ts'
import type { LinkCommand, LinkInput, TicketVerdict } from '../src/machines/bond/events.ts'
import { bondMachine } from '../src/machines/bond/machine.ts'
import { Log } from '../src/machines/raft/log.ts'
import type { Entry, Term } from '../src/machines/raft/messages.ts'

const id = (digit: string) => digit.repeat(64)

/** Microseconds a call, the best of some rounds. */
function microseconds(calls: number, run: () => void): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 7; round++) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < calls; i++) run()
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e3 / calls)
  }
  return best
}

const show = (what: string, us: number) => console.log(`${what.padEnd(58)} ${us.toFixed(2).padStart(9)} µs`)

/** A steady bond whose link says nothing by itself. */
async function steadyBond() {
  const inert = bondMachine.provide({
    actors: {
      link: fromCallback<LinkCommand, LinkInput & {}>(() => {}),
      checkTickets: fromPromise<TicketVerdict, { peer: PeerId }>(async () => {
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
  bond.send({ type: 'bond.handshakeEnd', proven: true, peers: [] })
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

const bond = await steadyBond()
let sink = 0
show(
  'a function call',
  microseconds(1_000_000, () => sink++),
)
show(
  'an event of a steady bond',
  microseconds(50_000, () => bond.send({ type: 'bond.heard' })),
)

const follower = createActor(delayed).start()
show(
  'an event that restarts an `after`, on real timers',
  microseconds(50_000, () => follower.send({ type: 'heard' })),
)
follower.stop()

const entry: Entry = { kind: 'noop', term: 1 as Term, timeMs: 0 }
for (const length of [1_000, 10_000, 100_000]) {
  const entries = Array.from({ length }, () => entry)
  let log = Log.of(entries)
  const append = () => {
    log = log.append([entry])
  }
  show(`append to a log of ${length} entries, shared`, microseconds(1_000, append))
  show(
    `append to a log of ${length} entries, copied`,
    microseconds(20, () => void [...entries, entry]),
  )
}
if (sink < 0) throw new Error(String(sink))
process.exit(0)
