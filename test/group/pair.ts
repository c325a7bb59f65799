/**
 * Two members and everything that may happen between them, one step at a time: two real groups with real bonds over links whose every
 * message waits until a schedule picks it. Nothing else moves, so a schedule (a list of choices) replays exactly.
 */
import { type AnyEventObject, createActor, SimulatedClock } from 'xstate'
import { withLink } from '../../src/actors/bound-link.ts'
import type { BondId, GroupId, NetworkId } from '../../src/identity/digest.ts'
import type { PeerId } from '../../src/identity/keys.ts'
import type {
  LinkCommand,
  LinkInput,
  LinkReport,
  SyncInput,
  TicketInput,
  TicketVerdict,
} from '../../src/machines/bond/events.ts'
import { bondMachine } from '../../src/machines/bond/machine.ts'
import type { Slot } from '../../src/machines/group/events.ts'
import { groupMachine } from '../../src/machines/group/machine.ts'
import { FOREVER, prompt } from '../bond/rig.ts'

const network = 'aa'.repeat(32) as NetworkId
const group = 'bb'.repeat(32) as GroupId
export const SIDES = ['11'.repeat(32), '99'.repeat(32)] as [PeerId, PeerId]

interface End {
  /** Tells this end's bond; null before it is taken and after it is closed. */
  tell: ((event: AnyEventObject) => void) | null
  /** What this end has yet to hear, in order. */
  readonly inbox: AnyEventObject[]
}

/** A link, its dialler's end first. `opened`: the dialler knows that it stands. */
interface Wire {
  readonly number: number
  readonly dialler: 0 | 1
  readonly ends: readonly [End, End]
  opened: boolean
  cut: boolean
}

export class Pair {
  readonly clock = new SimulatedClock()
  readonly formed: [string[], string[]] = [[], []]
  readonly terminated: [string[], string[]] = [[], []]
  readonly #wires: Wire[] = []
  readonly #groups
  /** Which side has yet to learn of the other from its catalog. */
  readonly #unnamed = new Set<0 | 1>([0, 1])
  #cutsLeft: number

  constructor(cuts = 0) {
    this.#cutsLeft = cuts
    this.#groups = ([0, 1] as const).map((side) => {
      const actor = createActor(groupMachine.provide({ actors: { bond: this.#bondOf(side) } }), {
        input: { self: SIDES[side], network, group, seed: [side, 2, 3, 4] },
        clock: this.clock,
      })
      actor.on('bond.formed', ({ bondId }) => void this.formed[side].push(bondId))
      actor.on('bond.terminated', ({ bondId }) => void this.terminated[side].push(bondId))
      actor.start()
      return actor
    })
  }

  /** All that can happen next, by name, in a fixed order. */
  choices(): string[] {
    const named = [...this.#unnamed].map((side) => `name ${side}`)
    const onWires = this.#wires.flatMap((wire) => {
      const { number, opened, cut, ends } = wire
      if (!opened) return [`open ${number}`]
      const heard = ends.flatMap(({ inbox }, end) => (inbox.length > 0 ? [`hear ${number} ${end}`] : []))
      const canCut = this.#cutsLeft > 0 && !cut && ends.some(({ tell }) => tell)
      return canCut ? [...heard, `cut ${number}`] : heard
    })
    return [...named, ...this.#patient().map((side) => `tire ${side}`), ...onWires]
  }

  /** Which side leaves it to the other to dial: how long, nobody knows. */
  #patient(): number[] {
    return [0, 1].filter((side) => this.#slots(side).some(({ attempt, redialDue }) => attempt === 0 && redialDue))
  }

  #slots(side: number): Slot[] {
    return Object.values(this.#groups[side]!.getSnapshot().context.peers)
  }

  take(choice: string): void {
    const [verb, a, b] = choice.split(' ') as [string, string, string]
    if (verb === 'name') return this.#name(Number(a) as 0 | 1)
    if (verb === 'tire') return this.#groups[Number(a)]!.send({ type: 'group.redial', peer: SIDES[1 - Number(a)]! })
    const wire = this.#wires[Number(a)]!
    if (verb === 'open') return this.#open(wire)
    if (verb === 'cut') return this.#cut(wire)
    this.#hear(wire, Number(b) as 0 | 1)
  }

  /** What two schedules that lead to the same future have in common. */
  key(): string {
    const sides = this.#groups.map((actor) => {
      const { context, children } = actor.getSnapshot()
      const bonds = Object.keys(context.bonds).map((id) => [id, children[id]?.getSnapshot().value])
      const slots = Object.values(context.peers).map(({ bond, outbound, phase, redialDue, attempt }) => [
        bond,
        outbound,
        phase,
        redialDue,
        attempt > 0,
      ])
      return [slots, bonds]
    })
    const wires = this.#wires.map(({ opened, cut, ends }) => [
      opened,
      cut,
      ends.map(({ tell, inbox }) => [tell !== null, inbox.map(({ type, reason }) => [type, reason])]),
    ])
    return JSON.stringify([sides, wires, [...this.#unnamed], this.#cutsLeft])
  }

  /** The link that each side's claim holder has become steady on. */
  standing(): (string | null)[] {
    return this.#groups.map((actor) => {
      const [slot] = Object.values(actor.getSnapshot().context.peers)
      return slot?.phase === 'steady' ? slot.bondId : null
    })
  }

  redialsDue(): boolean[] {
    return this.#groups.map((actor) =>
      Object.values(actor.getSnapshot().context.peers).some(({ redialDue }) => redialDue),
    )
  }

  bondsAlive(): number[] {
    return this.#groups.map((actor) => Object.keys(actor.getSnapshot().context.bonds).length)
  }

  /** Lets time pass, delivering at once whatever comes up. */
  settle(ms: number): void {
    for (let passed = 0; passed < ms; passed += 100) {
      this.clock.increment(100)
      for (let [choice] = this.#calm(); choice; [choice] = this.#calm()) this.take(choice)
    }
  }

  stop(): void {
    for (const actor of this.#groups) actor.stop()
  }

  #calm(): string[] {
    return this.choices().filter((choice) => !/^(cut|tire)/.test(choice))
  }

  #name(side: 0 | 1): void {
    this.#unnamed.delete(side)
    const peer = SIDES[1 - side]!
    this.#groups[side]!.send({
      type: 'group.catalog',
      peers: [{ peer, addresses: ['memory:'], version: '1', incarnation: 1, departed: false }],
    })
  }

  /** The dial has come through: the dialler knows, and the acceptor will. */
  #open(wire: Wire): void {
    wire.opened = true
    wire.ends[1].inbox.push({ type: 'accepted' })
    wire.ends[0].tell?.({ type: 'link.opened', bondId: `link-${wire.number}` as BondId })
  }

  /** Neither end hears anything that was on its way; each finds out by itself. */
  #cut(wire: Wire): void {
    this.#cutsLeft--
    wire.cut = true
    for (const { inbox } of wire.ends)
      inbox.splice(0, inbox.length, { type: 'link.closed', reason: 'UnexpectedClose', byPeer: false })
  }

  #hear(wire: Wire, end: 0 | 1): void {
    const event = wire.ends[end].inbox.shift()!
    if (event.type === 'accepted') {
      const side = (1 - wire.dialler) as 0 | 1
      const peer = SIDES[wire.dialler]!
      return this.#groups[side]!.send({ type: 'group.linkAccepted', linkNumber: wire.number, peer })
    }
    const { tell } = wire.ends[end]
    if (event.type === 'link.closed') wire.ends[end].tell = null
    tell?.(event)
  }

  #bondOf(side: 0 | 1): typeof bondMachine {
    const chart = bondMachine.provide({
      actors: {
        checkTickets: prompt<TicketVerdict, TicketInput>(() => FOREVER),
        syncCatalog: prompt<void, SyncInput>(() => undefined),
      },
    })
    return withLink(chart, (bond) => {
      let at: { wire: Wire; end: 0 | 1 } | null = null
      return {
        open: (input) => {
          at = this.#attach(side, input, (event) => bond.send(event as LinkReport))
        },
        handle: (command) => at && this.#obey(at.wire, at.end, command),
        abandon: () => {},
      }
    })
  }

  #attach(side: 0 | 1, { linkNumber }: LinkInput, tell: (event: AnyEventObject) => void): { wire: Wire; end: 0 | 1 } {
    const accepted = linkNumber === null ? undefined : this.#wires[linkNumber]
    if (accepted) {
      // Cut before it was taken: the acceptor finds the link, and then its end.
      accepted.ends[1].tell = tell
      tell({ type: 'link.opened', bondId: `link-${accepted.number}` as BondId })
      return { wire: accepted, end: 1 }
    }
    const ends: [End, End] = [
      { tell, inbox: [] },
      { tell: null, inbox: [] },
    ]
    const wire: Wire = { number: this.#wires.length, dialler: side, ends, opened: false, cut: false }
    this.#wires.push(wire)
    return { wire, end: 0 }
  }

  /** Charts speak in commands; here is what the other end hears of each. */
  #obey(wire: Wire, end: 0 | 1, command: LinkCommand): void {
    const other = wire.ends[end === 0 ? 1 : 0]
    const say = (event: AnyEventObject) => {
      if (!wire.cut) other.inbox.push(event)
    }
    if (command.type === 'link.sendStart')
      say({ type: 'bond.handshakeStart', network, group, proven: true, known: true })
    if (command.type === 'link.sendEnd') say({ type: 'bond.handshakeEnd', proven: true })
    if (command.type === 'link.sendPeers') say({ type: 'bond.peers' })
    if (command.type === 'link.close') {
      wire.ends[end].tell = null
      wire.ends[end].inbox.length = 0
      say({ type: 'link.closed', reason: command.reason, byPeer: true })
    }
  }
}
