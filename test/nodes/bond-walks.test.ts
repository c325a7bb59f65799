/** The bond's generated paths, driven against two real bond actors over the memory transport. */
import { describe, expect, it } from 'vitest'
import type { AnyStateNode } from 'xstate'
import { bondMachine } from '../../src/machines/bond/machine.ts'
import { INPUTS, pathsOf } from '../bond/paths.ts'
import { view, Walk } from './bond-walks.ts'

/** Events by type: brought about at least once, and those of the paths that no network could bring about in that state. */
const taken = new Set<string>()
const untaken = new Set<string>()
const rested = new Set<string>()

function statesOf(node: AnyStateNode): AnyStateNode[] {
  return [node, ...Object.values(node.states as Record<string, AnyStateNode>).flatMap(statesOf)]
}

async function walk(input: (typeof INPUTS)[string], path: ReturnType<typeof pathsOf>[number]): Promise<number> {
  const events = path.steps.map(({ event }) => event).filter(({ type }) => (type as string) !== 'xstate.init')
  const walked: string[] = []
  const walking = new Walk(input)
  await walking.start(events[0]?.type !== 'link.failed')
  try {
    for (const event of events) {
      if (!(await walking.take(event))) {
        untaken.add(event.type)
        break
      }
      taken.add(event.type)
      walked.push(JSON.stringify(event))
      const now = walking.subject.getSnapshot()
      expect(view(now), walked.join('\n')).toEqual(view(walking.model.getSnapshot()))
      for (const { id } of now._nodes as readonly AnyStateNode[]) rested.add(id)
    }
    await walking.settle()
    const [subject, peer] = [walking.subject.getSnapshot(), walking.peer?.getSnapshot()]
    const hint = `in the end, after\n${walked.join('\n')}`
    // Nobody is left with half a bond: both ended, or both stand by the same link.
    expect(peer?.status ?? 'done', hint).toBe(subject.status)
    if (subject.status === 'active') {
      expect([subject.matches('steady'), peer?.matches('steady')], hint).toEqual([true, true])
      expect(peer?.context.bondId, hint).toBe(subject.context.bondId)
    }
    return walked.length
  } finally {
    walking.stop()
  }
}

describe('two bonds over a memory network', () => {
  it.each(Object.entries(INPUTS))(
    'go where the model says: %s',
    async (_, input) => {
      let steps = 0
      for (const path of pathsOf(input)) steps += await walk(input, path)
      expect(steps).toBeGreaterThan(0)
    },
    60_000,
  )

  it('come to rest in every state', () => {
    const isTransient = ({ always = [] }: AnyStateNode) => always.some(({ guard }) => guard === undefined)
    const unreached = statesOf(bondMachine.root)
      .filter((node) => !isTransient(node) && !rested.has(node.id))
      .map(({ id }) => id)
    // Its link stands before it does, so an acceptor is past this one before anyone can look.
    expect(unreached).toEqual(['bond.handshake.accepting.connecting'])
  })

  it('take every event that has a cause outside the chart', () => {
    const never = [...untaken].filter((type) => !taken.has(type)).sort()
    // A timer of the chart's own, a link that throws, and the deadline of the state that nobody waits in.
    expect(never).toEqual([
      'bond.ticketExpired',
      'link.broken',
      'xstate.after.step.bond.handshake.accepting.connecting',
    ])
  })
})
