import { ApiError } from '#lib/http/errors.ts'
import { BacklogFullError, QueueUnavailableError, type Unqueued } from '#lib/queue/port.ts'

/** How long a caller is asked to wait where the backlog is full, in s. */
const BACKLOG_RETRY_SECONDS = 5

/**
 * The answer to a request that the queue did not carry out.
 * @param action what could not be done: "queue the hit"
 * @param advice what is known of it, and what to do, by whether the queue may have done it all the same
 * @returns the error itself where it is none of the queue's
 */
export function queueFailure(error: unknown, action: string, advice: (outcome: Unqueued) => string): unknown {
  if (error instanceof BacklogFullError)
    return new ApiError('BACKLOG_FULL', `Cannot ${action}: ${error.message} (HIT_MAX_BACKLOG); nothing was queued, try again later`, {
      headers: { 'Retry-After': String(BACKLOG_RETRY_SECONDS) },
      cause: error,
    })
  if (!(error instanceof QueueUnavailableError)) return error
  return new ApiError('QUEUE_UNAVAILABLE', `Cannot ${action}: ${error.message}; ${advice(error.outcome)}`, { headers: { 'Retry-After': '1' }, cause: error })
}

/**
 * Asks the queue for what it knows.
 * @param action what is asked: "read the result"
 * @throws ApiError RESULT_FETCH_FAILED where it cannot be asked
 */
export async function askQueue<T>(action: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof QueueUnavailableError)) throw error
    throw new ApiError('RESULT_FETCH_FAILED', `Cannot ${action}: ${error.message}`, { cause: error })
  }
}
