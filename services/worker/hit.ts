import { type HitAccepted, type HitResult, isFinalStatus } from '#lib/contract/hit.ts'
import { ApiError } from '#lib/http/errors.ts'
import { type TraceContext, traceLogFields } from '#lib/observe/trace/context.ts'
import { traced } from '#lib/observe/trace/tracer.ts'
import { BacklogFullError, type HitJob, QueueUnavailableError, type Unqueued } from '#lib/queue/port.ts'
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

/** Who asks for a hit: its job keeps that, and what is logged of it says so. */
export interface HitOrigin {
  readonly request_id: string
  /** The trace that the request belongs to, as it came. */
  readonly trace: TraceContext | undefined
}

/**
 * A hit of the config held.
 * @throws ApiError ENQUEUE_FAILED without a config or url
 */
export function newHit({ holder, clock }: Pick<WorkerDeps, 'holder' | 'clock'>, { request_id, trace }: HitOrigin): HitJob {
  const config = holder.current
  if (!config) throw new ApiError('ENQUEUE_FAILED', 'no config available')
  const { url } = config.data
  if (typeof url !== 'string' || url === '') throw new ApiError('ENQUEUE_FAILED', 'no url configured')
  const { request } = holder
  const job: HitJob = { task_id: clock.uuid(), url, ...(request ? { request } : {}), config_version: config.version, enqueued_at: clock.now(), request_id }
  return trace === undefined ? job : { ...job, ...trace }
}

/** What queueing a hit stands on. */
type Queueing = Pick<WorkerDeps, 'holder' | 'clock' | 'queue' | 'logger' | 'tallies' | 'tracer'>

/**
 * Queues a hit of the config held, and says what the queue says.
 * @throws ApiError ENQUEUE_FAILED without a config or url; QueueUnavailableError, BacklogFullError
 */
export function queueHit(deps: Queueing, idempotencyKey: string | undefined, { request_id, trace }: HitOrigin): Promise<HitAccepted> {
  const start = { kind: 'producer' as const, parent: trace, fields: { 'dcm.request_id': request_id } }
  return countingRefusals(deps, 1, () =>
    traced(deps.tracer, 'queue hit', start, async (goesOn) => {
      const hit = newHit(deps, { request_id, trace: goesOn })
      const { task_id, duplicate } = await deps.queue.enqueue(hit, idempotencyKey === undefined ? {} : { idempotencyKey })
      if (!duplicate) deps.tallies.accepted++
      if (deps.logger.debugEnabled)
        deps.logger.debug('enqueue', 'hit queued', { task_id, duplicate, config_version: hit.config_version, request_id, ...traceLogFields(hit.traceparent) })
      return { task_id, status: 'queued' as const }
    }),
  )
}

/**
 * Counts why hits were not queued.
 * @param hits how many at once
 */
export async function countingRefusals<T>({ tallies }: Pick<WorkerDeps, 'tallies'>, hits: number, queueing: () => Promise<T>): Promise<T> {
  try {
    return await queueing()
  } catch (error) {
    if (error instanceof BacklogFullError) tallies.refuse('backlog_full', hits)
    else if (error instanceof QueueUnavailableError) tallies.refuse('queue_unavailable', hits)
    else if (error instanceof ApiError && error.code === 'ENQUEUE_FAILED') tallies.refuse('nothing_to_hit', hits)
    throw error
  }
}

/**
 * Queues a hit for a caller. When this resolves, the hit survives the kill of any process.
 * @param idempotencyKey the same key gives the same task
 * @throws ApiError ENQUEUE_FAILED without a config or url; QUEUE_UNAVAILABLE within a second; BACKLOG_FULL
 */
export async function enqueueHit(deps: Queueing, idempotencyKey: string | undefined, origin: HitOrigin): Promise<HitAccepted> {
  try {
    return await queueHit(deps, idempotencyKey, origin)
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
  origin: HitOrigin,
  waitMs: number,
  signal: AbortSignal,
): Promise<{ accepted: HitAccepted; result?: HitResult }> {
  const accepted = await enqueueHit(deps, idempotencyKey, origin)
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
