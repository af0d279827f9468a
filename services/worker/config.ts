import { z } from 'zod'
import { commonEnv, type Environment, headerText, list, parseEnv, port, whole, wholeOptional } from '#lib/runtime/env.ts'

const redisUrl = z
  .string()
  .refine((value) => URL.canParse(value) && /^rediss?:$/.test(new URL(value).protocol), { error: 'must be a redis:// or rediss:// URL' })

/** The variables of the worker. */
export const workerEnv = z.object({
  ...commonEnv,
  WORKER_PORT: port(6002).describe('Port of the worker'),
  WORKER_HOST: z.string().optional().describe('Address it listens on; where unset, all with a key of its own, else 127.0.0.1'),
  WORKER_API_KEY: headerText().optional().describe('Key of the worker, and what its agent sends'),
  WORKER_RETRY_MAX: whole(0, 100, 3).describe('Retries of a hit after its first try'),
  WORKER_CONCURRENCY: whole(1, 1000, 10).describe('Hits under way at once'),
  HIT_QUEUE: z
    .enum(['auto', 'redis', 'embedded'], { error: 'must be auto, redis or embedded' })
    .default('auto')
    .describe('auto, redis or embedded: where hits are queued'),
  HIT_MAX_BODY_BYTES: whole(0, 64 * 1024 * 1024, 256 * 1024).describe('How much of an answer is kept'),
  HIT_TARGETS: list().describe('any, or public with CIDR exceptions, parted by commas; where unset, any with a key or on loopback, else public'),
  REDIS_HOST: z.string().optional().describe('Host of Redis; where unset, localhost is looked at once (see HIT_QUEUE)'),
  REDIS_PORT: port(6379).describe('Port of Redis'),
  REDIS_PASSWORD: z.string().optional().describe('Password of Redis'),
  REDIS_URL: redisUrl.optional().describe('redis:// or rediss:// URL, instead of host, port and password'),
  REDIS_DB: whole(0, 1023, 0).describe('Redis database of the results'),
  ASYNQ_DB: whole(0, 1023, 1).describe('Redis database of the queue'),
  QUEUE_DB: wholeOptional(0, 1023).describe('The same as ASYNQ_DB, and goes before it'),
})

/** Reads the worker's part of the environment. */
export function loadWorkerConfig(environment: Environment = process.env) {
  const env = parseEnv(workerEnv, environment)
  const ownKey = env.WORKER_API_KEY !== undefined
  return {
    port: env.WORKER_PORT,
    /** Undefined: all addresses. */
    host: env.WORKER_HOST ?? (ownKey ? undefined : '127.0.0.1'),
    apiKey: env.WORKER_API_KEY,
    allowedHosts: env.ALLOWED_HOSTS,
    dataDir: env.DATA_DIR,
    maxConfigBytes: env.MAX_CONFIG_BYTES,
    retryMax: env.WORKER_RETRY_MAX,
    concurrency: env.WORKER_CONCURRENCY,
    maxBodyBytes: env.HIT_MAX_BODY_BYTES,
    /** `public`, `any`, CIDR exceptions; empty: by how the worker listens. */
    targets: env.HIT_TARGETS,
    queue: env.HIT_QUEUE,
    redis: {
      /** Whether the operator named a Redis: then it is needed, and never silently replaced. */
      named: env.REDIS_HOST !== undefined || env.REDIS_URL !== undefined,
      host: env.REDIS_HOST ?? 'localhost',
      port: env.REDIS_PORT,
      url: env.REDIS_URL,
      password: env.REDIS_PASSWORD,
      db: env.REDIS_DB,
      queueDb: env.QUEUE_DB ?? env.ASYNQ_DB,
    },
    shutdownTimeoutSeconds: env.SHUTDOWN_TIMEOUT_SECONDS,
    logLevel: env.LOG_LEVEL,
    logFormat: env.LOG_FORMAT,
  }
}

/** What the worker runs with. */
export type WorkerServiceConfig = ReturnType<typeof loadWorkerConfig>
