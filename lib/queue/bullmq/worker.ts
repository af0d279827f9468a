import { DelayedError, type Job, WaitingError, Worker } from 'bullmq'
import type { HitResult } from '../../contract/hit.ts'
import type { Logger } from '../../observe/logger.ts'
import { backoffDelay } from '../../runtime/backoff.ts'
import type { Clock } from '../../runtime/clock.ts'
import { crashedOutcome, finalResult, thrownOutcome } from '../final-result.ts'
import type { Outage } from '../outage.ts'
import { type AttemptOutcome, type HitJob, type HitProcessor, LEASE_MS, MAX_CRASHES } from '../port.ts'
import type { RunningAttempts } from '../running-attempts.ts'
import { isAway } from './away.ts'
import { type RedisTarget, WorkerRedis } from './connections.ts'
import { QUEUE_NAME, readJobData } from './jobs.ts'
import type { RedisResults } from './results.ts'

/** How often BullMQ looks for jobs whose lock has run out: with {@link LEASE_MS} a killed worker's hit is back in 6 to 9 s. */
const STALLED_CHECK_MS = 2000

/** Between tries to write a result while Redis is away. */
const backoff = { base_ms: 100, max_ms: 1000, jitter: 0.2 }

/** What a worker needs. */
export interface HitWorkerOptions {
  readonly target: RedisTarget
  readonly results: RedisResults
  readonly attempts: RunningAttempts
  readonly outage: Outage
  readonly logger: Logger
  readonly clock: Clock
  readonly process: HitProcessor
  readonly concurrency: number
  /** Aborted when the queue is closed. */
  readonly closed: AbortSignal
  /** Told of each result that was stored. */
  readonly ended: (result: HitResult) => void
}

/** A job with the token of its lock. */
interface Locked {
  readonly id: string
  readonly token: string
}

/**
 * Runs hits with BullMQ's worker. What BullMQ knows is used as follows: its count of attempts made is ours, and
 * only a `retry` raises it; its stalls are our crashes. A job is never failed in BullMQ's sense: each way to end,
 * the last crash too, goes through the processor, which stores the result before BullMQ removes the job. So
 * whatever dies in between, the job comes back and ends once more, on the result that stands.
 */
export class HitWorker {
  readonly #options: HitWorkerOptions
  readonly #redis: WorkerRedis
  readonly #worker: Worker<unknown, void>

  constructor(options: HitWorkerOptions) {
    this.#options = options
    this.#redis = new WorkerRedis(options.target, options.outage)
    this.#worker = new Worker<unknown, void>(QUEUE_NAME, (job, token) => this.#work(job, token), {
      connection: this.#redis,
      concurrency: options.concurrency,
      lockDuration: LEASE_MS,
      stalledInterval: STALLED_CHECK_MS,
      // Counted here, in #work: BullMQ would fail the job without a result.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      // After an error of the connection BullMQ waits this long; its own default is 15 s.
      runRetryDelay: 500,
    })
    this.#worker.on('error', (error) => this.#onError(error))
    this.#worker.on('lockRenewalFailed', (ids) => {
      options.logger.warn(
        'bullmq',
        `the leases of ${ids.length} hits are lost, since they could not be renewed in time; hits that have not ended are run again`,
      )
      for (const id of ids) options.attempts.abort(id, new Error('the lease of this hit is lost'))
    })
  }

  /** Takes no more jobs; those that run go on. */
  pause(): void {
    void this.#worker.pause(true).catch((error) => this.#onError(error))
  }

  /** Ends BullMQ's part, within `ms`: where Redis was never reached it would not end by itself. */
  async close(ms: number): Promise<void> {
    const ended = new AbortController()
    const closed = this.#worker.close().catch((error) => this.#onError(error))
    await Promise.race([closed, this.#options.clock.sleep(ms, ended.signal)])
    ended.abort()
    this.#redis.endAll()
  }

  async #work(bull: Job<unknown, void>, token = ''): Promise<void> {
    const { attempts } = this.#options
    const locked = { id: bull.id ?? '', token }
    if (attempts.draining) return this.#release(locked, 0)
    const { job, key, unreadable } = readJobData(locked.id, bull.data)
    try {
      await this.#run(bull, locked, { job, key, unreadable })
    } catch (error) {
      if (error instanceof DelayedError || error instanceof WaitingError) throw error
      await this.#endBroken(job, key, bull.attemptsMade, error)
    }
  }

  async #run(bull: Job<unknown, void>, locked: Locked, { job, key, unreadable }: ReturnType<typeof readJobData>): Promise<void> {
    const { attempts, process } = this.#options
    const early = unreadable ?? (bull.stalledCounter >= MAX_CRASHES ? crashedOutcome : undefined)
    // Only where it may have ended before: a look costs a round trip.
    if ((key !== undefined || bull.stalledCounter > 0) && (await this.#alreadyEnded(job, key))) return
    // An end that is no attempt of its own counts those that were charged.
    const attempt = early === undefined ? bull.attemptsMade + 1 : bull.attemptsMade
    const run: HitProcessor = early === undefined ? process : async () => ({ kind: 'final', result: early })
    await attempts.run(job, attempt, run, (outcome) => this.#settle(locked, job, attempt, key, outcome))
  }

  async #settle(locked: Locked, job: HitJob, attempt: number, key: string | undefined, outcome: AttemptOutcome): Promise<void> {
    if (outcome.kind === 'release') return this.#release(locked, outcome.delay_ms)
    if (outcome.kind === 'retry') return this.#delay(locked, outcome.delay_ms, { skipAttempt: false })
    const { results, clock, ended } = this.#options
    const result = finalResult(job, outcome.result, attempt, clock.now())
    ended(await this.#patiently(() => results.store(result, key)))
  }

  /**
   * Ends a hit for which Redis holds something that is not what it should be, an unreadable result, say. It would
   * be met again at each run, so the hit ends `failed`, class `internal`, unless a result stands already, which is
   * then left as it is. BullMQ removes the job when this returns: it neither keeps its slot nor comes back.
   */
  async #endBroken(job: HitJob, key: string | undefined, attempts: number, error: unknown): Promise<void> {
    const { results, clock, ended, logger } = this.#options
    logger.error('bullmq', `hit ${job.task_id} ends: what Redis holds of it cannot be used`, { error: error instanceof Error ? error.stack : String(error) })
    try {
      ended(await this.#patiently(() => results.store(finalResult(job, thrownOutcome(error), attempts, clock.now()), key)))
    } catch (again) {
      // Closed while Redis was away: the job must stay.
      if (again instanceof DelayedError) throw again
      logger.debug('bullmq', `the result of hit ${job.task_id} stays as it is`, { error: again instanceof Error ? again.message : String(again) })
    }
  }

  /** Whether this hit ended before: by a worker that died before it could remove the job, or under another task with its key. */
  async #alreadyEnded(job: HitJob, key: string | undefined): Promise<boolean> {
    const { results, ended } = this.#options
    const [result, holder] = await this.#patiently(() => Promise.all([results.read(job.task_id), key === undefined ? undefined : results.endedHolder(key)]))
    if (result !== undefined) ended(result)
    return result !== undefined || holder !== undefined
  }

  /**
   * Tries until Redis answers: an outcome must not be lost while this process lives.
   * @throws what does not mean that Redis is away, since it would come again each time
   */
  async #patiently<T>(command: () => Promise<T>): Promise<T> {
    const { outage, clock, closed } = this.#options
    for (let failures = 1; ; failures += 1) {
      try {
        return await command()
      } catch (error) {
        if (!isAway(error)) throw error
        // Thrown at BullMQ's worker so that it leaves the job where it is; it comes back when its lock has run out.
        if (closed.aborted) throw new DelayedError()
        outage.down(error)
        await clock.sleep(backoffDelay(failures, backoff, clock), closed)
      }
    }
  }

  async #release({ id, token }: Locked, delayMs: number): Promise<never> {
    if (delayMs > 0) return this.#delay({ id, token }, delayMs, { skipAttempt: true })
    // To the front of the line, where it came from.
    await this.#worker
      .getBackend()
      .moveJobFromActiveToWait(id, token)
      .catch((error) => this.#onError(error))
    throw new WaitingError()
  }

  async #delay({ id, token }: Locked, delayMs: number, charge: { readonly skipAttempt: boolean }): Promise<never> {
    await this.#worker
      .getBackend()
      .moveToDelayed(id, this.#options.clock.now(), Math.round(delayMs), token, charge)
      .catch((error) => this.#onError(error))
    throw new DelayedError()
  }

  /** Errors of the connection are told by the outage; a lock that was lost has been told when its renewal failed, and the next worker makes it good. */
  #onError(error: unknown): void {
    const { outage, logger, closed } = this.#options
    const message = error instanceof Error ? error.message : String(error)
    if (isAway(error)) outage.down(error)
    else if (/Missing (lock|key) for job|could not renew lock/.test(message)) logger.debug('bullmq', message)
    else if (!outage.isDown && !closed.aborted) logger.warn('bullmq', message)
  }
}
