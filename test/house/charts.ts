/**
 * A chart as documentation: its Mermaid diagram, and tables of its states. Both are read from
 * the machine itself, so neither can say what the machine does not do.
 *
 * Mermaid joins only states of one level. So an edge that leaves a composite state is drawn from that composite. What holds in every
 * state of a composite, or of the whole chart, has no source to be drawn from, and what stays in its state has no arrow: both
 * are left to the code.
 */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate'

const SELF = '(stays)'

function lineage(node: AnyStateNode): AnyStateNode[] {
  return node.parent ? [...lineage(node.parent), node] : [node]
}

function nodesOf(node: AnyStateNode): AnyStateNode[] {
  return [node, ...childrenOf(node).flatMap(nodesOf)]
}

function childrenOf(node: AnyStateNode): AnyStateNode[] {
  return Object.values(node.states as Record<string, AnyStateNode>)
}

/** `handshake.dialling.proving`, without the machine's own id. */
function nameOf(node: AnyStateNode): string {
  return node.path.length === 0 ? 'anywhere' : node.path.join('.')
}

const idOf = (node: AnyStateNode): string => node.path.join('_')

/** Events as a reader knows them: delays and invoked actors by their names. */
function eventName(node: AnyStateNode, event: string): string {
  if (event === '') return 'always'
  const after = /^xstate\.after\.([^.]+)\./.exec(event)
  if (after) return `after ${after[1]}`
  const actor = /^xstate\.(done|error)\.actor\.(.+)$/.exec(event)
  if (!actor) return event
  const invoked = node.invoke.find(({ id }) => id === actor[2])
  const name = invoked ? String(invoked.src) : actor[2]
  return `${name} ${actor[1] === 'done' ? 'done' : 'failed'}`
}

function guardName({ guard }: AnyTransitionDefinition): string {
  const name = typeof guard === 'string' ? guard : (guard as { type?: string } | undefined)?.type
  return name ? ` [${name}]` : ''
}

/** The reason a transition of the bond's chart gives, where it is a fixed one. */
function reasonOf({ actions }: AnyTransitionDefinition): string {
  const reasons = (actions as readonly { type?: string; params?: { reason?: unknown } }[]).flatMap((action) =>
    action.type === 'because' && typeof action.params?.reason === 'string' ? [action.params.reason] : [],
  )
  return reasons.length > 0 ? ` \`${reasons[0]}\`` : ''
}

function transitionsOf(node: AnyStateNode): readonly AnyTransitionDefinition[] {
  return [...[...node.transitions.values()].flat(), ...(node.always ?? [])]
}

interface Edge {
  readonly level: AnyStateNode
  readonly from: AnyStateNode
  readonly to: AnyStateNode
  readonly event: string
  readonly guard: string
}

/** The edge at the level of the lowest state that holds both ends; none where the source is that state itself. */
function edgesOf(source: AnyStateNode): Edge[] {
  return transitionsOf(source).flatMap((transition) =>
    (transition.target ?? []).flatMap((target) => {
      const [from, to] = [lineage(source), lineage(target)]
      let depth = 0
      while (from[depth + 1] && from[depth + 1] === to[depth + 1]) depth++
      const same = source === target
      const level = from[same ? depth - 1 : depth]!
      const [a, b] = same ? [source, target] : [from[depth + 1], to[depth + 1]]
      if (!a || !b) return []
      const event = eventName(source, transition.eventType)
      return [{ level, from: a, to: b, event, guard: guardName(transition) }]
    }),
  )
}

/** Up to this many words on one edge; more are counted, and stand in the code. */
const LABELS_MAX = 4

function drawn(level: AnyStateNode, edges: readonly Edge[], indent: string): string[] {
  const arrows = new Map<string, Edge[]>()
  for (const edge of edges.filter((one) => one.level === level)) {
    const arrow = `${idOf(edge.from)} --> ${idOf(edge.to)}`
    arrows.set(arrow, [...(arrows.get(arrow) ?? []), edge])
  }
  return [...arrows].map(([arrow, same]) => `${indent}${arrow} : ${labelsOf(same).join('<br/>')}`)
}

/** One guard on many events is one word. */
function labelsOf(edges: readonly Edge[]): string[] {
  const guards = [...new Set(edges.map(({ guard }) => guard))]
  const labels = guards.flatMap((guard) => {
    const events = [...new Set(edges.filter((one) => one.guard === guard).map(({ event }) => event))]
    if (guard !== '' && events.length > 1) return [`${events.length} events${guard}`]
    return events.map((event) => `${event}${guard}`)
  })
  const shown = labels.slice(0, LABELS_MAX)
  return labels.length > shown.length ? [...shown, `and ${labels.length - shown.length} more`] : shown
}

function inside(node: AnyStateNode, edges: readonly Edge[], indent: string): string[] {
  const children = childrenOf(node)
  const regions = node.type === 'parallel'
  const start = node.initial?.target?.[0]
  const lines = start && !regions ? [`${indent}[*] --> ${idOf(start)}`] : []
  children.forEach((child, i) => {
    if (regions && i > 0) lines.push(`${indent}--`)
    lines.push(`${indent}state "${child.key}" as ${idOf(child)}`)
    if (childrenOf(child).length > 0) {
      lines.push(`${indent}state ${idOf(child)} {`, ...inside(child, edges, `${indent}  `), `${indent}}`)
    }
    if (child.type === 'final') lines.push(`${indent}${idOf(child)} --> [*]`)
  })
  return [...lines, ...drawn(node, edges, indent)]
}

/** The chart as a Mermaid diagram, fenced. */
export function diagram(machine: AnyStateMachine): string {
  const edges = nodesOf(machine.root).flatMap(edgesOf)
  return ['```mermaid', 'stateDiagram-v2', ...inside(machine.root, edges, '  '), '```'].join('\n')
}

/** What may happen in one state, target by target. */
function outcomes(node: AnyStateNode): string {
  const rows = transitionsOf(node).map((transition) => {
    const targets = (transition.target ?? []).map(nameOf).join(', ')
    const what = `${eventName(node, transition.eventType)}${guardName(transition)}`
    const again = targets === nameOf(node) ? 'again' : targets
    return `${what} → ${again || SELF}${reasonOf(transition)}`
  })
  return rows.join('<br>')
}

/** Its name and its own description, for each state that has one. */
export function stateTable(machine: AnyStateMachine): string {
  const rows = nodesOf(machine.root)
    .filter((node) => node.parent && node.description)
    .map((node) => `| ${nameOf(node)} | ${node.description} |`)
  return ['| state | what it is |', '|---|---|', ...rows].join('\n')
}

/** Every state under `name`, with all that may happen in it. */
export function outcomeTable(machine: AnyStateMachine, name: string): string {
  const rows = nodesOf(machine.root)
    .filter((node) => node.path[0] === name && transitionsOf(node).length > 0)
    .map((node) => `| ${nameOf(node)} | ${node.description ?? ''} | ${outcomes(node)} |`)
  return ['| state | what it is | what happens there |', '|---|---|---|', ...rows].join('\n')
}
