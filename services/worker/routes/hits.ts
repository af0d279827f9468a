import { createRoute } from '@hono/zod-openapi'
import { HitAcceptedSchema } from '#lib/contract/hit.ts'
import { BulkHitsRequestSchema, BulkHitsSchema, BulkRetrySchema, HitStatsSchema, HitsPageSchema, HitsQuerySchema, PausedSchema } from '#lib/contract/hits.ts'
import { answer, bodyErrors, errorAnswer, jsonRequest, keyErrors } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { strictJsonBody } from '#lib/http/body.ts'
import { invalidPart } from '#lib/http/errors.ts'
import { ok } from '#lib/http/reply.ts'
import type { WorkerDeps } from '../deps.ts'
import { hitStats } from '../hit-stats.ts'
import { listHits } from '../list-hits.ts'
import { enqueueHits, retryFailedHits, retryHit, setPaused } from '../operate-hits.ts'
import { originOf, taskParam } from './hit.ts'

const MAX_BULK_REQUEST_BYTES = 1024

const list = createRoute({
  method: 'get',
  path: '/hits',
  tags: ['hits'],
  summary: 'The hits there are, by state',
  description: 'Without a state: those under way first, then queued, failed and completed ones. A page ends early where hits are large.',
  request: { query: HitsQuerySchema },
  responses: {
    200: answer(200, 'Hits as they were accepted, with credentials masked, and what became of them; without bodies.', HitsPageSchema),
    400: errorAnswer('INVALID_REQUEST'),
    ...keyErrors,
    500: errorAnswer('RESULT_FETCH_FAILED'),
  },
})

const bulk = createRoute({
  method: 'post',
  path: '/hits',
  tags: ['hits'],
  summary: 'Queue many hits of the configured URL',
  description: 'All of them or none. An Idempotency-Key is refused: it stands for one hit.',
  middleware: [strictJsonBody({ maxBytes: MAX_BULK_REQUEST_BYTES })],
  request: { body: jsonRequest(BulkHitsRequestSchema) },
  responses: {
    202: answer(202, 'All are queued, in this order, and safe against the end of any process.', BulkHitsSchema),
    ...bodyErrors,
    ...keyErrors,
    429: errorAnswer('BACKLOG_FULL', 'TOO_MANY_ATTEMPTS'),
    500: errorAnswer('ENQUEUE_FAILED'),
    503: errorAnswer('QUEUE_UNAVAILABLE'),
  },
})

const retry = createRoute({
  method: 'post',
  path: '/hit/{taskId}/retry',
  tags: ['hits'],
  summary: 'Run a hit again that has ended',
  request: { params: taskParam },
  responses: {
    202: answer(202, 'Queued again under its id, with its request as it was accepted.', HitAcceptedSchema),
    ...keyErrors,
    404: errorAnswer('NOT_FOUND'),
    409: errorAnswer('HIT_UNFINISHED'),
    503: errorAnswer('QUEUE_UNAVAILABLE'),
  },
})

const retryFailed = createRoute({
  method: 'post',
  path: '/hits/retry',
  tags: ['hits'],
  summary: 'Run failed hits again, the longest ended first',
  responses: { 200: answer(200, 'Queued again.', BulkRetrySchema), ...keyErrors, 503: errorAnswer('QUEUE_UNAVAILABLE') },
})

const pausing = (path: '/hits/pause' | '/hits/resume', summary: string, what: string) =>
  createRoute({
    method: 'post',
    path,
    tags: ['hits'],
    summary,
    responses: { 200: answer(200, what, PausedSchema), ...keyErrors, 503: errorAnswer('QUEUE_UNAVAILABLE') },
  })
const pause = pausing('/hits/pause', 'Let no hit begin', 'On no worker of this queue, and through restarts; what runs goes on, and hits are taken.')
const resume = pausing('/hits/resume', 'Let hits begin again', 'They begin again.')

const stats = createRoute({
  method: 'get',
  path: '/hits/stats',
  tags: ['hits'],
  summary: 'How the hits stand',
  responses: {
    200: answer(200, "The queue's numbers, and what this worker saw in the last 5 minutes.", HitStatsSchema),
    ...keyErrors,
    500: errorAnswer('RESULT_FETCH_FAILED'),
  },
})

/** Looking after hits. */
export function hitsRoutes(deps: WorkerDeps) {
  return createRouter()
    .openapi(list, async (c) => ok(c, await listHits(deps, c.req.valid('query')), 200))
    .openapi(bulk, async (c) => {
      if (c.req.header('Idempotency-Key') !== undefined) throw invalidPart('header.idempotency-key', 'expected none: it stands for one hit, not for many')
      return ok(c, await enqueueHits(deps, c.req.valid('json').count, originOf(c)), 202)
    })
    .openapi(retry, async (c) => ok(c, await retryHit(deps, c.req.valid('param').taskId), 202))
    .openapi(retryFailed, async (c) => ok(c, await retryFailedHits(deps), 200))
    .openapi(pause, async (c) => ok(c, await setPaused(deps, true), 200))
    .openapi(resume, async (c) => ok(c, await setPaused(deps, false), 200))
    .openapi(stats, async (c) => ok(c, await hitStats(deps), 200))
}
