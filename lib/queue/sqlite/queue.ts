import { type HitResult, type HitStatus, isFinalStatus } from '../../contract/hit.ts'
import type { Logger } from '../../observe/logger.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { FileLock } from '../../sqlite/lock.ts'
import type { SqliteDatabase } from '../../sqlite/open.ts'
import { EndWaiters } from '../end-waiters.ts'
import { Outage } from '../outage.ts'
import type { HitJob, HitListPage, HitProcessor, HitQueue, QueueCounts, QueueHealth, RetryAnswer } from '../port.ts'
import { RunningAttempts } from '../running-attempts.ts'
import { isTaskId } from '../stored-job.ts'
import { Checkpoints, type LogLimits } from './checkpoints.ts'
import { queueCounts, unfinishedCounts } from './counts.ts'
import { DelayedHits } from './delayed.ts'
import { endedRows } from './ended-rows.ts'
import { enqueueHit, enqueueHits } from './enqueue.ts'
import { hitRows } from './hit-rows.ts'
import { keyRows } from './key-rows.ts'
import { listHits } from './lists.ts'
import { LogSync, type Sync } from './log-sync.ts'
import type { EngineParts } from './parts.ts'
import { Pause } from './pause.ts'
import { Processing, steadyTime } from './processing.ts'
import { purgeExpired } from './purge.ts'
import { recoverLeases } from './recover.ts'
import { retryFailedHits, retryHit } from './retries.ts'
import { findHit } from './stored-hit.ts'
import { Tally } from './tally.ts'
import { Writer } from './writer.ts'

/** An open, locked and migrated file, and what the engine works with. */
export interface SqliteHitQueueParts {
  readonly db: SqliteDatabase
  readonly lock: FileLock
  /** How many hits may wait. */
  readonly maxBacklog: number
  readonly logger: Logger
  readonly clock: Clock
  /** Those of production where absent. */
  readonly logLimits?: LogLimits
  /** Syncs the log; fdatasync where absent. */
  readonly sync?: Sync
}

/** The hit queue in one SQLite file, which this process has to itself. Made by {@link openSqliteHitQueue}. */
export class SqliteHitQueue implements HitQueue {
  readonly engine = 'embedded'
  readonly #db: SqliteDatabase
  readonly #lock: FileLock
  readonly #log: LogSync
  readonly #checkpoints: Checkpoints
  readonly #maxBacklog: number
  readonly #probe: () => void
  readonly #parts: EngineParts
  readonly #waiters = new EndWaiters()
  readonly #attempts: RunningAttempts
  readonly #closing = new AbortController()
  readonly #purging: Promise<void>
  #processing: Processing | undefined

  constructor({ db, lock, maxBacklog, logger, clock, logLimits, sync }: SqliteHitQueueParts) {
    this.#db = db
    this.#lock = lock
    this.#maxBacklog = maxBacklog
    const closed = this.#closing.signal
    const time = steadyTime(clock)
    const tally = new Tally()
    const hits = hitRows(db, tally)
    const endings = endedRows(db, tally)
    const keys = keyRows(db)
    recoverLeases(db, { hits, endings, keys, clock, logger, time })
    tally.begin({ ...hits.count(), ...endings.count() })
    const outage = new Outage({ logger, clock, part: 'embedded', store: `The hit queue ${JSON.stringify(db.name)}`, closed })
    const probe = db.prepare<[number]>('UPDATE probe SET at = ?')
    this.#probe = () => void probe.run(Math.round(clock.now()))
    this.#log = new LogSync({ db, clock, sync })
    this.#checkpoints = new Checkpoints({ db, logger, clock, hold: (until) => writer.hold(until), limits: logLimits })
    const writer = new Writer({ db, log: this.#log, probe: this.#probe, committed: () => this.#checkpoints.committed(), outage, tally })
    const ended = (result: HitResult) => this.#waiters.notify(result)
    this.#parts = {
      hits,
      endings,
      keys,
      tally,
      delayed: new DelayedHits(hits, time()),
      pause: new Pause(db, writer),
      writer,
      clock,
      logger,
      time,
      closed,
      ended,
    }
    this.#attempts = new RunningAttempts({ logger, clock, part: 'embedded' })
    this.#purging = purgeExpired(this.#parts)
  }

  async enqueue(job: HitJob, { idempotencyKey }: { readonly idempotencyKey?: string } = {}): Promise<{ task_id: string; duplicate: boolean }> {
    return this.#queueing(enqueueHit(this.#parts, this.#maxBacklog, job, idempotencyKey))
  }

  async enqueueMany(jobs: readonly HitJob[]): Promise<void> {
    await this.#queueing(enqueueHits(this.#parts, this.#maxBacklog, jobs))
  }

  async find(taskId: string): Promise<HitResult | undefined> {
    if (!isTaskId(taskId)) return undefined
    const { writer } = this.#parts
    const found = writer.read(() => findHit(this.#parts, taskId))
    // What is told as final stays so, whatever happens to this host.
    if (found !== undefined && isFinalStatus(found.status)) await writer.synced()
    return found
  }

  list(options: { readonly state: HitStatus; readonly cursor?: string; readonly limit: number }): Promise<HitListPage> {
    return listHits(this.#parts, options)
  }

  async retry(taskId: string): Promise<RetryAnswer> {
    if (!isTaskId(taskId)) return 'unknown'
    const written = retryHit(this.#parts, taskId)
    this.#processing?.wake()
    return written
  }

  retryFailed(max: number): Promise<{ readonly retried: number; readonly remaining: boolean }> {
    return retryFailedHits(this.#parts, max, () => this.#processing?.wake())
  }

  pause(): Promise<void> {
    return this.#parts.pause.set(true)
  }

  async resume(): Promise<void> {
    const written = this.#parts.pause.set(false)
    this.#processing?.wake()
    await written
  }

  async counts(): Promise<QueueCounts> {
    return this.#parts.writer.read(() => queueCounts(this.#parts))
  }

  waitForEnd(taskId: string, signal: AbortSignal): Promise<HitResult | undefined> {
    return this.#waiters.wait(taskId, signal, (id) => this.find(id))
  }

  start(process: HitProcessor, { concurrency }: { readonly concurrency: number }): void {
    if (this.#processing !== undefined) throw new Error('Cannot start the hit queue: it was started already. Call start once')
    this.#processing = new Processing(this.#parts, this.#attempts, process, concurrency)
    this.#processing.wake()
  }

  async drain(signal: AbortSignal): Promise<void> {
    const drained = this.#attempts.drain(signal)
    this.#processing?.stop()
    await drained
  }

  async health(): Promise<QueueHealth> {
    try {
      // Written, not only read: a full disk is seen before the next hit is.
      await this.#parts.writer.write(this.#probe)
      return { engine: this.engine, ok: true, warnings: [], counts: this.#parts.writer.read(() => unfinishedCounts(this.#parts)) }
    } catch (error) {
      return { engine: this.engine, ok: false, warnings: [error instanceof Error ? error.message : String(error)] }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return
    await this.drain(AbortSignal.abort())
    this.#closing.abort()
    this.#processing?.stop()
    await this.#purging
    await this.#log.close()
    await this.#checkpoints.close()
    this.#db.close()
    this.#checkpoints.release()
    this.#lock.release()
    this.#waiters.releaseAll()
  }

  /** Writes new hits. The claim is asked for before the commit, so that it shares it. */
  #queueing<T>(work: () => T): Promise<T> {
    const written = this.#parts.writer.write(work)
    this.#processing?.wake()
    return written
  }
}
