import { DelayedError } from 'bullmq'
import { moveToFinished } from 'bullmq/dist/cjs/scripts/index.js'
import type { HitResult } from '../../contract/hit.ts'
import type { Logger } from '../../observe/logger.ts'
import { failedResult, RESULT_TTL_SECONDS } from '../port.ts'
import { parseResult } from '../stored-job.ts'
import { finishScript } from './finish.ts'
import type { RedisClient, ScriptArgument } from './lua.ts'
import type { Patience } from './patience.ts'
import { type RedisResults, resultKey, storedResult } from './results.ts'

/** How a hit ends. */
export interface HitEnd {
  readonly kind: 'end'
  readonly result: HitResult
  /** The digest of its idempotency key. */
  readonly key?: string | undefined
  /** `finished_at` of the result that this one may replace. */
  readonly replaces?: string | undefined
}

/** That a hit is to run again later. */
export interface HitDelay {
  readonly kind: 'delay'
  readonly delay_ms: number
  /** Whether an attempt is charged. */
  readonly charged: boolean
  /** What it has behind it, where that changed: JSON. */
  readonly past?: string
}

/** What BullMQ does with a job that leaves this worker. */
export interface BullmqMoves {
  /** The keys and arguments of BullMQ's script, for an end in this state and at this time. */
  endArgs(state: 'completed' | 'failed', finishedAt: string): ScriptArgument[]
  delay(delay: HitDelay): Promise<unknown>
}

/** In place of what the script needs to store a result: it is stored. */
const STORED = ['', '', '', ''] as const

/** What ends need. */
export interface HitEndsOptions {
  /** The worker's own connection to the queue. */
  readonly redis: RedisClient
  readonly results: RedisResults
  /** The databases, where one script can reach both; on a Cluster results lie on other nodes. */
  readonly databases?: { readonly results: number; readonly queue: number } | undefined
  readonly patience: Patience
  readonly logger: Logger
  /** Told of each result that was stored. */
  readonly ended: (result: HitResult) => void
}

/** Writes how hits end or go on, between BullMQ's worker, which has no result of ours, and its backend, which moves the job. */
export class HitEnds {
  readonly #options: HitEndsOptions
  /** Jobs of which it is said how they go on, and not written yet. */
  readonly #unwritten = new Map<object, HitEnd | HitDelay>()
  #settled: (() => void) | undefined

  constructor(options: HitEndsOptions) {
    this.#options = options
  }

  /** Says how a job of BullMQ's goes on; {@link finish} follows once its processor has returned. */
  note(job: object, move: HitEnd | HitDelay): void {
    this.#unwritten.set(job, move)
  }

  /** Resolves when all that was said is written. */
  async settled(): Promise<void> {
    if (this.#unwritten.size === 0) return
    await new Promise<void>((resolve) => {
      this.#settled = resolve
    })
  }

  /**
   * Stores the result and ends the job, or puts it off.
   * @returns BullMQ's answer: the next job, or a number; below 0 where the job was not this worker's any more, which the next
   *   worker makes good
   * @throws DelayedError once the queue is closed while Redis is away
   */
  async finish(job: object, bullmq: BullmqMoves): Promise<unknown> {
    const move = this.#unwritten.get(job)
    if (move === undefined) throw new Error('Cannot go on with a job: nobody said how')
    try {
      if (move.kind === 'delay') return await this.#options.patience.until(() => bullmq.delay(move))
      return await this.#write(move, bullmq)
    } catch (error) {
      if (error instanceof DelayedError || move.kind === 'delay') throw error
      return await this.#endBroken(move, bullmq, error)
    } finally {
      this.#unwritten.delete(job)
      if (this.#unwritten.size === 0) this.#settled?.()
    }
  }

  /**
   * Ends a hit beside whose job or result Redis holds something that is not what it should be. It would be met again at each
   * run, so the hit ends `failed`, class `internal`; what lies in the result's place and cannot be replaced is left there.
   */
  async #endBroken(end: HitEnd, bullmq: BullmqMoves, error: unknown): Promise<unknown> {
    const { logger } = this.#options
    const { task_id } = end.result
    tellUnusable(logger, task_id, error)
    const result: HitResult = { ...end.result, ...failedResult('internal', `What Redis holds of this hit cannot be used: ${String(error)}`) }
    try {
      return await this.#write({ ...end, result }, bullmq)
    } catch (again) {
      if (again instanceof DelayedError) throw again
      logger.debug('bullmq', `the result of hit ${task_id} stays as it is`, { error: String(again) })
      return this.#move(end, bullmq, result, STORED)
    }
  }

  async #write(end: HitEnd, bullmq: BullmqMoves): Promise<unknown> {
    const { results, databases, patience, ended } = this.#options
    if (databases === undefined) {
      // One after the other: a job that ends without its result would be a hit that is lost.
      const stands = await patience.until(() => results.store(end.result, end.replaces))
      ended(stands)
      return this.#move(end, bullmq, stands, STORED)
    }
    const apart = databases.results !== databases.queue
    const store = [resultKey(end.result.task_id), storedResult(end.result), ...(apart ? [databases.results, databases.queue] : ['', ''])]
    return this.#move(end, bullmq, end.result, store, ended)
  }

  /**
   * Ends the job.
   * @param result decides about the state in which it ends, unless another one stands
   * @param store what the script needs to store the result
   * @param ended told of the result that stands
   */
  async #move(end: HitEnd, bullmq: BullmqMoves, result: HitResult, store: readonly (string | number)[], ended?: (result: HitResult) => void): Promise<unknown> {
    const { redis, patience, logger } = this.#options
    const all = bullmq.endArgs(result.status === 'failed' ? 'failed' : 'completed', result.finished_at ?? '')
    all.push(...store, RESULT_TTL_SECONDS, end.replaces ?? '', end.key ?? '')
    const answer = await patience.until(() => finishScript.runAll(redis, moveToFinished.keys, all))
    if (!Array.isArray(answer)) throw new Error(`Redis answered an end with ${JSON.stringify(answer)}`)
    const [stands, reply] = answer
    try {
      ended?.(typeof stands === 'string' ? parseResult(stands) : result)
    } catch (error) {
      tellUnusable(logger, result.task_id, error)
    }
    return reply
  }
}

/** Says that a hit ends although Redis holds something of it that is not what it should be. */
export function tellUnusable(logger: Logger, taskId: string, error: unknown): void {
  logger.error('bullmq', `hit ${taskId} ends: what Redis holds of it cannot be used`, { error: error instanceof Error ? error.stack : String(error) })
}
