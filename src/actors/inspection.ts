/**
 * What an inspector is shown: small plain data, and never a key, a proof, a ticket or a handle.
 *
 * Of a chart's context only the fields that are listed here (VIEWS), so that nothing secret gets out by being added to a chart, and that
 * what moves with every tick of a clock is no news. Of everything else, events and params among them, a sketch (`plain`): bytes by
 * their number, ids by their first digits as in a log, signed entries by name and version, and no more than `SHOWN_CHARS_MAX` of it.
 */
import type { BondContext } from '../machines/bond/events.ts'
import { summaryOf } from '../machines/discovery/machine.ts'
import type { GroupContext } from '../machines/group/events.ts'
import type { NodeContext } from '../machines/node/machine.ts'
import type { RaftContext } from '../machines/raft/machine.ts'

/** One value as JSON, give or take the brackets around what was left out. */
export const SHOWN_CHARS_MAX = 8 * 1024
const ITEMS_SHOWN = 24
const DEPTH_SHOWN = 8
const STRING_SHOWN = 200
/** What the next draws will be says nothing to a reader; a ticket may be a token that others must not have. */
const LEFT_OUT = new Set(['seed', 'random', 'tickets'])
/** An id, or anything else of 32 bytes. */
const ID = /^[0-9a-f]{64}$/
const ID_DIGITS_SHOWN = 10
const MORE = '…'

/** A small plain copy of `value`, for eyes only: it is equal to itself after a way through JSON. */
export function plain(value: unknown): unknown {
  return new Sketch().of(value, DEPTH_SHOWN)
}

class Sketch {
  #left = SHOWN_CHARS_MAX

  of(value: unknown, depth: number): unknown {
    if (value === null || typeof value !== 'object') return this.#spend(leaf(value))
    if (value instanceof Uint8Array) return this.#spend(`<${value.length} bytes>`)
    if (depth === 0 || this.#left <= 0) return MORE
    if (value instanceof Error) return this.#fields(Object.entries({ name: value.name, message: value.message }), depth)
    if (value instanceof Set || Array.isArray(value)) return this.#list([...value], depth)
    if (value instanceof Map) return this.#fields([...value], depth)
    if (isRecord(value)) return this.#fields(Object.entries(nameOf(value)), depth)
    if (!isPlain(value) && 'toJSON' in value && typeof value.toJSON === 'function')
      return this.of(value.toJSON(), depth - 1)
    return this.#fields(Object.entries(value), depth)
  }

  #list(items: readonly unknown[], depth: number): unknown[] {
    const shown: unknown[] = []
    for (const item of items) {
      if (shown.length === ITEMS_SHOWN || this.#left <= 0)
        return [...shown, `${MORE} ${items.length - shown.length} more`]
      shown.push(this.of(item, depth - 1) ?? null)
    }
    return shown
  }

  #fields(fields: readonly (readonly [unknown, unknown])[], depth: number): Record<string, unknown> {
    const shown: [string, unknown][] = []
    const named = fields.map(([key, item]) => [keyOf(key), item] as const)
    const wanted = named.filter(([name, item]) => !LEFT_OUT.has(name) && isShown(item))
    for (const [name, item] of wanted) {
      if (shown.length === ITEMS_SHOWN || this.#left <= 0) {
        shown.push([MORE, `${wanted.length - shown.length} more`])
        break
      }
      shown.push([String(this.#spend(leaf(name))), this.of(item, depth - 1)])
    }
    return Object.fromEntries(shown)
  }

  #spend(shown: unknown): unknown {
    this.#left -= JSON.stringify(shown ?? null).length + 1
    return shown
  }
}

const isShown = (value: unknown) => value !== undefined && typeof value !== 'function' && typeof value !== 'symbol'

function leaf(value: unknown): unknown {
  if (typeof value === 'string') {
    if (ID.test(value)) return value.slice(0, ID_DIGITS_SHOWN)
    return value.length > STRING_SHOWN ? `${value.slice(0, STRING_SHOWN)}${MORE}` : value
  }
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : String(value)
  if (typeof value === 'bigint') return leaf(String(value))
  return isShown(value) ? value : undefined
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

interface NamedEntry {
  readonly entry: { readonly peer: string; readonly incarnation: number; readonly update: number }
  readonly signed: unknown
}

function isRecord(value: object): value is NamedEntry {
  return 'entry' in value && 'signed' in value && typeof value.entry === 'object' && value.entry !== null
}

/** A record of the catalog, by whose it is and how new. */
const nameOf = ({ entry: { peer, incarnation, update } }: NamedEntry) => ({ peer, version: `${incarnation}.${update}` })

const nodeView = ({ self, addresses, groups, failure }: NodeContext) => ({ self, addresses, groups, failure })

const groupView = ({ self, group, raft, leaving, peers }: GroupContext) => ({
  self,
  group,
  raft,
  leaving,
  peers: Object.fromEntries(
    Object.entries(peers).map(([peer, { phase, bond, attempt, departed }]) => [
      peer,
      { phase, bond, attempt, departed },
    ]),
  ),
})

const bondView = (context: BondContext) => {
  const { role, peer, bondId, syncAttempts, expires, outcome, reason } = context
  return { role, peer, bondId, syncAttempts, expires, outcome, reason }
}

const raftView = (context: RaftContext) => {
  const { self, term, leader, votedFor, formation, log, commitIndex, snapshots, configuration, peers } = context
  const followers = [...context.progress].map(([peer, { state, match }]) => [peer, { state, match }] as const)
  return {
    self,
    term,
    leader,
    votedFor,
    formation: formation.status,
    lastIndex: log.lastIndex,
    commitIndex,
    snapshotIndex: snapshots.saved?.index ?? 0,
    voters: configuration.voters,
    learners: configuration.learners,
    bonded: [...peers.keys()],
    followers: Object.fromEntries(followers),
  }
}

/** By the id of the chart. A context that stands here under no name is that of a small actor of ours, and sketched as it is. */
const VIEWS = new Map<unknown, (context: never) => object>([
  ['node', nodeView],
  ['discovery', summaryOf],
  ['group', groupView],
  ['bond', bondView],
  ['raft', raftView],
])

/** The context of an actor that runs the chart of this id, as it is shown. */
export function contextShown(chart: unknown, context: unknown): unknown {
  const view = VIEWS.get(chart)
  return view && context ? view(context as never) : context
}

/** A key of a Map may be anything, also an object that cannot say its name. */
function keyOf(key: unknown): string {
  return typeof key === 'object' && key !== null ? Object.prototype.toString.call(key) : String(key)
}
