/**
 * The one place in the actors that knows how XState shows its insides: inspection events and actor ids. XState's next major version
 * changes both, and then this file changes.
 *
 * What an inspector sees is small and plain: bytes by their length, long lists by their beginning, no functions, no handles. Session ids
 * carry the node's short id, because XState counts them per process and several nodes may feed one inspector.
 */
import type {
  ActorRefLike,
  AnyActorLogic,
  AnyActorScope,
  AnyEventObject,
  InputFrom,
  InspectionEvent,
  Observer,
  Snapshot,
} from 'xstate'

/** What `createNode({ inspect })` takes: what XState's own `createActor` takes. */
export type Inspect = Observer<InspectionEvent> | ((event: InspectionEvent) => void)

/** More of a list than this is only counted. */
const LIST_SHOWN = 16
const DEPTH_SHOWN = 8

/** A small plain copy of `value`, for eyes only. */
export function plain(value: unknown, depth = DEPTH_SHOWN): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value === 'bigint') return String(value)
  if (value === null || typeof value !== 'object') return value
  if (value instanceof Uint8Array) return `<${value.length} bytes>`
  if (value instanceof Error) return { name: value.name, message: value.message }
  if ('toJSON' in value && typeof value.toJSON === 'function') return plain(value.toJSON(), depth)
  if (depth === 0) return '…'
  if (value instanceof Map || value instanceof Set) return plain([...value], depth)
  if (Array.isArray(value)) {
    const shown = value.slice(0, LIST_SHOWN).map((item) => plain(item, depth - 1))
    return value.length > LIST_SHOWN ? [...shown, `… ${value.length - LIST_SHOWN} more`] : shown
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item, depth - 1)]))
}

/** The parts of an actor that inspectors read, XState's private ones among them. */
interface Inspected extends ActorRefLike {
  readonly id?: string
  readonly src?: unknown
  readonly _parent?: Inspected
  readonly logic?: { readonly config?: unknown }
}

/** Snapshots of machines only: what a promise or callback holds beside its status is ours to know. */
const SNAPSHOT_SHOWN = ['status', 'value', 'context', 'tags', 'children', 'error', 'output'] as const

function plainSnapshot(snapshot: Snapshot<unknown> | undefined): Snapshot<unknown> {
  const full = plain(snapshot ?? { status: 'active' }) as Record<string, unknown>
  return Object.fromEntries(
    SNAPSHOT_SHOWN.filter((key) => key in full).map((key) => [key, full[key]]),
  ) as unknown as Snapshot<unknown>
}

/** Wraps an inspector so that it sees `node`'s actors, small and plain, with ids that are unique among nodes. */
export function inspectorOf(inspect: Inspect, node: string): (event: InspectionEvent) => void {
  const tell = typeof inspect === 'function' ? inspect : (event: InspectionEvent) => inspect.next?.(event)
  const views = new WeakMap<object, Inspected>()
  const idOf = (sessionId: string) => `${node}/${sessionId}`

  const viewOf = (actor: Inspected): Inspected => {
    const known = views.get(actor)
    if (known) return known
    const view = {
      id: actor.id,
      src: actor.src,
      sessionId: idOf(actor.sessionId),
      logic: { config: actor.logic?.config },
      send: () => {},
      getSnapshot: () => plainSnapshot(actor.getSnapshot() as Snapshot<unknown>),
      ...(actor._parent ? { _parent: viewOf(actor._parent) } : {}),
    } as Inspected
    views.set(actor, view)
    return view
  }

  return (event) => {
    const shown: Record<string, unknown> = {
      ...event,
      rootId: idOf(event.rootId),
      actorRef: viewOf(event.actorRef as Inspected),
    }
    if ('sourceRef' in event) shown.sourceRef = event.sourceRef ? viewOf(event.sourceRef as Inspected) : undefined
    if ('event' in event) shown.event = plain(event.event) as AnyEventObject
    if ('snapshot' in event) shown.snapshot = plainSnapshot(event.snapshot)
    if ('action' in event) shown.action = plain(event.action)
    tell(shown as unknown as InspectionEvent)
  }
}

/** `logic` with its input decided here rather than by whoever spawns it: a chart need not carry what its child is made of. */
export function withInput<Logic extends AnyActorLogic>(logic: Logic, input: InputFrom<Logic>): Logic {
  return Object.create(logic, {
    getInitialSnapshot: { value: (scope: AnyActorScope) => logic.getInitialSnapshot(scope, input) },
  }) as Logic
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
