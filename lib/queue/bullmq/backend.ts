import { type BackendFactory, createIORedisClient, type MinimalJob, QueueKeys, RedisConnection, RedisQueueBackend, raw2NextJobData } from 'bullmq'
import type { HitEnds } from './ends.ts'
import { type HitKeys, QUEUE_NAME } from './keys.ts'
import type { RedisClient } from './lua.ts'
import { putBackScript, workerScripts } from './worker-scripts.ts'

/** What the worker's side of BullMQ works with. */
export interface HitBackendOptions {
  readonly redis: RedisClient
  readonly keys: HitKeys
  readonly ends: HitEnds
  readonly now: () => number
}

/**
 * BullMQ's own backend on Redis, but for the way in which a job ends (its result is stored in the same step) and is given back
 * (it is listed as pending in the same step), and without its events.
 */
export class HitBackend extends RedisQueueBackend {
  readonly #options: HitBackendOptions

  constructor(options: HitBackendOptions, ...parts: ConstructorParameters<typeof RedisQueueBackend>) {
    super(...parts)
    this.#options = options
  }

  override async moveToCompleted<T, R, N extends string>(job: MinimalJob<T, R, N>, _value: R, _remove: unknown, token: string, fetchNext: boolean) {
    const { ends, now } = this.#options
    const finishedOn = now()
    const next = await ends.finish(job, (state, finishedAt) => {
      // Kept, whatever the options say that an older version of the worker gave the job: it expires beside its result.
      const property = state === 'failed' ? 'failedReason' : 'returnvalue'
      return this.moveToFinishedArgs(job, finishedAt, property, false, state, token, finishedOn, fetchNext)
    })
    return { result: Array.isArray(next) ? raw2NextJobData(next) : undefined, finishedOn }
  }

  /** Gives a job back to the front of the line that was handed out and did not begin. */
  async putBack(jobId: string, token: string): Promise<void> {
    const { active, wait, stalled, paused, meta, limiter, prioritized, marker, events } = this.#options.keys
    const keys = [active, wait, stalled, paused, meta, limiter, prioritized, marker, events]
    await putBackScript.run(this.#options.redis, keys, [jobId, token, this.toKey(jobId)])
  }

  override execCommand(client: Parameters<RedisQueueBackend['execCommand']>[0], commandName: string, args: (string | number | Buffer)[]): unknown {
    const own = workerScripts.get(commandName)
    if (own === undefined) return super.execCommand(client, commandName, args)
    // What BullMQ leaves out is empty, as ioredis sends it.
    const filled = args.map((arg) => arg ?? '')
    return own.script.run(this.#options.redis, filled.slice(0, own.keys).map(String), filled.slice(own.keys))
  }
}

/** Makes the worker's backend, as BullMQ makes its own. */
export const hitBackendFactory =
  (options: HitBackendOptions): BackendFactory<HitBackend> =>
  (_name, opts) => {
    const { redis } = options
    const { prefix } = options.keys
    const keys = new QueueKeys(prefix)
    // A blocking command must not hold up the others.
    const blocking = createIORedisClient(redis).duplicate({ connectionName: `${prefix}:${QUEUE_NAME}` })
    return new HitBackend(
      options,
      new RedisConnection(redis, { shared: true, blocking: false }),
      QUEUE_NAME,
      keys.getKeys(QUEUE_NAME),
      (type) => keys.toKey(QUEUE_NAME, type),
      opts,
      new RedisConnection(blocking, { shared: false, blocking: true }),
    )
  }
