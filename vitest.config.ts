import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/**/*.test.ts'],
    // A process each: native modules, open files and listeners of one file cannot reach another.
    pool: 'forks',
    // More than there are cores on a small machine: most tests wait for other processes, or for a clock.
    maxWorkers: 3,
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // A test that leaves a promise rejected behind has failed, even where its assertions passed.
    dangerouslyIgnoreUnhandledErrors: false,
    // One mistake hides the next otherwise: mocks and stubbed variables never outlive their test.
    restoreMocks: true,
    unstubEnvs: true,
  },
})
