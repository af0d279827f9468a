import { createRoute, z } from '@hono/zod-openapi'
import { AgentIdSchema, BatchAcceptedSchema, BatchSchema, ReportAcceptedSchema, ReportSchema } from '../../contract/fleet.ts'
import { answer, bodyErrors, callerErrors, errorAnswer, jsonRequest } from '../../http/answers.ts'
import { createRouter } from '../../http/app.ts'
import { strictJsonBody } from '../../http/body.ts'
import { callerOf, requires } from '../../http/caller.ts'
import { ApiError } from '../../http/errors.ts'
import { ok } from '../../http/reply.ts'
import type { Roll } from '../followers.ts'

const MAX_REPORT_BYTES = 16 * 1024
/** A thousand agents with their registrations. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024

/** The agent's id in a path. */
export const agentParam = z.object({
  id: z.string().max(200).meta({ description: 'As the registration gave it.', example: '9a1f6c0e-5d0f-5f5b-8a51-7b1f2f0a9c55' }),
})

/** Says that there is no such agent. */
export const agentNotFound = (id: string): ApiError =>
  new ApiError('NOT_FOUND', `agent not found: ${JSON.stringify(id.slice(0, 100))} is not registered here; it registers again by POST /register`)

const one = createRoute({
  method: 'post',
  path: '/agents/{id}/report',
  tags: ['agents'],
  summary: 'What an agent has applied, or why not',
  middleware: [requires('register', 'report'), strictJsonBody({ maxBytes: MAX_REPORT_BYTES })],
  request: { params: agentParam, body: jsonRequest(ReportSchema) },
  responses: {
    200: answer(200, 'Taken.', ReportAcceptedSchema),
    ...bodyErrors,
    ...callerErrors,
    404: errorAnswer('NOT_FOUND'),
    503: errorAnswer('OVERLOADED', 'UPSTREAM_UNAVAILABLE'),
  },
})

const batchHeaders = z.object({ 'x-agent-id': AgentIdSchema.optional().meta({ description: 'The relay that sends the batch.' }) })

const many = createRoute({
  method: 'post',
  path: '/agents/reports',
  tags: ['agents'],
  summary: 'What a relay knows of the agents below it',
  description: 'A relay answers 409 RELAY_LOOP to a request that it has passed on itself.',
  middleware: [requires('batch', 'report for other agents'), strictJsonBody({ maxBytes: MAX_BATCH_BYTES })],
  request: { headers: batchHeaders, body: jsonRequest(BatchSchema) },
  responses: {
    200: answer(200, 'Taken, but for those that are unknown and came without a registration.', BatchAcceptedSchema),
    ...bodyErrors,
    ...callerErrors,
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED', 'UPSTREAM_UNAVAILABLE'),
  },
})

/** `POST /agents/:id/report` and `POST /agents/reports`, of a controller or a relay. */
export function reportRoutes(deps: { readonly roll: Pick<Roll, 'report' | 'batch'> }) {
  return createRouter()
    .openapi(many, async (c) => ok(c, await deps.roll.batch(c.req.valid('header')['x-agent-id'], c.req.valid('json')), 200))
    .openapi(one, async (c) => {
      const { id } = c.req.valid('param')
      if (!(await deps.roll.report(id, c.req.valid('json'), callerOf(c)))) throw agentNotFound(id)
      return ok(c, { accepted: true as const }, 200)
    })
}
