/**
 * Seeds that once failed, each with its cause. A change of the simulator gives a seed another run, so each cause also has a test beside the
 * code that was wrong; the first two were found by an earlier simulator, the others fail still when their cause is planted again.
 */
import { expect, it } from 'vitest'
import { simulate } from '../../src/testing/simulation.ts'

it.each([
  [
    23,
    'parted while it started, a network stayed in two: silent bootstrap addresses were not asked again once one had answered',
  ],
  [
    136,
    'clocks set back stopped heartbeats and elections until they had caught up: durations were measured by the wall clock',
  ],
  [90, 'a member came back on a clock that was behind: its entry of before hid the new one, and then its departure'],
])('seed %i: %s', async (seed) => {
  const { violation, trace } = await simulate({ seed })
  expect(violation, trace.join('\n')).toBeNull()
})
