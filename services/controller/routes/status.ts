import { createRoute } from '@hono/zod-openapi'
import { RelayTreeSchema, TimelineSchema } from '#lib/contract/fleet-picture.ts'
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
  summary: 'The fleet at a glance, and how the last publish converges',
  middleware: [requires('fleet', 'see the fleet')],
  responses: {
    200: answer(200, 'Counted at most a quarter of a second ago, and never before the last publish.', FleetStatusSchema),
    ...callerErrors,
    503: errorAnswer('OVERLOADED'),
  },
})

const timeline = createRoute({
  method: 'get',
  path: '/status/timeline',
  tags: ['agents'],
  summary: 'How the last publish came to the fleet, report by report',
  middleware: [requires('fleet', 'see the fleet')],
  responses: {
    200: answer(200, 'The counts since the publish. Over a restart of the controller, as far as the reports were saved.', TimelineSchema),
    ...callerErrors,
    503: errorAnswer('OVERLOADED'),
  },
})

const relays = createRoute({
  method: 'get',
  path: '/status/relays',
  tags: ['agents'],
  summary: 'The relays as a tree, and how those below each of them stand',
  middleware: [requires('fleet', 'see the fleet')],
  responses: {
    200: answer(200, 'Each relay comes after the one that it follows.', RelayTreeSchema),
    ...callerErrors,
    503: errorAnswer('OVERLOADED'),
  },
})

/** `GET /status` of the fleet, and what is below it. */
export function statusRoutes({ fleet }: Pick<ControllerDeps, 'fleet'>) {
  return createRouter()
    .openapi(status, async (c) => ok(c, await fleet.status(), 200))
    .openapi(timeline, (c) => ok(c, fleet.timeline(), 200))
    .openapi(relays, async (c) => ok(c, (await fleet.picture()).relays, 200))
}
