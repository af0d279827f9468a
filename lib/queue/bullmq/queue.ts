import { once } from 'node:events'
import type { Redis } from 'ioredis'
import type { HitResult } from '../../contract/hit.ts'
import type { Logger } from '../../observe/logger.ts'
import type { Clock } from '../../runtime/clock.ts'
import { EndWaiters } from '../end-waiters.ts'
import { Outage } from '../outage.ts'
import { type HitJob, type HitProcessor, type HitQueue, type QueueHealth, QueueUnavailableError } from '../port.ts'
import { RunningAttempts } from '../running-attempts.ts'
import { digestKey, isTaskId } from '../stored-job.ts'
import { isAway, MaybeQueuedError } from './away.ts'
import { openClient, type RedisTarget, targetName } from './connections.ts'
import { probe, redisHealth } from './health.ts'
import { RedisJobs } from './jobs.ts'
import { EndPoll } from './poll-ends.ts'
import { RedisResults } from './results.ts'
import { HitWorker } from './worker.ts'

/** How often Redis is tried during an outage, in ms. */
const PROBE_EVERY_MS = 250

/** What BullMQ may take to end once nothing runs, in ms: at leisure, and after a drain's deadline. */
const CLOSE_MS = { leisure: 1000, deadline: 300 } as const

/** The hit queue on Redis. Made by {@link openRedisHitQueue}. */
export class RedisHitQueue implements HitQueue {
  readonly engine = 'redis'
  readonly #options: { readonly redis: RedisTarget; readonly logger: Logger; readonly clock: Clock }
  readonly #closing = new AbortController()
  readonly #outage: Outage
  readonly #clients: readonly [queue: Redis, results: Redis]
  readonly #results: RedisResults
  readonly #jobs: RedisJobs
  readonly #waiters = new EndWaiters()
  readonly #poll: EndPoll
  readonly #attempts: RunningAttempts
  #worker: HitWorker | undefined
  #probing = false

  constructor(options: { readonly redis: RedisTarget; readonly logger: Logger; readonly clock: Clock }) {
    const { redis, logger, clock } = options
    this.#options = options
    this.#outage = new Outage({
      logger,
      clock,
      part: 'bullmq',
      store: targetName(redis),
      onDown: () => void this.#probeUntilBack(),
      closed: this.#closing.signal,
    })
    this.#clients = [openClient(redis, redis.queueDb, this.#outage), openClient(redis, redis.db, this.#outage)]
    this.#results = new RedisResults(this.#clients[1])
    this.#jobs = new RedisJobs(this.#clients[0], this.#results)
    this.#jobs.queue.on('error', (error) => {
      if (isAway(error)) this.#outage.down(error)
      else logger.warn('bullmq', error.message)
    })
    this.#poll = new EndPoll({ waiters: this.#waiters, results: this.#results, logger, clock, closed: this.#closing.signal })
    this.#attempts = new RunningAttempts({ logger, clock, part: 'bullmq' })
  }

  /** Resolves when both connections are ready, or the signal aborts. */
  async connected(signal: AbortSignal): Promise<void> {
    const ready = this.#clients.map((client) => once(client, 'ready', { signal }))
    await Promise.all(ready).catch(() => {})
  }

  async enqueue(job: HitJob, options: { readonly idempotencyKey?: string } = {}): Promise<{ task_id: string; duplicate: boolean }> {
    const { idempotencyKey } = options
    return this.#reach(async () => {
      if (idempotencyKey === undefined) {
        await this.#jobs.add(job)
        return { task_id: job.task_id, duplicate: false }
      }
      const task_id = await this.#jobs.addOnce(job, digestKey(idempotencyKey))
      return { task_id, duplicate: task_id !== job.task_id }
    })
  }

  async find(taskId: string): Promise<HitResult | undefined> {
    // BullMQ keeps its own things beside the jobs, under names like `events`.
    if (!isTaskId(taskId)) return undefined
    // A hit may end between the first two looks; its result is there before its job goes.
    return this.#reach(async () => (await this.#results.read(taskId)) ?? (await this.#jobs.find(taskId)) ?? (await this.#results.read(taskId)))
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
      target: redis,
      results: this.#results,
      attempts: this.#attempts,
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
    await this.#worker?.close(signal.aborted ? CLOSE_MS.deadline : CLOSE_MS.leisure)
  }

  health(): Promise<QueueHealth> {
    return redisHealth(this.#clients, this.#jobs, () => this.#outage.reason)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return
    await this.drain(AbortSignal.abort())
    this.#closing.abort()
    this.#waiters.releaseAll()
    // Not quit(): that waits for an answer, which a Redis that is away does not give.
    for (const client of this.#clients) client.disconnect()
  }

  /** Turns what a command fails with while Redis is away into the port's word; other errors go on as they are. */
  async #reach<T>(command: () => Promise<T>): Promise<T> {
    try {
      if (this.#closing.signal.aborted) throw new QueueUnavailableError('The hit queue is closed', 'refused')
      return await command()
    } catch (error) {
      const outcome = error instanceof MaybeQueuedError ? 'unknown' : 'refused'
      const cause = error instanceof MaybeQueuedError ? error.cause : error
      if (!isAway(cause)) throw cause
      if (this.#closing.signal.aborted) throw new QueueUnavailableError('The hit queue is closed', outcome, { cause })
      this.#outage.down(cause)
      // What a client says of a command that it did not even send helps nobody; why it is not connected does.
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
