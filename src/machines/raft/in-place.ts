/**
 * What leaves a member in its role, without XState's walk. A leader or a follower stays what it is for nearly all that it hears, and then a
 * step of the chart comes to this: the first branch whose guard holds, and its rules. That is done here, on the chart's own table, guards
 * and rules; whatever leads elsewhere, or is heard in a state that moves by itself, is left to the chart (ADR 17).
 *
 * Invariant: where this says a step, the chart would take the same one. `test/raft/model.test.ts` holds it to that in every state it finds.
 */
import { assert } from '../../errors.ts'
import type { RaftContext } from './context.ts'
import type { RaftEvent } from './events.ts'
import { raftMachine, ruleOf } from './machine.ts'
import { chain, type Step, stay } from './step.ts'

type Guard = (args: { readonly context: RaftContext; readonly event: RaftEvent }) => boolean
type Rule = (context: RaftContext, event: RaftEvent) => Step

/** One way on from an event; `rules` is null where it leads to another state. */
interface Branch {
  readonly guard: Guard | null
  readonly rules: readonly Rule[] | null
}
/** By the type of the event. */
type Branches = ReadonlyMap<string, readonly Branch[]>

/** What is read of the chart's configuration. */
interface BranchConfig {
  readonly guard?: string
  readonly target?: unknown
  readonly actions?: string | readonly string[]
}
type OnConfig = Readonly<Record<string, string | BranchConfig | readonly BranchConfig[]>>
interface StateConfig {
  readonly on?: OnConfig
  readonly states?: Readonly<Record<string, StateConfig>>
  readonly always?: unknown
}

const { guards, actions } = raftMachine.implementations as unknown as {
  readonly guards: Readonly<Record<string, Guard>>
  readonly actions: Readonly<Record<string, object>>
}

function named<T>(all: Readonly<Record<string, T>>, name: string): T {
  const one = all[name]
  assert(one !== undefined, `the chart names ${name}`)
  return one
}

function branchOf(config: string | BranchConfig): Branch {
  if (typeof config === 'string') return { guard: null, rules: null }
  const guard = config.guard === undefined ? null : named(guards, config.guard)
  const rules = [config.actions ?? []].flat().map((name) => ruleOf.get(named(actions, name)))
  const stays = config.target === undefined && rules.every((one) => one !== undefined)
  return { guard, rules: stays ? (rules as Rule[]) : null }
}

function branchesOf(on: OnConfig, above: OnConfig): Branches {
  const types = [...Object.keys(on), ...Object.keys(above)]
  const at = (config: OnConfig, type: string) => [config[type] ?? []].flat().map(branchOf)
  return new Map(types.map((type) => [type, [...at(on, type), ...at(above, type)]]))
}

/** Of the states that stay as they are until an event moves them. */
const BRANCHES: ReadonlyMap<unknown, Branches> = (() => {
  const { on = {}, states = {} } = raftMachine.config as unknown as StateConfig
  const still = Object.entries(states).filter(([, state]) => !state.states && !state.always && state.on)
  return new Map(still.map(([name, state]) => [name, branchesOf(state.on ?? {}, on)]))
})()

/** The step of a member in state `value` on `event`; null where the chart has to be asked. */
export function inPlace(value: unknown, context: RaftContext, event: RaftEvent): Step | null {
  const branches = BRANCHES.get(value)?.get(event.type)
  if (branches === undefined) return null
  const args = { context, event }
  for (const { guard, rules } of branches) {
    if (guard === null || guard(args)) return rules && stepOf(rules, context, event)
  }
  return null
}

function stepOf(rules: readonly Rule[], context: RaftContext, event: RaftEvent): Step {
  const [only] = rules
  if (rules.length === 1 && only) return only(context, event)
  let step = stay(context)
  for (const rule of rules) step = chain(step, (next) => rule(next, event))
  return step
}
