import { type BackendFactory, createIORedisClient, type MinimalJob, QueueKeys, RedisConnection, RedisQueueBackend, raw2NextJobData } from 'bullmq'
import type { HitEnds } from './ends.ts'
import { FinishArgs, propertyOf } from './finish-args.ts'
import { type HitKeys, QUEUE_NAME } from './keys.ts'
import type { RedisClient, ScriptArgument } from './lua.ts'
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
  readonly #finishArgs: FinishArgs

  constructor(options: HitBackendOptions, ...parts: ConstructorParameters<typeof RedisQueueBackend>) {
    super(...parts)
    this.#options = options
    // Kept, whatever the options say that an older version of the worker gave the job: it expires beside its result.
    this.#finishArgs = new FinishArgs(
      ({ job, value, state, token, at, fetchNext }) => this.moveToFinishedArgs(job, value, propertyOf(state), false, state, token, at, fetchNext),
      options.keys.base,
    )
  }

  /** A job leaves this worker: it ends, or is put off. */
  override async moveToCompleted<T, R, N extends string>(job: MinimalJob<T, R, N>, _value: R, _remove: unknown, token: string, fetchNext: boolean) {
    const at = this.#options.now()
    const next = await this.#options.ends.finish(job, {
      endArgs: (state, value) => this.#finishArgs.make({ job, state, value, token, at, fetchNext: fetchNext && this.closing === undefined }),
      delay: ({ delay_ms, charged, past }) => {
        const fields = past === undefined ? {} : { fieldsToUpdate: { progress: past } }
        const args = this.moveToDelayedArgs(job.id ?? '', at, token, Math.round(delay_ms), { skipAttempt: !charged, fetchNext, ...fields })
        return this.#run('moveToDelayed', args)
      },
    })
    return { result: Array.isArray(next) ? raw2NextJobData(next) : undefined, finishedOn: at }
  }

  /** Gives a job back to the front of the line that was handed out and did not begin. */
  async putBack(jobId: string, token: string): Promise<void> {
    const { active, wait, stalled, paused, meta, limiter, prioritized, marker, events } = this.#options.keys
    const keys = [active, wait, stalled, paused, meta, limiter, prioritized, marker, events]
    await putBackScript.run(this.#options.redis, keys, [jobId, token, this.toKey(jobId)])
  }

  override execCommand(client: Parameters<RedisQueueBackend['execCommand']>[0], commandName: string, args: ScriptArgument[]): unknown {
    return workerScripts.has(commandName) ? this.#run(commandName, args) : super.execCommand(client, commandName, args)
  }

  /** Runs one of the worker's scripts in its form here. */
  async #run(name: string, args: readonly ScriptArgument[]): Promise<unknown> {
    const { script, keys } = workerScripts.get(name) ?? {}
    if (script === undefined || keys === undefined) throw new Error(`There is no script ${name}`)
    // What BullMQ leaves out is empty, as ioredis sends it.
    const all = args.map((arg) => arg ?? '')
    return script.runAll(this.#options.redis, keys, all)
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
