/** The examples are run as they stand, on real sockets. */
import { afterEach, expect, it, vi } from 'vitest'

afterEach(() => {
  vi.restoreAllMocks()
})

const EXAMPLES: [string, () => Promise<unknown>, string[]][] = [
  [
    'leader election and a counter',
    () => import('../../examples/leader-election.ts'),
    ['one leads, two follow', 'total 1', 'total 2', 'total 3', 'another leads', 'total 3', 'total 3', 'stopped'],
  ],
  [
    'a group in an application’s machine',
    () => import('../../examples/app-machine.ts'),
    ['app leads', 'app total 5', 'stopped'],
  ],
]

it.each(EXAMPLES)('%s', async (_, run, lines) => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {})
  await run()
  expect(log.mock.calls.map(([line]) => line)).toEqual(lines)
})
