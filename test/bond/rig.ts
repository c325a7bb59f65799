/** A bond under test: its group and its link are recorders, its tickets and catalog answer at once, its time is simulated. */
import { createActor, createMachine, type PromiseActorLogic, SimulatedClock, type StateValue, setup } from 'xstate'
import type { BondId, GroupId, NetworkId } from '../../src/identity/digest.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import type {
  BondEvent,
  BondInput,
  BondNews,
  LinkCommand,
  LinkInput,
  SyncInput,
  TicketInput,
  TicketVerdict,
} from '../../src/machines/bond/events.ts'
import { bondMachine } from '../../src/machines/bond/machine.ts'

export const SELF = '11'.repeat(32) as PeerId
export const PEER = '22'.repeat(32) as PeerId
export const THIRD = '33'.repeat(32) as PeerId
export const NETWORK = 'aa'.repeat(32) as NetworkId
export const GROUP = 'bb'.repeat(32) as GroupId
export const OTHER = 'cc'.repeat(32) as GroupId
export const BOND_ID = 'dd'.repeat(32) as BondId

export const DIALLER: BondInput = {
  role: 'dialler',
  self: SELF,
  peer: PEER,
  network: NETWORK,
  group: GROUP,
  addresses: ['memory:peer'],
  linkNumber: null,
  seed: [1, 2, 3, 4],
}
export const ACCEPTOR: BondInput = { ...DIALLER, role: 'acceptor', addresses: [], linkNumber: 7 }

export const FOREVER: TicketVerdict = { granted: true, expires: Number.POSITIVE_INFINITY, nowMs: 0 }
export const REFUSED: TicketVerdict = { granted: false }
export const UNKNOWN: TicketVerdict = { granted: false, unknown: true }

/** A promise that is settled, or never is, as soon as it is asked. */
export function prompt<Output, Input>(
  answer: () => Output | 'pending' | 'rejected',
): PromiseActorLogic<Output, Input & {}> {
  const logic = createMachine({
    initial: 'asked',
    states: {
      asked: {
        entry: () => {
          if (answer() === 'rejected') throw new Error('rejected')
        },
        always: { guard: () => answer() !== 'pending', target: 'answered' },
      },
      answered: { type: 'final' },
    },
    output: () => answer(),
  })
  return logic as unknown as PromiseActorLogic<Output, Input & {}>
}

export interface Asked {
  tickets: TicketVerdict | 'pending' | 'rejected'
  catalog: undefined | 'pending' | 'rejected'
}

export interface Rig {
  readonly clock: SimulatedClock
  /** What the bond told its group, in order. */
  readonly news: BondNews[]
  /** What the bond told its link, in order; with `opened` there is a new one. */
  readonly told: (LinkCommand | { type: 'opened'; input: LinkInput })[]
  /** What the next check and the next sync come to. */
  readonly asked: Asked
  /** One after the other, as long as the bond lives. */
  send(...events: BondEvent[]): void
  value(): StateValue
  context(): ReturnType<ReturnType<typeof createBond>['getSnapshot']>['context']
  end(): unknown
  /** Time in small steps, as timers set anew within a step count from its end. */
  pass(ms: number): void
}

const createBond = () => createActor(bondMachine, { input: DIALLER })

/** As Node's own timers: a delay that does not fit into 31 bits fires at once. */
class NodeLikeClock extends SimulatedClock {
  override setTimeout(callback: () => void, delayMs: number): number {
    return super.setTimeout(callback, delayMs > 0x7fff_ffff ? 1 : delayMs)
  }
}

export function rig(input: BondInput, answers: Partial<Asked> = {}): Rig {
  const clock = new NodeLikeClock()
  const news: Rig['news'] = []
  const told: Rig['told'] = []
  const asked: Asked = { tickets: FOREVER, catalog: undefined, ...answers }
  const bond = bondMachine.provide({
    actions: {
      openLink: (_, input) => void told.push({ type: 'opened', input }),
      tellLink: (_, command) => void (command && told.push(command)),
    },
    actors: {
      checkTickets: prompt<TicketVerdict, TicketInput>(() => asked.tickets),
      syncCatalog: prompt<void, SyncInput>(() => asked.catalog),
    },
  })
  const group = createActor(
    setup({ types: { events: {} as BondNews }, actors: { bond } }).createMachine({
      invoke: { src: 'bond', id: 'bond:222222', input, onDone: {} },
      on: { '*': { actions: ({ event }) => void news.push(event) } },
    }),
    { clock },
  )
  const child = () => ref as ReturnType<typeof createBond>
  const ref = group.getSnapshot().children['bond:222222']
  group.start()
  return {
    clock,
    news,
    told,
    asked,
    send: (...events) => {
      for (const event of events) if (child().getSnapshot().status === 'active') child().send(event)
    },
    value: () => child().getSnapshot().value,
    context: () => child().getSnapshot().context,
    end: () => child().getSnapshot().output,
    pass: (ms) => {
      for (let passed = 0; passed < ms; passed += 10) clock.increment(Math.min(10, ms - passed))
    },
  }
}
