import type { HitResult } from '../../contract/hit.ts'
import type { Logger } from '../../observe/logger.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { FileLock } from '../../sqlite/lock.ts'
import type { SqliteDatabase } from '../../sqlite/open.ts'
import { EndWaiters } from '../end-waiters.ts'
import { readJob, unfinishedResult } from '../final-result.ts'
import { Outage } from '../outage.ts'
import type { HitJob, HitProcessor, HitQueue, QueueHealth } from '../port.ts'
import { RunningAttempts } from '../running-attempts.ts'
import { digestKey, isTaskId, parseJob, parseResult } from '../stored-job.ts'
import { hitRows } from './hit-rows.ts'
import type { EngineParts } from './parts.ts'
import { Processing, steadyTime } from './processing.ts'
import { purgeExpired } from './purge.ts'
import { recoverLeases } from './recover.ts'
import { Writer } from './writer.ts'

/** An open, locked and migrated file, and what the engine works with. */
export interface SqliteHitQueueParts {
  readonly db: SqliteDatabase
  readonly lock: FileLock
  readonly logger: Logger
  readonly clock: Clock
}

/** The hit queue in one SQLite file, which this process has to itself. Made by {@link openSqliteHitQueue}. */
export class SqliteHitQueue implements HitQueue {
  readonly engine = 'embedded'
  readonly #db: SqliteDatabase
  readonly #lock: FileLock
  readonly #outage: Outage
  readonly #parts: EngineParts
  readonly #waiters = new EndWaiters()
  readonly #attempts: RunningAttempts
  readonly #closing = new AbortController()
  readonly #purging: Promise<void>
  #processing: Processing | undefined
  /** Hits that have not ended: counted once at the open, then kept along, since counting a long backlog is slow. */
  #unfinished: number

  constructor({ db, lock, logger, clock }: SqliteHitQueueParts) {
    this.#db = db
    this.#lock = lock
    this.#outage = new Outage({ logger, clock, part: 'embedded', store: `The hit queue ${JSON.stringify(db.name)}`, closed: this.#closing.signal })
    const ended = (result: HitResult) => {
      this.#unfinished -= 1
      this.#waiters.notify(result)
    }
    this.#parts = { rows: hitRows(db), writer: new Writer(db, this.#outage), clock, logger, time: steadyTime(clock), closed: this.#closing.signal, ended }
    recoverLeases(db, this.#parts)
    this.#unfinished = this.#parts.rows.count()
    this.#attempts = new RunningAttempts({ logger, clock, part: 'embedded' })
    this.#purging = purgeExpired(this.#parts)
  }

  async enqueue(job: HitJob, options: { readonly idempotencyKey?: string } = {}): Promise<{ task_id: string; duplicate: boolean }> {
    const { rows, writer, clock, time } = this.#parts
    const key = options.idempotencyKey === undefined ? null : digestKey(options.idempotencyKey)
    const json = JSON.stringify(job)
    const accepted = writer.write(() => {
      const holder = key === null ? undefined : rows.keyHolder(key, clock.now())
      if (holder !== undefined) return { task_id: holder, duplicate: true }
      if (key !== null) rows.takeKey(key, job.task_id)
      return { task_id: job.task_id, duplicate: !rows.insert(job.task_id, json, time(), key) }
    })
    // Asked for before the commit, so that the claim shares it.
    this.#processing?.wake()
    const answer = await accepted
    if (!answer.duplicate) this.#unfinished += 1
    return answer
  }

  async find(taskId: string): Promise<HitResult | undefined> {
    if (!isTaskId(taskId)) return undefined
    const { rows, writer, clock } = this.#parts
    return writer.read(() => {
      const stored = rows.result(taskId, clock.now())
      if (stored !== undefined) return parseResult(stored)
      const row = rows.find(taskId)
      if (row === undefined) return undefined
      return unfinishedResult(readJob(taskId, () => parseJob(row.job)).job, row.starts > 0, row.attempts)
    })
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
    const { rows, writer, clock, time } = this.#parts
    try {
      // Written, not only read: a full disk is seen before the next hit is.
      const delayed = await writer.write(() => {
        rows.probe(clock.now())
        return rows.countAfter(time())
      })
      const active = this.#processing?.busy ?? 0
      const counts = { queued: Math.max(0, this.#unfinished - active - delayed), active, delayed }
      return { engine: this.engine, ok: true, warnings: [], counts }
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
    this.#db.close()
    this.#lock.release()
    this.#waiters.releaseAll()
  }
}
