import type { HitAccepted } from '#lib/contract/hit.ts'
import { type BulkHits, type BulkRetry, MAX_BULK_RETRY, type Paused } from '#lib/contract/hits.ts'
import { ApiError, invalidPart } from '#lib/http/errors.ts'
import { traced } from '#lib/observe/trace/tracer.ts'
import type { Unqueued } from '#lib/queue/port.ts'
import type { WorkerDeps } from './deps.ts'
import { countingRefusals, type HitOrigin, newHit } from './hit.ts'
import { queueFailure } from './queue-errors.ts'

/** How large the hits of one call may be together, in bytes: all of them are written in one go. */
const MAX_BULK_BYTES = 32 * 1024 * 1024

const bulkAdvice = (outcome: Unqueued): string =>
  outcome === 'refused'
    ? 'nothing was queued, try again'
    : 'the reply is missing, so all of them may have been queued, and trying again may make them twice; GET /hits lists what is there'

const retryAdvice = (outcome: Unqueued): string =>
  outcome === 'refused' ? 'nothing was queued, try again' : 'the reply is missing, so it may have been queued again; trying again is safe'

const pauseAdvice = (outcome: Unqueued): string =>
  outcome === 'refused' ? 'nothing was changed, try again' : 'the reply is missing, so it may have been done; trying again is safe'

/**
 * Queues many hits of the config held: all, or none.
 * @throws ApiError INVALID_REQUEST where they would be too large together; as enqueueHit does
 */
export function enqueueHits(deps: WorkerDeps, count: number, { request_id, trace }: HitOrigin): Promise<BulkHits> {
  const start = { kind: 'producer' as const, parent: trace, fields: { 'dcm.request_id': request_id, 'dcm.hits': count } }
  return traced(deps.tracer, 'queue hits', start, (goesOn) => queueMany(deps, count, { request_id, trace: goesOn }))
}

async function queueMany(deps: WorkerDeps, count: number, origin: HitOrigin): Promise<BulkHits> {
  const first = newHit(deps, origin)
  const most = Math.floor(MAX_BULK_BYTES / Buffer.byteLength(JSON.stringify(first)))
  if (count > most) throw invalidPart('count', `expected at most ${most}: the hits of this config are too large for more at once`)
  const hits = [first, ...Array.from({ length: count - 1 }, () => ({ ...first, task_id: deps.clock.uuid() }))]
  try {
    await countingRefusals(deps, count, () => deps.queue.enqueueMany(hits))
    deps.tallies.accepted += count
  } catch (error) {
    throw queueFailure(error, 'queue the hits', bulkAdvice)
  }
  deps.logger.debug('enqueue', 'hits queued', { count, config_version: first.config_version, request_id: first.request_id })
  return { task_ids: hits.map(({ task_id }) => task_id), status: 'queued' }
}

/**
 * Queues a hit again that has ended.
 * @throws ApiError NOT_FOUND, HIT_UNFINISHED, QUEUE_UNAVAILABLE
 */
export async function retryHit({ queue, logger }: WorkerDeps, taskId: string): Promise<HitAccepted> {
  const answer = await changing('run the hit again', retryAdvice, () => queue.retry(taskId))
  if (answer === 'unknown') throw new ApiError('NOT_FOUND', 'task not found')
  if (answer === 'unfinished') throw new ApiError('HIT_UNFINISHED', 'Cannot run the hit again: it has not ended yet')
  logger.info('enqueue', 'hit queued again', { task_id: taskId })
  return { task_id: taskId, status: 'queued' }
}

/** Queues failed hits again. */
export async function retryFailedHits({ queue, logger }: WorkerDeps): Promise<BulkRetry> {
  const retried = await changing('run failed hits again', retryAdvice, () => queue.retryFailed(MAX_BULK_RETRY))
  logger.info('enqueue', 'failed hits queued again', retried)
  return retried
}

/** Lets no hit begin, or lets them begin again. */
export async function setPaused({ queue, logger }: WorkerDeps, paused: boolean): Promise<Paused> {
  await changing(paused ? 'pause the hits' : 'resume the hits', pauseAdvice, () => (paused ? queue.pause() : queue.resume()))
  logger.info('queue', paused ? 'hits are paused: none begins until they are resumed' : 'hits are resumed')
  return { paused }
}

async function changing<T>(action: string, advice: (outcome: Unqueued) => string, change: () => Promise<T>): Promise<T> {
  try {
    return await change()
  } catch (error) {
    throw queueFailure(error, action, advice)
  }
}
