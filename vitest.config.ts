import { defineConfig } from 'vitest/config'

/** Two projects: `fast` runs before each commit; `processes` starts real processes and takes longer. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: 'fast', include: ['test/**/*.test.ts'], exclude: ['test/processes/**'], testTimeout: 20_000 } },
      { test: { name: 'processes', include: ['test/processes/**/*.test.ts'], testTimeout: 240_000, maxWorkers: 1 } },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**'],
      exclude: ['src/cli/**'],
      reporter: ['text-summary', 'json-summary', 'text'],
    },
  },
})
