import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { WaitQuerySchema } from '#lib/contract/config.ts'
import { HitAcceptedSchema, HitResultSchema } from '#lib/contract/hit.ts'
import { answer, errorAnswer, keyErrors } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { markHeld } from '#lib/http/counted-response.ts'
import { outgoingOf } from '#lib/http/outgoing.ts'
import { ok } from '#lib/http/reply.ts'
import { requestId } from '#lib/http/request-id.ts'
import { traceOfRequest } from '#lib/observe/trace/context.ts'
import type { WorkerDeps } from '../deps.ts'
import { enqueueAndWait, type HitOrigin, readHit } from '../hit.ts'

const hitHeaders = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, { error: 'expected 1 to 255 printable ASCII characters without spaces' })
    .optional()
    .meta({ description: 'The same key gives the same task, until an hour after its end.', example: 'order-4711' }),
  traceparent: z.string().optional().meta({ description: 'W3C Trace Context: the hit goes on with it.' }),
})

const enqueueResponses = {
  200: answer(200, 'With `wait`: the hit ended in time, and this is its result.', HitResultSchema),
  202: answer(202, 'Queued, and safe against the end of any process.', HitAcceptedSchema),
  400: errorAnswer('INVALID_REQUEST'),
  ...keyErrors,
  429: errorAnswer('BACKLOG_FULL', 'TOO_MANY_ATTEMPTS'),
  500: errorAnswer('ENQUEUE_FAILED'),
  503: errorAnswer('QUEUE_UNAVAILABLE'),
}

const hitByGet = createRoute({
  method: 'get',
  path: '/hit',
  tags: ['hits'],
  summary: 'Queue a hit of the configured URL',
  request: { query: WaitQuerySchema, headers: hitHeaders },
  responses: enqueueResponses,
})

const hitByPost = createRoute({ ...hitByGet, method: 'post', summary: 'Queue a hit, as a method with an effect' })

/** The id of a task in a path. */
export const taskParam = z.object({ taskId: z.string().meta({ example: '0d4f6f0e-0f9e-4f4e-8d6e-5b1d3b0f1a10' }) })

const hitResult = createRoute({
  method: 'get',
  path: '/hit/{taskId}',
  tags: ['hits'],
  summary: 'The state or result of a hit',
  request: { params: taskParam, query: WaitQuerySchema },
  responses: {
    200: answer(200, 'Its state; once it is final, its result.', HitResultSchema),
    400: errorAnswer('INVALID_REQUEST'),
    ...keyErrors,
    404: errorAnswer('NOT_FOUND'),
    500: errorAnswer('RESULT_FETCH_FAILED'),
  },
})

/** Who asks for a hit. @param wait for how long the request is held, in s */
export function originOf(c: Context, wait = 0): HitOrigin {
  if (wait > 0) markHeld(outgoingOf(c))
  return { request_id: requestId(c), trace: traceOfRequest(c.req.raw.headers) }
}

/** Queueing hits and reading their results. */
export function hitRoutes(deps: WorkerDeps) {
  return createRouter()
    .openapi(hitByGet, async (c) => {
      const { wait = 0 } = c.req.valid('query')
      const { accepted, result } = await enqueueAndWait(deps, c.req.valid('header')['idempotency-key'], originOf(c, wait), wait * 1000, c.req.raw.signal)
      return result ? ok(c, result, 200) : ok(c, accepted, 202)
    })
    .openapi(hitByPost, async (c) => {
      const { wait = 0 } = c.req.valid('query')
      const { accepted, result } = await enqueueAndWait(deps, c.req.valid('header')['idempotency-key'], originOf(c, wait), wait * 1000, c.req.raw.signal)
      return result ? ok(c, result, 200) : ok(c, accepted, 202)
    })
    .openapi(hitResult, async (c) => {
      const { wait = 0 } = c.req.valid('query')
      if (wait > 0) markHeld(outgoingOf(c))
      return ok(c, await readHit(deps, c.req.valid('param').taskId, wait * 1000, c.req.raw.signal), 200)
    })
}
