/** A group under test: its bonds and raft are recorders, its effects are written down, its time is simulated. */
import { type AnyEventObject, createActor, fromCallback, SimulatedClock } from 'xstate'
import type { BondId, GroupId, NetworkId } from '../../src/identity/digest.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import type { BondInput } from '../../src/machines/bond/events.ts'
import type { bondMachine } from '../../src/machines/bond/machine.ts'
import type { EndReason } from '../../src/machines/bond/reasons.ts'
import { outcomeOf } from '../../src/machines/bond/reasons.ts'
import type { GroupEmitted, GroupEvent, GroupInput, RaftStatus } from '../../src/machines/group/events.ts'
import { groupMachine } from '../../src/machines/group/machine.ts'

export const SELF = 'c5'.repeat(32) as PeerId
export const SMALL = '11'.repeat(32) as PeerId
export const LARGE = 'd9'.repeat(32) as PeerId
/** Comes first: it dials, and is dialled only where it does not. */
export const FIRST = '77'.repeat(32) as PeerId
export const BOND_ID = 'dd'.repeat(32) as BondId

export const INPUT: GroupInput = {
  self: SELF,
  network: 'aa'.repeat(32) as NetworkId,
  group: 'bb'.repeat(32) as GroupId,
  seed: [1, 2, 3, 4],
}

export interface Told {
  readonly to: string
  readonly event: AnyEventObject
}

/** A group whose children only write down what they are told. */
export function recordingGroup(note: (told: Told) => void, spawned: (id: string, input: BondInput) => void = () => {}) {
  const recorder = (name?: string) =>
    fromCallback<AnyEventObject, BondInput & {}>(({ receive, self, input }) => {
      if (!name) spawned(self.id, input)
      receive((event) => note({ to: name ?? self.id, event }))
    })
  const effect = (type: string) => (_: unknown, params: object) => note({ to: type, event: params as AnyEventObject })
  return groupMachine.provide({
    // The recorder stands for the bond's chart: it takes the same input and is told the same events.
    actors: {
      bond: recorder() as unknown as typeof bondMachine,
      raft: recorder('raft'),
      stateMachine: recorder('machine'),
    },
    actions: {
      registerBond: effect('registerBond'),
      announceBond: effect('announceBond'),
      unregisterBond: effect('unregisterBond'),
      tellRaft: effect('tellRaft'),
      refuseLink: effect('refuseLink'),
    },
  })
}

/** Simulated time that knows how many timers are set: an actor that has nothing to wait for leaves none. */
class CountingClock extends SimulatedClock {
  readonly #set = new Set<number>()

  get pending(): number {
    return this.#set.size
  }

  override setTimeout(callback: () => void, delayMs: number): number {
    const id: number = super.setTimeout(() => {
      this.#set.delete(id)
      callback()
    }, delayMs)
    this.#set.add(id)
    return id
  }

  override clearTimeout(id: number): void {
    this.#set.delete(id)
    super.clearTimeout(id)
  }
}

export function rig(input: GroupInput = INPUT) {
  const clock = new CountingClock()
  const told: Told[] = []
  const spawned: { id: string; input: BondInput }[] = []
  const emitted: GroupEmitted[] = []
  const logic = recordingGroup(
    (one) => void told.push(one),
    (id, bondInput) => void spawned.push({ id, input: bondInput }),
  )
  const group = createActor(logic, { input, clock })
  group.on('*', (event) => void emitted.push(event))
  group.start()
  const send = (...events: GroupEvent[]) => {
    for (const event of events) group.send(event)
  }
  const peerOf = (bond: string) => group.getSnapshot().context.bonds[bond]!
  let links = 0
  return {
    clock,
    told,
    spawned,
    emitted,
    send,
    get context() {
      return group.getSnapshot().context
    },
    get value() {
      return group.getSnapshot().value
    },
    get children() {
      return Object.keys(group.getSnapshot().children)
    },
    get isLeft() {
      return group.getSnapshot().status === 'done'
    },
    slot: (peer: PeerId) => group.getSnapshot().context.peers[peer],
    /** What bond `id` was told since it was spawned. */
    toldTo: (id: string) => told.filter(({ to }) => to === id).map(({ event }) => event.type),
    /** The events that effect `type` was called with. */
    effects: (type: string) => told.filter(({ to }) => to === type).map(({ event }) => event),
    names: (...peers: PeerId[]) =>
      send({
        type: 'group.catalog',
        peers: peers.map((peer) => ({
          peer,
          addresses: [`memory:${peer}`],
          version: '1',
          incarnation: 1,
          departed: false,
        })),
      }),
    accepts: (peer: PeerId) => {
      send({ type: 'group.linkAccepted', linkNumber: ++links, peer })
      return spawned.at(-1)!.id
    },
    claims: (bond: string) => send({ type: 'bond.claim', bond, ...peerOf(bond) }),
    steady: (bond: string, bondId = BOND_ID) => send({ type: 'bond.steady', bond, peer: peerOf(bond).peer, bondId }),
    /** The bond tells its end, and then its actor is done. */
    ends: (bond: string, reason: EndReason, wasSteady = false) => {
      const { peer } = peerOf(bond)
      send({ type: 'bond.ended', bond, peer, outcome: outcomeOf(reason), reason, wasSteady })
      if (group.getSnapshot().status === 'active')
        group.send({ type: `xstate.done.actor.${bond}` } as unknown as GroupEvent)
    },
    status: (status: Partial<RaftStatus>) =>
      send({ type: 'raft.status', role: 'follower', term: 1, leader: null, formed: true, ...status }),
    /** Time in small steps, as timers set anew within a step count from its end. */
    pass: (ms: number) => {
      for (let passed = 0; passed < ms; passed += 10) clock.increment(Math.min(10, ms - passed))
    },
  }
}
