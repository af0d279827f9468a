import { once } from 'node:events'
import type { HitResult, HitStatus } from '../../contract/hit.ts'
import type { Logger } from '../../observe/logger.ts'
import type { Clock } from '../../runtime/clock.ts'
import { EndWaiters } from '../end-waiters.ts'
import {
  BacklogFullError,
  type HitJob,
  type HitListPage,
  type HitProcessor,
  type HitQueue,
  type QueueCounts,
  type QueueHealth,
  type RetryAnswer,
} from '../port.ts'
import { RunningAttempts } from '../running-attempts.ts'
import { digestKey, isTaskId } from '../stored-job.ts'
import { MaybeQueuedError } from './away.ts'
import { Backlog } from './backlog.ts'
import { openClient, openWorkerConnection } from './connections.ts'
import { readCounts } from './counts.ts'
import { HitFinder } from './find.ts'
import { redisHealth } from './health.ts'
import { RedisJobs } from './jobs.ts'
import { HitKeys } from './keys.ts'
import { RedisLists } from './lists.ts'
import type { RedisClient } from './lua.ts'
import { RedisPause } from './pause.ts'
import { EndPoll } from './poll-ends.ts'
import { RedisReach } from './reach.ts'
import { RedisResults } from './results.ts'
import { RedisRetries } from './retries.ts'
import { addressOf, type RedisTarget, targetName } from './settings.ts'
import { HitWorker } from './worker.ts'

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
  readonly #reach: RedisReach
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

  constructor(options: RedisHitQueueParts) {
    const { redis, logger, clock, maxBacklog } = options
    this.#options = options
    this.#cluster = addressOf(redis).kind === 'cluster'
    this.#keys = new HitKeys(this.#cluster)
    this.#reach = new RedisReach({ store: targetName(redis), clients: () => this.#clients, logger, clock, closed: this.#closing.signal })
    const { outage } = this.#reach
    const queue = openClient(redis, redis.queueDb, outage)
    this.#clients = [queue, this.#cluster ? queue : openClient(redis, redis.db, outage)]
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
    await Promise.race([Promise.all(ready).then(() => this.#backlog.look()), this.#reach.missed, once(signal, 'abort')])
  }

  async enqueue(job: HitJob, options: { readonly idempotencyKey?: string } = {}): Promise<{ task_id: string; duplicate: boolean }> {
    const digest = options.idempotencyKey === undefined ? undefined : digestKey(options.idempotencyKey)
    return this.#reach.run(async () => {
      const task_id = await this.#add([job], digest)
      return { task_id, duplicate: task_id !== job.task_id }
    })
  }

  async enqueueMany(jobs: readonly HitJob[]): Promise<void> {
    if (jobs.length > 0) await this.#reach.run(() => this.#add(jobs))
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
    return this.#reach.run(() => this.#lists.page(state, cursor, limit))
  }

  async retry(taskId: string): Promise<RetryAnswer> {
    return isTaskId(taskId) ? this.#reach.run(() => this.#retries.retry(taskId)) : 'unknown'
  }

  retryFailed(max: number): Promise<{ retried: number; remaining: boolean }> {
    return this.#reach.run(() => this.#retries.retryFailed(max))
  }

  pause(): Promise<void> {
    return this.#reach.run(() => this.#pause.set(true))
  }

  resume(): Promise<void> {
    return this.#reach.run(() => this.#pause.set(false))
  }

  counts(): Promise<QueueCounts> {
    return this.#reach.run(() => readCounts(this.#clients[0], this.#keys))
  }

  async find(taskId: string): Promise<HitResult | undefined> {
    // BullMQ keeps its own things beside the jobs, under names like `events`.
    return isTaskId(taskId) ? this.#reach.run(() => this.#finder.find(taskId)) : undefined
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
      connection: openWorkerConnection(redis, this.#reach.outage),
      keys: this.#keys,
      results: this.#results,
      databases: this.#cluster ? undefined : { results: redis.db, queue: redis.queueDb },
      attempts: this.#attempts,
      pause: this.#pause,
      outage: this.#reach.outage,
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
    return redisHealth(this.#clients, this.#keys, () => this.#reach.outage.reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return
    await this.drain(AbortSignal.abort())
    this.#closing.abort()
    this.#waiters.releaseAll()
    // Not quit(): that waits for an answer, which a Redis that is away does not give.
    for (const client of new Set(this.#clients)) client.disconnect()
  }
}
