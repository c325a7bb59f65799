/**
 * Seeds that once failed, each with its cause. A change of the simulator gives a seed another run, so each cause also has a test beside the
 * code that was wrong, and most are planted bugs as well (`tools/planted-bugs.ts`), which some seed must find again.
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
  [127, 'a member came back on a clock that was behind: its entry of before hid the new one, and then its departure'],
  [
    99,
    'a member that ended between having all chunks of a snapshot and installing it never installed it: only what followed the last chunk did',
  ],
  [194, 'a lone voter that ended before its term was on its disk led that term twice: its own vote counted at once'],
  [161, 'a retried command that only a snapshot had seen applied was told the place of its copy'],
  [
    367,
    'a follower was taken for one that tells before its disk has it: the chunk it told of had made room for another snapshot in the same sync',
  ],
  [
    238,
    'a learner whose introduction to a new leader was lost never said it again: it believed in the former one, which was still bonded',
  ],
  [
    128,
    'a member came back on a clock that was behind, was found before it had asked anyone, and left: only those it asked told it of its entry of before',
  ],
  [
    1241,
    'a voter was taken for one that spreads a proposal before its disk has it: with the same slow sync it was released from it, accepted another, and formed',
  ],
  [
    1508,
    'a group that had yet to form was asked for a leader as soon as one that elects: two founders had backed off from dialling each other',
  ],
  [
    797,
    'a member that crashed over its goodbye, after its bonds had heard it and before its tombstone was sent, was taken for one that left unhindered',
  ],
  [1275, 'the same, of a founder: the check asked for what was never said'],
  [
    1534,
    'two members whose clocks were an hour behind refused a tombstone; they lost their rounds of syncing on the very member that had left',
  ],
  [
    738,
    'a voter whose disk failed under its acceptance had formed in memory, told nobody, came back free and formed another first entry',
  ],
  [
    1152,
    'a refusal of what a leader had sent in an older term was taken, in the term it led next, for an answer to its probe and its round',
  ],
])('seed %i: %s', async (seed) => {
  const { violation, trace } = await simulate({ seed })
  expect(violation, trace.join('\n')).toBeNull()
})
