import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { DEFAULT_MAX_BACKLOG } from '#lib/queue/port.ts'
import { parseRedisUrl, REDIS_URL_FORMS } from '#lib/queue/redis-url.ts'
import { commonEnv, type Environment, headerText, list, parseEnv, port, StartError, tracingOf, whole, wholeOptional } from '#lib/runtime/env.ts'
import { keyFile, keyOf } from '#lib/runtime/key-file.ts'

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** One of the forms of redis-url.ts, checked and kept as it is. */
const redisUrl = () =>
  z.string().superRefine((value, context) => {
    try {
      parseRedisUrl(value)
    } catch (error) {
      context.addIssue({ code: 'custom', message: messageOf(error) })
    }
  })

/** A file of certificates; gives its text. */
const certificates = () =>
  z.string().transform((path, context) => {
    const wrong = (why: string) => {
      context.addIssue({ code: 'custom', message: `must be a file of certificates in PEM, which this worker can read (${why})` })
      return z.NEVER
    }
    try {
      const text = readFileSync(path, 'utf8')
      return text.includes('-----BEGIN CERTIFICATE-----') ? text : wrong('it holds none')
    } catch (error) {
      return wrong(messageOf(error))
    }
  })

/** The variables of the worker. */
export const workerEnv = z.object({
  ...commonEnv,
  WORKER_PORT: port(6002).describe('Port of the worker'),
  WORKER_HOST: z.string().optional().describe('Address it listens on; where unset, all with a key of its own, else 127.0.0.1'),
  WORKER_API_KEY: headerText().optional().describe('Key of the worker, and what its agent sends'),
  WORKER_API_KEY_FILE: keyFile().describe('Instead of WORKER_API_KEY a file that holds it; read at the start'),
  WORKER_RETRY_MAX: whole(0, 100, 3).describe('Retries of a hit after its first try'),
  WORKER_CONCURRENCY: whole(1, 1000, 10).describe('Hits under way at once'),
  HIT_QUEUE: z
    .enum(['auto', 'redis', 'embedded'], { error: 'must be auto, redis or embedded' })
    .default('auto')
    .describe('auto, redis or embedded: where hits are queued'),
  HIT_MAX_BODY_BYTES: whole(0, 64 * 1024 * 1024, 256 * 1024).describe('How much of an answer is kept'),
  HIT_MAX_BACKLOG: whole(1, 100_000_000, DEFAULT_MAX_BACKLOG).describe('Hits that may wait, beyond which 429 is answered'),
  HIT_PER_HOST: wholeOptional(1, 1000).describe('Hits under way at once to one destination; where unset, 80 % of WORKER_CONCURRENCY'),
  HIT_TARGETS: list().describe('any, or public with CIDR exceptions, parted by commas; where unset, any with a key or on loopback, else public'),
  REDIS_HOST: z.string().optional().describe('Host of Redis; where unset, localhost is looked at once (see HIT_QUEUE)'),
  REDIS_PORT: port(6379).describe('Port of Redis'),
  REDIS_USERNAME: z.string().optional().describe('User at Redis, where it has other users than its default one'),
  REDIS_PASSWORD: z.string().optional().describe('Password of Redis; by Sentinel that of the Redis servers'),
  REDIS_URL: redisUrl()
    .optional()
    .describe(
      `Instead of host and port: ${REDIS_URL_FORMS}. Special characters in user and password are written as %XX. What stands before sentinels is theirs; of Redis itself REDIS_USERNAME and REDIS_PASSWORD count there`,
    ),
  REDIS_TLS_CA_FILE: certificates()
    .optional()
    .describe(
      'PEM file of those who may have signed the certificate of Redis; where unset, those whom Node.js trusts. The certificate must be for the host named',
    ),
  REDIS_DB: whole(0, 1023, 0).describe('Redis database of the results; a Cluster has but 0'),
  ASYNQ_DB: whole(0, 1023, 1).describe('Redis database of the queue; on a Cluster 0'),
  QUEUE_DB: wholeOptional(0, 1023).describe('The same as ASYNQ_DB, and goes before it'),
})

/** What `${secret:NAME}` in a request stands for: each variable `HIT_SECRET_NAME` of the environment that is not empty, by its NAME. */
function secretsOf(environment: Environment): ReadonlyMap<string, string> {
  const secrets = new Map<string, string>()
  for (const [variable, value = ''] of Object.entries(environment)) {
    const name = /^HIT_SECRET_([A-Z0-9_]{1,64})$/.exec(variable)?.[1]
    if (name !== undefined && value !== '') secrets.set(name, value)
  }
  return secrets
}

/** Where Redis is, as the variables say together. */
function redisOf(env: z.output<typeof workerEnv>, environment: Environment) {
  const address = env.REDIS_URL === undefined ? undefined : parseRedisUrl(env.REDIS_URL)
  const cluster = address?.kind === 'cluster'
  for (const name of cluster ? (['REDIS_DB', 'ASYNQ_DB', 'QUEUE_DB'] as const) : []) {
    // Set to nothing it counts as not set.
    if (environment[name] && env[name] !== 0)
      throw new StartError(
        `Cannot start: ${name} must be 0 or not set where REDIS_URL is a Redis Cluster, which has no other database, not ${JSON.stringify(environment[name])}`,
      )
  }
  if (env.REDIS_TLS_CA_FILE !== undefined && address?.tls !== true)
    throw new StartError(
      'Cannot start: REDIS_TLS_CA_FILE is set and Redis would be reached without TLS: REDIS_URL must begin with rediss://, sentinels:// or clusters://',
    )
  return {
    /** Whether the operator named a Redis: then it is needed, and never silently replaced. */
    named: env.REDIS_HOST !== undefined || env.REDIS_URL !== undefined,
    host: env.REDIS_HOST ?? 'localhost',
    port: env.REDIS_PORT,
    url: env.REDIS_URL,
    username: env.REDIS_USERNAME,
    password: env.REDIS_PASSWORD,
    /** PEM: who may have signed its certificate. */
    ca: env.REDIS_TLS_CA_FILE,
    db: cluster ? 0 : env.REDIS_DB,
    queueDb: cluster ? 0 : (env.QUEUE_DB ?? env.ASYNQ_DB),
  }
}

/** Reads the worker's part of the environment. */
export function loadWorkerConfig(environment: Environment = process.env) {
  const env = parseEnv(workerEnv, environment)
  const { key } = keyOf('WORKER_API_KEY', env.WORKER_API_KEY, env.WORKER_API_KEY_FILE)
  const ownKey = key !== undefined
  return {
    port: env.WORKER_PORT,
    /** Undefined: all addresses. */
    host: env.WORKER_HOST ?? (ownKey ? undefined : '127.0.0.1'),
    apiKey: key,
    allowedHosts: env.ALLOWED_HOSTS,
    dataDir: env.DATA_DIR,
    maxConfigBytes: env.MAX_CONFIG_BYTES,
    retryMax: env.WORKER_RETRY_MAX,
    concurrency: env.WORKER_CONCURRENCY,
    /** Hits under way at once to one destination. */
    perHost: env.HIT_PER_HOST ?? Math.max(1, Math.floor(env.WORKER_CONCURRENCY * 0.8)),
    /** Hits that may wait. */
    maxBacklog: env.HIT_MAX_BACKLOG,
    maxBodyBytes: env.HIT_MAX_BODY_BYTES,
    /** Values that a request may name, by their names. */
    secrets: secretsOf(environment),
    /** `public`, `any`, CIDR exceptions; empty: by how the worker listens. */
    targets: env.HIT_TARGETS,
    queue: env.HIT_QUEUE,
    redis: redisOf(env, environment),
    tracing: tracingOf(env, 'dcm-worker'),
    shutdownTimeoutSeconds: env.SHUTDOWN_TIMEOUT_SECONDS,
    logLevel: env.LOG_LEVEL,
    logFormat: env.LOG_FORMAT,
  }
}

/** What the worker runs with. */
export type WorkerServiceConfig = ReturnType<typeof loadWorkerConfig>
