import { createRoute } from '@hono/zod-openapi'
import { ENVELOPE_BYTES } from '#lib/contract/config.ts'
import { IfNewerQuerySchema, WorkerConfigAcceptedSchema, WorkerConfigRequestSchema, WorkerConfigSchema } from '#lib/contract/worker.ts'
import { answer, bodyErrors, errorAnswer, jsonRequest, keyErrors } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { strictJsonBody } from '#lib/http/body.ts'
import { ApiError } from '#lib/http/errors.ts'
import { ok } from '#lib/http/reply.ts'
import type { WorkerDeps } from '../deps.ts'
import { takeConfig } from '../take-config.ts'

/** Giving the worker its config, and reading it. */
export function configRoutes(deps: WorkerDeps) {
  const accept = createRoute({
    method: 'post',
    path: '/config',
    tags: ['config'],
    summary: 'Give the worker its config',
    middleware: [strictJsonBody({ maxBytes: deps.config.maxConfigBytes + ENVELOPE_BYTES })],
    request: { query: IfNewerQuerySchema, body: jsonRequest(WorkerConfigRequestSchema) },
    responses: {
      200: answer(200, 'Taken: on the disk, and in use from the next hit on.', WorkerConfigAcceptedSchema),
      ...bodyErrors,
      ...keyErrors,
      409: errorAnswer('STALE_VERSION'),
      503: errorAnswer('STORE_UNAVAILABLE'),
    },
  })
  const current = createRoute({
    method: 'get',
    path: '/config',
    tags: ['config'],
    summary: 'The config that the worker holds',
    responses: { 200: answer(200, 'The config held.', WorkerConfigSchema), ...keyErrors, 404: errorAnswer('NOT_FOUND') },
  })
  return createRouter()
    .openapi(accept, async (c) => {
      const { if_newer } = c.req.valid('query')
      const config = await takeConfig(deps, c, c.req.valid('json'), if_newer === undefined ? undefined : if_newer === 'true')
      return ok(c, { version: config.version }, 200)
    })
    .openapi(current, async (c) => {
      const config = deps.holder.current
      if (!config) throw new ApiError('NOT_FOUND', 'no config loaded')
      return ok(c, config, 200)
    })
}
