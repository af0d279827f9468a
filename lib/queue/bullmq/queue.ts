import { once } from 'node:events'
import type { HitResult, HitStatus } from '../../contract/hit.ts'
import type { Logger } from '../../observe/logger.ts'
import type { Clock } from '../../runtime/clock.ts'
import { EndWaiters } from '../end-waiters.ts'
import { Outage } from '../outage.ts'
import {
  BacklogFullError,
  type HitJob,
  type HitListPage,
  type HitProcessor,
  type HitQueue,
  type QueueCounts,
  type QueueHealth,
  QueueUnavailableError,
  type RetryAnswer,
} from '../port.ts'
import { RunningAttempts } from '../running-attempts.ts'
import { digestKey, isTaskId } from '../stored-job.ts'
import { awayReason, isAway, MaybeQueuedError } from './away.ts'
import { Backlog } from './backlog.ts'
import { openClient, openWorkerConnection } from './connections.ts'
import { readCounts } from './counts.ts'
import { HitFinder } from './find.ts'
import { probe, redisHealth } from './health.ts'
import { RedisJobs } from './jobs.ts'
import { HitKeys } from './keys.ts'
import { RedisLists } from './lists.ts'
import type { RedisClient } from './lua.ts'
import { RedisPause } from './pause.ts'
import { EndPoll } from './poll-ends.ts'
import { RedisResults } from './results.ts'
import { RedisRetries } from './retries.ts'
import { addressOf, type RedisTarget, targetName } from './settings.ts'
import { HitWorker } from './worker.ts'

/** How often Redis is tried during an outage, in ms. */
const PROBE_EVERY_MS = 250

/** What the queue is made of. */
interface RedisHitQueueParts {
  readonly redis: RedisTarget
  readonly maxBacklog: number
  readonly logger: Logger
  readonly clock: Clock
}

/** The hit queue on Redis. Made by {@link openRedisHitQueue}. */
export class RedisHitQueue implements HitQueue {
  readonly engine = 'redis'
  readonly #options: RedisHitQueueParts
  readonly #closing = new AbortController()
  readonly #outage: Outage
  /** Resolved when Redis is away for the first time. */
  readonly #missed = Promise.withResolvers<void>()
  readonly #cluster: boolean
  readonly #keys: HitKeys
  /** Of the queue, and of the results; on a Cluster one for both. */
  readonly #clients: readonly [queue: RedisClient, results: RedisClient]
  readonly #results: RedisResults
  readonly #jobs: RedisJobs
  readonly #lists: RedisLists
  readonly #retries: RedisRetries
  readonly #pause: RedisPause
  readonly #finder: HitFinder
  readonly #backlog: Backlog
  readonly #waiters = new EndWaiters()
  readonly #poll: EndPoll
  readonly #attempts: RunningAttempts
  #worker: HitWorker | undefined
  #probing = false

  constructor(options: RedisHitQueueParts) {
    const { redis, logger, clock, maxBacklog } = options
    this.#options = options
    this.#outage = new Outage({
      logger,
      clock,
      part: 'bullmq',
      store: targetName(redis),
      onDown: () => {
        this.#missed.resolve()
        void this.#probeUntilBack()
      },
      closed: this.#closing.signal,
    })
    this.#cluster = addressOf(redis).kind === 'cluster'
    this.#keys = new HitKeys(this.#cluster)
    const queue = openClient(redis, redis.queueDb, this.#outage)
    this.#clients = [queue, this.#cluster ? queue : openClient(redis, redis.db, this.#outage)]
    this.#results = new RedisResults(this.#clients[1])
    this.#jobs = new RedisJobs(queue, this.#keys)
    this.#lists = new RedisLists(queue, this.#keys, this.#results)
    this.#retries = new RedisRetries(queue, this.#keys, this.#results)
    this.#pause = new RedisPause(queue, this.#keys)
    this.#finder = new HitFinder(this.#jobs, this.#results)
    this.#backlog = new Backlog({ most: maxBacklog, count: () => this.#jobs.waiting(), clock, closed: this.#closing.signal })
    this.#poll = new EndPoll({ waiters: this.#waiters, finder: this.#finder, logger, clock, closed: this.#closing.signal })
    this.#attempts = new RunningAttempts({ logger, clock, part: 'bullmq' })
  }

  /** Resolves when all connections are ready, Redis is known to be away, or the signal aborts. */
  async connected(signal: AbortSignal): Promise<void> {
    const ready = [...new Set(this.#clients)].map((client) => new Promise<void>((resolve) => void client.once('ready', resolve)))
    await Promise.race([Promise.all(ready).then(() => this.#backlog.look()), this.#missed.promise, once(signal, 'abort')])
  }

  async enqueue(job: HitJob, options: { readonly idempotencyKey?: string } = {}): Promise<{ task_id: string; duplicate: boolean }> {
    const digest = options.idempotencyKey === undefined ? undefined : digestKey(options.idempotencyKey)
    return this.#reach(async () => {
      const task_id = await this.#add([job], digest)
      return { task_id, duplicate: task_id !== job.task_id }
    })
  }

  async enqueueMany(jobs: readonly HitJob[]): Promise<void> {
    if (jobs.length > 0) await this.#reach(() => this.#add(jobs))
  }

  async #add(jobs: readonly HitJob[], digest?: string): Promise<string> {
    try {
      await this.#backlog.take(jobs.length)
    } catch (error) {
      // A key that was seen queues nothing.
      const holder = error instanceof BacklogFullError && digest !== undefined ? await this.#jobs.holder(digest) : undefined
      if (holder === undefined) throw error
      return holder
    }
    try {
      return await this.#jobs.add(jobs, digest)
    } catch (error) {
      if (!(error instanceof MaybeQueuedError)) this.#backlog.giveBack(jobs.length)
      throw error
    }
  }

  list({ state, cursor, limit }: { readonly state: HitStatus; readonly cursor?: string; readonly limit: number }): Promise<HitListPage> {
    return this.#reach(() => this.#lists.page(state, cursor, limit))
  }

  async retry(taskId: string): Promise<RetryAnswer> {
    return isTaskId(taskId) ? this.#reach(() => this.#retries.retry(taskId)) : 'unknown'
  }

  retryFailed(max: number): Promise<{ retried: number; remaining: boolean }> {
    return this.#reach(() => this.#retries.retryFailed(max))
  }

  pause(): Promise<void> {
    return this.#reach(() => this.#pause.set(true))
  }

  resume(): Promise<void> {
    return this.#reach(() => this.#pause.set(false))
  }

  counts(): Promise<QueueCounts> {
    return this.#reach(() => readCounts(this.#clients[0], this.#keys))
  }

  async find(taskId: string): Promise<HitResult | undefined> {
    // BullMQ keeps its own things beside the jobs, under names like `events`.
    return isTaskId(taskId) ? this.#reach(() => this.#finder.find(taskId)) : undefined
  }

  waitForEnd(taskId: string, signal: AbortSignal): Promise<HitResult | undefined> {
    const end = this.#waiters.wait(taskId, signal, (id) => this.find(id))
    this.#poll.ensure()
    return end
  }

  start(process: HitProcessor, { concurrency }: { readonly concurrency: number }): void {
    if (this.#worker !== undefined) throw new Error('Cannot start the hit queue: it was started already. Call start once')
    const { redis, logger, clock } = this.#options
    this.#worker = new HitWorker({
      connection: openWorkerConnection(redis, this.#outage),
      keys: this.#keys,
      results: this.#results,
      databases: this.#cluster ? undefined : { results: redis.db, queue: redis.queueDb },
      attempts: this.#attempts,
      pause: this.#pause,
      outage: this.#outage,
      logger,
      clock,
      process,
      concurrency,
      closed: this.#closing.signal,
      ended: (result) => this.#waiters.notify(result),
    })
  }

  async drain(signal: AbortSignal): Promise<void> {
    const drained = this.#attempts.drain(signal)
    this.#worker?.pause()
    await drained
    await this.#worker?.close(signal)
  }

  health(): Promise<QueueHealth> {
    return redisHealth(this.#clients, this.#keys, () => this.#outage.reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return
    await this.drain(AbortSignal.abort())
    this.#closing.abort()
    this.#waiters.releaseAll()
    // Not quit(): that waits for an answer, which a Redis that is away does not give.
    for (const client of new Set(this.#clients)) client.disconnect()
  }

  /** Turns what a command fails with while Redis is away into the port's word; other errors go on as they are. */
  async #reach<T>(command: () => Promise<T>): Promise<T> {
    const began = this.#options.clock.monotonic()
    try {
      if (this.#closing.signal.aborted) throw new QueueUnavailableError('The hit queue is closed', 'refused')
      return await command()
    } catch (error) {
      const outcome = error instanceof MaybeQueuedError ? 'unknown' : 'refused'
      const cause = error instanceof MaybeQueuedError ? error.cause : error
      if (!isAway(cause)) throw cause
      if (this.#closing.signal.aborted) throw new QueueUnavailableError('The hit queue is closed', outcome, { cause })
      this.#outage.down(awayReason(cause), began)
      const message = this.#outage.reason ?? (cause instanceof Error ? cause.message : String(cause))
      throw new QueueUnavailableError(`The hit queue cannot be used: ${targetName(this.#options.redis)} says ${JSON.stringify(message)}`, outcome, { cause })
    }
  }

  /** Ends an outage: whoever noticed it may not call again for a while. */
  async #probeUntilBack(): Promise<void> {
    if (this.#probing) return
    this.#probing = true
    const { clock } = this.#options
    while (this.#outage.isDown && !this.#closing.signal.aborted) {
      await clock.sleep(PROBE_EVERY_MS, this.#closing.signal)
      await probe(this.#clients).then(
        () => this.#outage.up(),
        () => {},
      )
    }
    this.#probing = false
  }
}
