import { defineConfig } from 'vitest/config'

/** Tests that wait for real deadlines, fill real queues or walk thousands of paths: too slow to run before each commit. */
const SLOW = [
  'test/nodes/hostile*.test.ts',
  'test/nodes/catch-up.test.ts',
  'test/nodes/lost-quorum.test.ts',
  'test/nodes/double-dial.test.ts',
  'test/nodes/bond-walks.test.ts',
  'test/group/double-dial.test.ts',
  'test/group/model.test.ts',
  'test/raft/model.test.ts',
  'test/raft/safety.test.ts',
  'test/identity/crypto.test.ts',
  'test/transport/memory.test.ts',
  'test/transport/websocket.test.ts',
  'test/storage/damage.test.ts',
  'test/storage/power-cut.test.ts',
  'test/api/inspector.test.ts',
  'test/simulation/**/*.test.ts',
]
const PROCESSES = 'test/processes/**/*.test.ts'

/**
 * The files of one worker share its modules: to load them anew for each took as long as the tests of many a file. So a test leaves
 * nothing behind; spies are taken back before the next one begins. There are as many workers as cores: the runner itself only waits.
 */
const SHARED = { isolate: false, restoreMocks: true, maxWorkers: '100%' }

/** `fast` is run before each commit; `processes` starts real processes, which wait more than they work, and needs the build. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...SHARED,
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: [...SLOW, PROCESSES],
          testTimeout: 20_000,
        },
      },
      { test: { ...SHARED, name: 'slow', include: SLOW, testTimeout: 120_000 } },
      { test: { ...SHARED, name: 'processes', include: [PROCESSES], testTimeout: 240_000, maxWorkers: 2 } },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**'],
      exclude: ['src/cli/**'],
      reporter: ['text-summary', 'json-summary'],
    },
  },
})
