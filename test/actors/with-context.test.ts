/** A step past a chart leaves a snapshot that XState could have made: whatever fields its version has, with another context. */
import { expect, it } from 'vitest'
import { createActor, setup } from 'xstate'
import { withContext } from '../../src/actors/xstate.ts'

const machine = setup({ types: { context: {} as { count: number } } }).createMachine({
  context: { count: 1 },
  initial: 'first',
  states: { first: { tags: 'tagged' } },
})

it('has all fields of the snapshot before it, and nothing else', () => {
  const before = createActor(machine).start().getSnapshot()
  const after = withContext(before, { count: 2 })
  expect(after).toStrictEqual({ ...before, context: { count: 2 } })
  expect(Object.keys(after)).toEqual(Object.keys(before))
  expect(before.context).toEqual({ count: 1 })
})
