import type { Logger } from '#lib/observe/logger.ts'
import type { HitOutcomeResult, HitProcessor } from '#lib/queue/port.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { Executor } from './execute.ts'
import { shownTarget } from './request.ts'
import { isRetryable, retryDelay } from './retry.ts'

/** What the processor is made of. */
export interface HitProcessorOptions {
  readonly executor: Pick<Executor, 'execute'>
  /** Retries after the first try: WORKER_RETRY_MAX. */
  readonly retryMax: number
  readonly logger: Logger
  readonly clock: Pick<Clock, 'random'>
}

/**
 * Makes the processor: one attempt by the executor, then the retry rules.
 *
 * Retried: no answer, and an unexpected 408, 425, 429 or 5xx, as long as tries are left. Released uncharged
 * where the attempt was stopped: the drain, or a lease that was lost. Final: everything else.
 */
export function createHitProcessor({ executor, retryMax, logger, clock }: HitProcessorOptions): HitProcessor {
  return async (job, { attempt, signal }) => {
    const base = { task_id: job.task_id, attempt, config_version: job.config_version, target: shownTarget(job.url) }
    const outcome = await executor.execute(job, signal)
    if (outcome.kind === 'stopped') {
      logger.info('processor', 'hit stopped and given back to the queue', base)
      return { kind: 'release', delay_ms: 0 }
    }
    const { result } = outcome
    const fields = { ...base, ...loggable(result) }
    if (result.status === 'completed') {
      logger.info('processor', `hit completed with ${result.status_code}`, fields)
      return { kind: 'final', result }
    }
    if (isRetryable(result) && attempt <= retryMax) {
      const delay_ms = retryDelay(attempt, outcome.retry_after_ms, clock)
      logger.warn('processor', `hit failed, try ${attempt + 1} of ${retryMax + 1} in ${delay_ms} ms`, { ...fields, delay_ms })
      return { kind: 'retry', delay_ms }
    }
    logger.warn('processor', `hit failed after ${attempt} of ${retryMax + 1} tries`, fields)
    return { kind: 'final', result }
  }
}

/** What of a result may be logged: never its body. */
function loggable({ status_code, error_class, error, timings, size_bytes }: HitOutcomeResult) {
  return { status_code, error_class, error, size_bytes, total_ms: timings?.total }
}
