import type { Environment } from '#lib/runtime/env.ts'
import { TestRedis } from '#test/_support/redis.ts'

/** An engine with an empty store, until the test's scope ends. */
export interface EngineStore extends AsyncDisposable {
  /** What a worker needs to be on it. */
  readonly env: Environment
}

/** Each engine by its name, and how to get an empty store of it. */
export const engines: readonly (readonly ['embedded' | 'redis', () => Promise<EngineStore>])[] = [
  ['embedded', async () => ({ env: { HIT_QUEUE: 'embedded' }, [Symbol.asyncDispose]: async () => {} })],
  [
    'redis',
    async () => {
      const redis = await TestRedis.start()
      return { env: { HIT_QUEUE: 'redis', REDIS_HOST: redis.host, REDIS_PORT: String(redis.port) }, [Symbol.asyncDispose]: () => redis[Symbol.asyncDispose]() }
    },
  ],
]
