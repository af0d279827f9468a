import { createRoute } from '@hono/zod-openapi'
import { FleetStatusSchema } from '#lib/contract/fleet-status.ts'
import { answer, callerErrors, errorAnswer } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { requires } from '#lib/http/caller.ts'
import { ok } from '#lib/http/reply.ts'
import type { ControllerDeps } from '../deps.ts'

const status = createRoute({
  method: 'get',
  path: '/status',
  tags: ['agents'],
  middleware: [requires('fleet', 'see the fleet')],
  summary: 'The fleet at a glance, and how the last publish converges',
  responses: {
    200: answer(200, 'Counted at most a quarter of a second ago, and never before the last publish.', FleetStatusSchema),
    ...callerErrors,
    503: errorAnswer('OVERLOADED'),
  },
})

/** `GET /status` of the fleet. */
export function statusRoutes({ fleet }: Pick<ControllerDeps, 'fleet'>) {
  return createRouter().openapi(status, async (c) => ok(c, await fleet.status(), 200))
}
