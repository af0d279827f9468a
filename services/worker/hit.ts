import { type HitAccepted, type HitResult, isFinalStatus } from '#lib/contract/hit.ts'
import { ApiError } from '#lib/http/errors.ts'
import { QueueUnavailableError } from '#lib/queue/port.ts'
import type { WorkerDeps } from './deps.ts'

/** What the caller of a hit that was not accepted is to know, and to do. */
function adviceFor({ outcome }: QueueUnavailableError, idempotencyKey: string | undefined): string {
  if (outcome === 'refused') return 'nothing was queued, try again'
  const maybe = 'the reply is missing, so the hit may have been queued'
  return idempotencyKey === undefined
    ? `${maybe}, and trying again may make it twice; with an Idempotency-Key, the same each time, trying again is safe`
    : `${maybe}; try again with the same Idempotency-Key, which makes that safe`
}

/** Says of a queue that cannot be used whether nothing was queued, or nothing is known. */
function unavailable(error: QueueUnavailableError, idempotencyKey: string | undefined): ApiError {
  return new ApiError('QUEUE_UNAVAILABLE', `Cannot queue the hit: ${error.message}; ${adviceFor(error, idempotencyKey)}`, {
    headers: { 'Retry-After': '1' },
    cause: error,
  })
}

/**
 * Queues a hit of the config held. When this resolves, the hit survives the kill of any process.
 * @param idempotencyKey the same key gives the same task
 * @throws ApiError ENQUEUE_FAILED without a config or url; QUEUE_UNAVAILABLE within a second
 */
export async function enqueueHit(deps: WorkerDeps, idempotencyKey: string | undefined): Promise<HitAccepted> {
  const config = deps.holder.current
  if (!config) throw new ApiError('ENQUEUE_FAILED', 'no config available')
  const { url } = config.data
  if (typeof url !== 'string' || url === '') throw new ApiError('ENQUEUE_FAILED', 'no url configured')
  const { request } = deps.holder
  try {
    const { task_id, duplicate } = await deps.queue.enqueue(
      { task_id: deps.clock.uuid(), url, ...(request ? { request } : {}), config_version: config.version, enqueued_at: deps.clock.now() },
      idempotencyKey === undefined ? {} : { idempotencyKey },
    )
    deps.logger.debug('enqueue', 'hit queued', { task_id, duplicate, config_version: config.version })
    return { task_id, status: 'queued' }
  } catch (error) {
    throw error instanceof QueueUnavailableError ? unavailable(error, idempotencyKey) : error
  }
}

/**
 * Reads a hit's state or result.
 * @param waitMs how long to wait for its end, 0 for not at all
 * @param signal the caller's going away
 * @throws ApiError NOT_FOUND; RESULT_FETCH_FAILED where the store cannot be asked
 */
export async function readHit(deps: WorkerDeps, taskId: string, waitMs: number, signal: AbortSignal): Promise<HitResult> {
  try {
    const result =
      waitMs > 0 ? await deps.queue.waitForEnd(taskId, AbortSignal.any([signal, deps.draining, AbortSignal.timeout(waitMs)])) : await deps.queue.find(taskId)
    if (!result) throw new ApiError('NOT_FOUND', 'task not found')
    return result
  } catch (error) {
    if (!(error instanceof QueueUnavailableError)) throw error
    throw new ApiError('RESULT_FETCH_FAILED', `Cannot read the result: ${error.message}`, { cause: error })
  }
}

/** Queues a hit and waits for its end: the result where it is final in time, else what was accepted. */
export async function enqueueAndWait(
  deps: WorkerDeps,
  idempotencyKey: string | undefined,
  waitMs: number,
  signal: AbortSignal,
): Promise<{ accepted: HitAccepted; result?: HitResult }> {
  const accepted = await enqueueHit(deps, idempotencyKey)
  if (waitMs === 0) return { accepted }
  try {
    const result = await readHit(deps, accepted.task_id, waitMs, signal)
    return isFinalStatus(result.status) ? { accepted, result } : { accepted }
  } catch (error) {
    // The hit is queued: that its result cannot be read now must not look as if it were not.
    if (error instanceof ApiError) return { accepted }
    throw error
  }
}
