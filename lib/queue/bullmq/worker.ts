import { DelayedError, type Job, WaitingError, Worker } from 'bullmq'
import type { HitResult } from '../../contract/hit.ts'
import type { Logger } from '../../observe/logger.ts'
import type { Clock } from '../../runtime/clock.ts'
import { crashedOutcome, finalResult, thrownOutcome, withAttempt } from '../final-result.ts'
import type { Outage } from '../outage.ts'
import { type AttemptOutcome, type HitOutcomeResult, type HitProcessor, LEASE_MS, MAX_CRASHES } from '../port.ts'
import type { AttemptFacts, RunningAttempts } from '../running-attempts.ts'
import { awayReason, isAway } from './away.ts'
import { type HitBackend, hitBackendFactory } from './backend.ts'
import type { WorkerConnection } from './connections.ts'
import { HitEnds, tellUnusable } from './ends.ts'
import { isReplaced, type Past, readJobData, readPast } from './job-data.ts'
import { type HitKeys, QUEUE_NAME } from './keys.ts'
import { Patience } from './patience.ts'
import type { RedisPause } from './pause.ts'
import type { RedisResults } from './results.ts'

/** How often BullMQ looks for jobs whose lock has run out: with {@link LEASE_MS} a killed worker's hit is back in 6 to 9 s. */
const STALLED_CHECK_MS = 2000

/** What BullMQ may take to end once nothing runs, in ms: at leisure, and after a drain's deadline. */
const CLOSE_MS = { leisure: 1000, deadline: 300 } as const

/** What a worker needs. */
export interface HitWorkerOptions {
  readonly connection: WorkerConnection
  readonly keys: HitKeys
  readonly results: RedisResults
  /** The databases; absent on a Cluster, which has one and no script that reaches results and queue. */
  readonly databases: { readonly results: number; readonly queue: number } | undefined
  readonly attempts: RunningAttempts
  readonly pause: Pick<RedisPause, 'pausedHere' | 'holds'>
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

/** A job, as BullMQ and as ours. */
interface Running extends ReturnType<typeof readJobData> {
  readonly bull: Job<unknown, void>
  readonly id: string
  /** Of its lock. */
  readonly token: string
  readonly past: Past
}

/**
 * Runs hits with BullMQ's worker. What BullMQ knows is used as follows: its count of attempts made is ours, and only a `retry`
 * raises it; its stalls are our crashes; its progress is the history of a hit that was tried before. A job is never failed by
 * BullMQ itself: each way to end, the last crash too, goes through the processor and {@link HitEnds}, which stores the result in
 * the step that ends the job. So whatever dies in between, the job comes back and ends once more, on the result that stands.
 */
export class HitWorker {
  readonly #options: HitWorkerOptions
  readonly #patience: Patience
  readonly #ends: HitEnds
  readonly #worker: Worker<unknown, void, string, HitBackend>

  constructor(options: HitWorkerOptions) {
    this.#options = options
    const { connection, keys, results, databases, logger, clock, attempts, ended } = options
    this.#patience = new Patience(options)
    this.#ends = new HitEnds({ redis: connection.redis, results, databases, patience: this.#patience, logger, ended })
    this.#worker = new Worker<unknown, void, string, HitBackend>(
      QUEUE_NAME,
      (bull, token) => this.#work(bull, token),
      {
        connection: connection.redis,
        prefix: keys.prefix,
        concurrency: options.concurrency,
        lockDuration: LEASE_MS,
        stalledInterval: STALLED_CHECK_MS,
        // Counted here, in #work: BullMQ would fail the job without a result.
        maxStalledCount: Number.MAX_SAFE_INTEGER,
        // After an error of the connection BullMQ waits this long; its own default is 15 s.
        runRetryDelay: 500,
      },
      hitBackendFactory({ redis: connection.redis, keys, ends: this.#ends, now: clock.now }),
    )
    this.#worker.on('error', (error) => this.#onError(error))
    this.#worker.on('lockRenewalFailed', (ids) => {
      logger.warn('bullmq', `the leases of ${ids.length} hits are lost, since they could not be renewed in time; hits that have not ended are run again`)
      for (const id of ids) attempts.abort(id, new Error('the lease of this hit is lost'))
    })
  }

  /** Takes no more jobs; those that run go on. */
  pause(): void {
    void this.#worker.pause(true).catch((error) => this.#onError(error))
  }

  /** Waits until the signal for ends that are being written, then ends BullMQ's part: where Redis was never reached it would not end by itself. */
  async close(signal: AbortSignal): Promise<void> {
    const { clock, connection } = this.#options
    const aborted = Promise.withResolvers<void>()
    const onAbort = () => aborted.resolve()
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    await Promise.race([this.#ends.settled(), aborted.promise])
    signal.removeEventListener('abort', onAbort)
    const ended = new AbortController()
    const closed = this.#worker.close().catch((error) => this.#onError(error))
    await Promise.race([closed, clock.sleep(signal.aborted ? CLOSE_MS.deadline : CLOSE_MS.leisure, ended.signal)])
    ended.abort()
    connection.end()
  }

  async #work(bull: Job<unknown, void>, token = ''): Promise<void> {
    const id = bull.id ?? ''
    const running: Running = { bull, id, token, past: readPast(bull.progress), ...readJobData(id, bull.data) }
    const { attempts, pause } = this.#options
    try {
      if (attempts.draining || (pause.pausedHere && (await this.#patience.until(() => pause.holds())))) return await this.#putBack(running)
      await this.#run(running)
    } catch (error) {
      if (error instanceof DelayedError || error instanceof WaitingError) throw error
      // Something that Redis holds of it: it would be met again at each run, so the hit ends.
      tellUnusable(this.#options.logger, id, error)
      this.#end(running, thrownOutcome(error), bull.attemptsMade)
    }
  }

  async #run(running: Running): Promise<void> {
    const { attempts, process } = this.#options
    const { bull, job, unreadable, past } = running
    const early = unreadable ?? (bull.stalledCounter >= MAX_CRASHES ? crashedOutcome : undefined)
    // A look costs a round trip, so only where a worker lost it: it may have stored the result all the same.
    if (bull.stalledCounter > 0 && (await this.#alreadyEnded(running))) return
    // An end that is no attempt of its own counts those that were charged.
    if (early !== undefined) return this.#end(running, early, bull.attemptsMade)
    const facts: AttemptFacts = {
      attempt: bull.attemptsMade + 1,
      again: bull.attemptsStarted > 1 || bull.stalledCounter > 0 || past.replaces !== undefined,
    }
    await attempts.run(job, facts, process, (outcome) => this.#settle(running, facts.attempt, outcome))
  }

  async #settle(running: Running, attempt: number, outcome: AttemptOutcome): Promise<void> {
    if (outcome.kind === 'final') return this.#end(running, outcome.result, attempt, outcome)
    const { delay_ms } = outcome
    if (outcome.kind === 'release') return delay_ms > 0 ? this.#ends.note(running.bull, { kind: 'delay', delay_ms, charged: false }) : this.#giveBack(running)
    const past: Past = { ...running.past, history: withAttempt(running.past.history, outcome.tried) }
    this.#ends.note(running.bull, { kind: 'delay', delay_ms, charged: true, past: JSON.stringify(past) })
  }

  /** Notes how a hit ends; it is written when BullMQ ends the job. */
  #end(
    { bull, job, key, past }: Running,
    result: HitOutcomeResult,
    attempts: number,
    { tried }: { readonly tried?: Parameters<typeof withAttempt>[1] } = {},
  ): void {
    const tries = { attempts, history: withAttempt(past.history, tried) }
    this.#ends.note(bull, { kind: 'end', result: finalResult(job, result, tries, this.#options.clock.now()), key, replaces: past.replaces })
  }

  /** Whether this hit has its result: a worker that lost its lease stored it, or, on a Cluster, one that died before it could end the job. */
  async #alreadyEnded({ bull, id, key, past }: Running): Promise<boolean> {
    const result = await this.#patience.until(() => this.#options.results.read(id))
    if (result === undefined || isReplaced(result, past)) return false
    this.#ends.note(bull, { kind: 'end', result, key, replaces: past.replaces })
    return true
  }

  /** Gives back a job that was handed out and must not begin: as if no worker had had it. */
  async #putBack({ id, token }: Running): Promise<never> {
    await this.#move(() => this.#worker.getBackend().putBack(id, token))
    throw new WaitingError()
  }

  /** Gives back a job to the front of the line, where it came from. */
  async #giveBack({ id, token }: Running): Promise<never> {
    await this.#move(() => this.#worker.getBackend().moveJobFromActiveToWait(id, token))
    throw new WaitingError()
  }

  /** A job that is not this worker's any more has been given to another, or will be. */
  async #move(command: () => Promise<unknown>): Promise<void> {
    await this.#patience.until(command).catch((error) => {
      if (error instanceof DelayedError) throw error
      this.#onError(error)
    })
  }

  /** Errors of the connection are told by the outage; a lock that was lost has been told when its renewal failed, and the next worker makes it good. */
  #onError(error: unknown): void {
    const { outage, logger, closed } = this.#options
    const message = error instanceof Error ? error.message : String(error)
    if (isAway(error)) outage.down(awayReason(error))
    else if (/Missing (lock|key) for job|could not renew lock/.test(message)) logger.debug('bullmq', message)
    else if (!outage.isDown && !closed.aborted) logger.warn('bullmq', message)
  }
}
