/**
 * The one place in the actors that knows how XState shows its insides: inspection events and actor ids. XState's next major version
 * changes both, and then this file changes. What is shown of a context or an event is decided in `inspection.ts`.
 *
 * Session ids carry the node's short id, because XState counts them per process and several nodes may feed one inspector.
 *
 * Clocks tick twenty times a second in every group, and an inspector must not drown in them. So what leads to nothing is left out: an
 * event after which its actor looks as before, and which made it neither act, nor send, nor spawn. XState's own actions are left
 * out as well: what they send or spawn shows as an event or an actor of its own, and the rest are timers.
 */
import type {
  ActorRefFrom,
  ActorRefLike,
  AnyActorLogic,
  AnyActorScope,
  AnyEventObject,
  AnyMachineSnapshot,
  AnyStateMachine,
  ContextFrom,
  EventFrom,
  InputFrom,
  InspectionEvent,
  Observer,
  Snapshot,
  SnapshotFrom,
} from 'xstate'
import { contextShown, plain } from './inspection.ts'

/** What `createNode({ inspect })` takes: what XState's own `createActor` takes. */
export type Inspect = Observer<InspectionEvent> | ((event: InspectionEvent) => void)

/** The parts of an actor that inspectors read, XState's private ones among them. */
interface Inspected extends ActorRefLike {
  readonly id?: string
  readonly src?: unknown
  readonly _parent?: Inspected
  readonly logic?: { readonly config?: { readonly id?: unknown } }
}

/** An actor's status, and a machine's state; what a promise or callback holds beside that is ours to know. */
const SNAPSHOT_SHOWN = ['status', 'value', 'context', 'children', 'error', 'output'] as const
type Shown = Partial<Record<(typeof SNAPSHOT_SHOWN)[number], unknown>>

/** Wraps an inspector so that it sees `node`'s actors as above. One that throws is told no more: `failed` hears of it. */
export function inspectorOf(
  inspect: Inspect,
  node: string,
  failed: (error: unknown) => void,
): (event: InspectionEvent) => void {
  const tell = typeof inspect === 'function' ? inspect : (event: InspectionEvent) => inspect.next?.(event)
  const inspection = new Inspection(node, tell)
  let broken = false
  return (event) => {
    if (broken) return
    try {
      inspection.take(event)
    } catch (error) {
      broken = true
      failed(error)
    }
  }
}

class Inspection {
  readonly #node: string
  readonly #tell: (event: InspectionEvent) => void
  readonly #views = new WeakMap<object, Inspected>()
  /** How each actor was last shown. */
  readonly #looks = new WeakMap<object, string>()
  /** Not told yet: whether they lead to something is not known before their actor's next snapshot. */
  #pending: InspectionEvent[] = []

  constructor(node: string, tell: (event: InspectionEvent) => void) {
    this.#node = node
    this.#tell = tell
  }

  take(event: InspectionEvent): void {
    if (event.type === '@xstate.action' && event.action.type.startsWith('xstate.')) return
    if (event.type === '@xstate.event' || event.type === '@xstate.microstep') {
      this.#pending.push(event)
      return
    }
    if (event.type === '@xstate.snapshot' && this.#isNothing(event)) return
    for (const before of this.#pending) this.#tell(this.#shown(before))
    this.#pending = []
    this.#tell(this.#shown(event))
  }

  /** The actor looks as before, and nothing but its own steps came since its event: both are dropped. */
  #isNothing({ actorRef, snapshot }: Extract<InspectionEvent, { type: '@xstate.snapshot' }>): boolean {
    const look = JSON.stringify(snapshotShown(actorRef as Inspected, snapshot))
    const isSame = this.#looks.get(actorRef) === look
    this.#looks.set(actorRef, look)
    const cause = this.#pending.findLastIndex(({ type }) => type === '@xstate.event')
    const isCause = cause >= 0 && this.#pending.slice(cause).every((step) => step.actorRef === actorRef)
    if (!isSame || !isCause) return false
    this.#pending.splice(cause)
    return true
  }

  #idOf(sessionId: string): string {
    return `${this.#node}/${sessionId}`
  }

  #viewOf(actor: Inspected): Inspected {
    const known = this.#views.get(actor)
    if (known) return known
    const view = {
      id: actor.id,
      src: typeof actor.src === 'string' ? actor.src : undefined,
      sessionId: this.#idOf(actor.sessionId),
      logic: { config: actor.logic?.config },
      send: () => {},
      getSnapshot: () => snapshotShown(actor, actor.getSnapshot() as Snapshot<unknown>) as unknown as Snapshot<unknown>,
      ...(actor._parent ? { _parent: this.#viewOf(actor._parent) } : {}),
    } as Inspected
    this.#views.set(actor, view)
    return view
  }

  #shown(event: InspectionEvent): InspectionEvent {
    const actor = event.actorRef as Inspected
    const shown: Record<string, unknown> = {
      type: event.type,
      rootId: this.#idOf(event.rootId),
      actorRef: this.#viewOf(actor),
    }
    if ('sourceRef' in event) shown.sourceRef = event.sourceRef && this.#viewOf(event.sourceRef as Inspected)
    if ('event' in event) shown.event = plain(event.event)
    if ('snapshot' in event) shown.snapshot = snapshotShown(actor, event.snapshot)
    if ('action' in event) shown.action = plain(event.action)
    // The transitions of a step are XState's own objects, all of the chart behind them; what they led to is in the snapshot.
    if ('_transitions' in event) shown._transitions = []
    return shown as unknown as InspectionEvent
  }
}

function snapshotShown(actor: Inspected, snapshot: Snapshot<unknown> | undefined): Shown {
  const full: Shown = snapshot ?? { status: 'active' }
  const fields = SNAPSHOT_SHOWN.filter((field) => full[field] !== undefined).map((field) => [
    field,
    field === 'context' ? contextShown(actor.logic?.config?.id, full.context) : full[field],
  ])
  return plain(Object.fromEntries(fields)) as Shown
}

/** `logic` with its input decided here rather than by whoever spawns it: a chart need not carry what its child is made of. */
export function withInput<Logic extends AnyActorLogic>(logic: Logic, input: InputFrom<Logic>): Logic {
  return Object.create(logic, {
    getInitialSnapshot: { value: (scope: AnyActorScope) => logic.getInitialSnapshot(scope, input) },
  }) as Logic
}

/**
 * `logic`, with a way past its walk: where `step` knows the next context, that is the transition, and the state stays as it is; where it
 * says null, the machine is asked. `step` carries out itself what else there is to do.
 */
export function withShortcut<Logic extends AnyStateMachine>(
  logic: Logic,
  step: (
    snapshot: SnapshotFrom<Logic>,
    event: EventFrom<Logic>,
    self: ActorRefFrom<Logic>,
  ) => ContextFrom<Logic> | null,
): Logic {
  const transition = (snapshot: AnyMachineSnapshot, event: EventFrom<Logic>, scope: AnyActorScope) => {
    const context = step(snapshot as SnapshotFrom<Logic>, event, scope.self as ActorRefFrom<Logic>)
    if (context === null) return logic.transition(snapshot, event, scope)
    return context === snapshot.context ? snapshot : withContext(snapshot, context)
  }
  return Object.create(logic, { transition: { value: transition } }) as Logic
}

/** `logic`, with a word to `stopped` when an actor of it is stopped from outside: a chart is not told, and none of its actions are taken. */
export function whenStopped<Logic extends AnyStateMachine>(
  logic: Logic,
  stopped: (actor: ActorRefFrom<Logic>) => void,
): Logic {
  const transition = (snapshot: AnyMachineSnapshot, event: AnyEventObject, scope: AnyActorScope) => {
    const next = logic.transition(snapshot, event, scope)
    if (event.type === 'xstate.stop') stopped(scope.self as ActorRefFrom<Logic>)
    return next
  }
  return Object.create(logic, { transition: { value: transition } }) as Logic
}

/** `{ ...snapshot, context }`, but thirty times as fast: a literal compiles to plain loads and stores. A test holds it to all there is. */
export function withContext<S extends AnyMachineSnapshot>(snapshot: S, context: S['context']): S {
  return {
    status: snapshot.status,
    output: snapshot.output,
    error: snapshot.error,
    machine: snapshot.machine,
    context,
    _nodes: snapshot._nodes,
    value: snapshot.value,
    tags: snapshot.tags,
    children: snapshot.children,
    historyValue: snapshot.historyValue,
    matches: snapshot.matches,
    hasTag: snapshot.hasTag,
    can: snapshot.can,
    getMeta: snapshot.getMeta,
    toJSON: snapshot.toJSON,
  } as S
}

/**
 * Spawns `logic` as a child with `id`. XState's types let a chart spawn only what its `setup` names; a node spawns a logic of its own for
 * each group, bound to that group's key and storage.
 */
export function spawnBound<Logic extends AnyActorLogic>(
  enqueue: { readonly spawnChild: unknown },
  logic: Logic,
  options: { readonly id: string; readonly input: InputFrom<Logic> },
): void {
  const spawnChild = enqueue.spawnChild as (logic: AnyActorLogic, options: { id: string; input: unknown }) => void
  spawnChild(logic, options)
}
