/**
 * How much of a chart its generated paths have walked. A path is replayed in a real actor whose microsteps are watched, so guarded
 * branches and eventless transitions count one by one: `uncovered` names each that no path took.
 */
import {
  type AnyEventObject,
  type AnyStateMachine,
  type AnyStateNode,
  type AnyTransitionDefinition,
  createActor,
  type InspectionEvent,
  SimulatedClock,
  type SnapshotFrom,
} from 'xstate'

export interface Path {
  readonly steps: readonly { readonly event: AnyEventObject }[]
}

function nodesOf(node: AnyStateNode): AnyStateNode[] {
  return [node, ...Object.values(node.states as Record<string, AnyStateNode>).flatMap(nodesOf)]
}

function transitionsOf(node: AnyStateNode): [string, AnyTransitionDefinition][] {
  const named = (event: string, list: readonly AnyTransitionDefinition[]): [string, AnyTransitionDefinition][] =>
    list.map((transition, index) => {
      const targets = (transition.target ?? []).map(({ id }) => id).join(', ') || '(stays)'
      return [`${node.id} on ${event} [${index}] -> ${targets}`, transition]
    })
  const onEvents = [...node.transitions].flatMap(([event, list]) => named(event, list))
  return [...onEvents, ...named('always', node.always ?? [])]
}

/** Collects what the paths of several inputs reach together. */
export class Coverage<Machine extends AnyStateMachine> {
  readonly #machine: Machine
  readonly #taken = new Set<AnyTransitionDefinition>()
  readonly #entered = new Set<string>()

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** Replays `path`; `look` sees the snapshot after each step. The machine's actors must be inert: events come from the path only. */
  walk(path: Path, input: unknown, look: (snapshot: SnapshotFrom<Machine>, step: number) => void = () => {}): void {
    const actor = createActor(this.#machine as AnyStateMachine, {
      input,
      clock: new SimulatedClock(),
      // The walked actor is the root; the microsteps of its children are not ours.
      inspect: (event) => event.actorRef.sessionId === event.rootId && this.#note(event),
    })
    const arrive = (step: number) => {
      const snapshot = actor.getSnapshot()
      for (const { id } of snapshot._nodes as readonly AnyStateNode[]) this.#entered.add(id)
      look(snapshot as SnapshotFrom<Machine>, step)
    }
    actor.start()
    arrive(0)
    path.steps.forEach(({ event }, step) => {
      if (event.type === 'xstate.init') return
      actor.send(event)
      arrive(step)
    })
    actor.stop()
  }

  #note(event: InspectionEvent): void {
    if (event.type !== '@xstate.microstep') return
    for (const transition of event._transitions) this.#taken.add(transition)
  }

  /** Every transition that no path took, readable. */
  uncovered(): string[] {
    return nodesOf(this.#machine.root)
      .flatMap(transitionsOf)
      .filter(([, transition]) => !this.#taken.has(transition))
      .map(([name]) => name)
  }

  /** Every state that no path came to rest in, apart from those left at once by an eventless transition. */
  unreached(): string[] {
    return nodesOf(this.#machine.root)
      .filter((node) => !isTransient(node) && !this.#entered.has(node.id))
      .map(({ id }) => id)
  }
}

function isTransient(node: AnyStateNode): boolean {
  return (node.always ?? []).some(({ guard }) => guard === undefined)
}

/** The transitions of `machine` that none of `paths` took. */
export function uncoveredTransitions(machine: AnyStateMachine, paths: readonly Path[], input?: unknown): string[] {
  const coverage = new Coverage(machine)
  for (const path of paths) coverage.walk(path, input)
  return coverage.uncovered()
}
