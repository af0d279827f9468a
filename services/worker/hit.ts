import { type HitAccepted, type HitResult, isFinalStatus } from '#lib/contract/hit.ts'
import { ApiError } from '#lib/http/errors.ts'
import type { HitJob, Unqueued } from '#lib/queue/port.ts'
import type { WorkerDeps } from './deps.ts'
import { askQueue, queueFailure } from './queue-errors.ts'

/** What the caller of a hit that was not accepted is to know, and to do. */
const adviceFor =
  (idempotencyKey: string | undefined) =>
  (outcome: Unqueued): string => {
    if (outcome === 'refused') return 'nothing was queued, try again'
    const maybe = 'the reply is missing, so the hit may have been queued'
    return idempotencyKey === undefined
      ? `${maybe}, and trying again may make it twice; with an Idempotency-Key, the same each time, trying again is safe`
      : `${maybe}; try again with the same Idempotency-Key, which makes that safe`
  }

/**
 * A hit of the config held.
 * @throws ApiError ENQUEUE_FAILED without a config or url
 */
export function newHit({ holder, clock }: Pick<WorkerDeps, 'holder' | 'clock'>): HitJob {
  const config = holder.current
  if (!config) throw new ApiError('ENQUEUE_FAILED', 'no config available')
  const { url } = config.data
  if (typeof url !== 'string' || url === '') throw new ApiError('ENQUEUE_FAILED', 'no url configured')
  const { request } = holder
  return { task_id: clock.uuid(), url, ...(request ? { request } : {}), config_version: config.version, enqueued_at: clock.now() }
}

/** What queueing a hit stands on. */
type Queueing = Pick<WorkerDeps, 'holder' | 'clock' | 'queue' | 'logger'>

/**
 * Queues a hit of the config held, and says what the queue says.
 * @throws ApiError ENQUEUE_FAILED without a config or url; QueueUnavailableError, BacklogFullError
 */
export async function queueHit(deps: Queueing, idempotencyKey: string | undefined): Promise<HitAccepted> {
  const hit = newHit(deps)
  const { task_id, duplicate } = await deps.queue.enqueue(hit, idempotencyKey === undefined ? {} : { idempotencyKey })
  deps.logger.debug('enqueue', 'hit queued', { task_id, duplicate, config_version: hit.config_version })
  return { task_id, status: 'queued' }
}

/**
 * Queues a hit for a caller. When this resolves, the hit survives the kill of any process.
 * @param idempotencyKey the same key gives the same task
 * @throws ApiError ENQUEUE_FAILED without a config or url; QUEUE_UNAVAILABLE within a second; BACKLOG_FULL
 */
export async function enqueueHit(deps: Queueing, idempotencyKey: string | undefined): Promise<HitAccepted> {
  try {
    return await queueHit(deps, idempotencyKey)
  } catch (error) {
    throw queueFailure(error, 'queue the hit', adviceFor(idempotencyKey))
  }
}

/**
 * Reads a hit's state or result.
 * @param waitMs how long to wait for its end, 0 for not at all
 * @param signal the caller's going away
 * @throws ApiError NOT_FOUND; RESULT_FETCH_FAILED where the store cannot be asked
 */
export async function readHit(deps: WorkerDeps, taskId: string, waitMs: number, signal: AbortSignal): Promise<HitResult> {
  const { queue, draining } = deps
  const result = await askQueue('read the result', () =>
    waitMs > 0 ? queue.waitForEnd(taskId, AbortSignal.any([signal, draining, AbortSignal.timeout(waitMs)])) : queue.find(taskId),
  )
  if (!result) throw new ApiError('NOT_FOUND', 'task not found')
  return result
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
