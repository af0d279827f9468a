import { type HitAttempt, type HitResult, MAX_HISTORY } from '../contract/hit.ts'
import { failedResult, type HitJob, type HitOutcomeResult, MAX_CRASHES } from './port.ts'

/** What a hit has behind it. */
export interface Tries {
  /** Requests that were charged, since the last retry by hand. */
  readonly attempts: number
  /** All that were charged, oldest first; at most {@link MAX_HISTORY}. */
  readonly history: readonly HitAttempt[]
}

/** A history with one more attempt; the oldest goes where it would grow too long. */
export const withAttempt = (history: readonly HitAttempt[], tried: HitAttempt | undefined): readonly HitAttempt[] =>
  tried === undefined ? history : [...history, tried].slice(-MAX_HISTORY)

/**
 * The result as it is stored and answered, `data` of `GET /hit/:taskId`.
 * @param tries the last one included
 * @param finishedAt ms since the epoch
 */
export function finalResult(job: HitJob, outcome: HitOutcomeResult, { attempts, history }: Tries, finishedAt: number): HitResult {
  return {
    task_id: job.task_id,
    ...outcome,
    attempts,
    ...(history.length === 0 ? {} : { history: [...history] }),
    config_version: job.config_version,
    ...(job.request_id === undefined ? {} : { request_id: job.request_id }),
    enqueued_at: new Date(job.enqueued_at).toISOString(),
    finished_at: new Date(finishedAt).toISOString(),
  }
}

/**
 * What is known of a hit that has not ended.
 * @param started whether a worker has ever taken it: without that it is `queued`, from then on `pending`
 */
export function unfinishedResult(job: HitJob, started: boolean, { attempts, history }: Tries): HitResult {
  return {
    task_id: job.task_id,
    status: started ? 'pending' : 'queued',
    attempts,
    ...(history.length === 0 ? {} : { history: [...history] }),
    config_version: job.config_version,
    ...(job.request_id === undefined ? {} : { request_id: job.request_id }),
    enqueued_at: new Date(job.enqueued_at).toISOString(),
  }
}

/** How a hit ends that took its worker down {@link MAX_CRASHES} times. */
export const crashedOutcome: HitOutcomeResult = failedResult(
  'internal',
  `The worker died ${MAX_CRASHES} times while it ran this hit; it is not tried again. Look at the worker's log for what ended it`,
)

/** How a hit ends whose attempt threw: a fault of ours, so that it does not run in circles. */
export const thrownOutcome = (error: unknown): HitOutcomeResult =>
  failedResult('internal', `The attempt failed inside the worker: ${error instanceof Error ? error.message : String(error)}`)

/**
 * Reads a stored job; one that cannot be read (written by a newer version, say) becomes a hit that ends at
 * once as `unreadable` says, rather than one that goes round for ever.
 */
export function readJob(taskId: string, parse: () => HitJob): { readonly job: HitJob; readonly unreadable?: HitOutcomeResult } {
  try {
    return { job: parse() }
  } catch (error) {
    const message = `The queued hit cannot be read: ${error instanceof Error ? error.message : String(error)}. It may have been written by another version of the worker`
    return { job: { task_id: taskId, url: '', config_version: 0, enqueued_at: 0 }, unreadable: failedResult('internal', message) }
  }
}
