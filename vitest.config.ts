import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    environment: 'node',
    include: ['test/**/*.test.ts'],
    // A process each: native modules, open files and listeners of one file cannot reach another.
    pool: 'forks',
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // A test that leaves a promise rejected behind has failed, even where its assertions passed.
    dangerouslyIgnoreUnhandledErrors: false,
    // One mistake hides the next otherwise: mocks and stubbed variables never outlive their test.
    restoreMocks: true,
    unstubEnvs: true,
  },
})
