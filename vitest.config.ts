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
  'test/api/inspector.test.ts',
  'test/simulation/**/*.test.ts',
]
const PROCESSES = 'test/processes/**/*.test.ts'

/** `fast` is run before each commit; `processes` starts real processes and needs the build. */
export default defineConfig({
  test: {
    projects: [
      {
        test: { name: 'fast', include: ['test/**/*.test.ts'], exclude: [...SLOW, PROCESSES], testTimeout: 20_000 },
      },
      { test: { name: 'slow', include: SLOW, testTimeout: 120_000 } },
      { test: { name: 'processes', include: [PROCESSES], testTimeout: 240_000, maxWorkers: 1 } },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**'],
      exclude: ['src/cli/**'],
      reporter: ['text-summary', 'json-summary'],
    },
  },
})
