import { createRoute } from '@hono/zod-openapi'
import { AgentDeletedSchema, AgentDetailSchema, AgentHistorySchema, AgentsPageSchema, AgentsQuerySchema } from '#lib/contract/inventory.ts'
import { agentNotFound, agentParam } from '#lib/distribution/routes/reports.ts'
import { answer, callerErrors, errorAnswer } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { requires } from '#lib/http/caller.ts'
import { ok } from '#lib/http/reply.ts'
import { actorOf } from '../actor.ts'
import type { ControllerDeps } from '../deps.ts'

const list = createRoute({
  method: 'get',
  path: '/agents',
  tags: ['agents'],
  summary: 'The inventory, a page at a time',
  description: 'An agent that is there throughout, and does not move in the order, comes exactly once, whoever comes and goes between the pages.',
  middleware: [requires('fleet', 'see the agents')],
  request: { query: AgentsQuerySchema },
  responses: {
    200: answer(200, 'The agents that meet all filters.', AgentsPageSchema),
    400: errorAnswer('INVALID_REQUEST'),
    ...callerErrors,
    503: errorAnswer('OVERLOADED'),
  },
})

const one = createRoute({
  method: 'get',
  path: '/agents/{id}',
  tags: ['agents'],
  summary: 'One agent',
  middleware: [requires('fleet', 'see an agent')],
  request: { params: agentParam },
  responses: {
    200: answer(200, 'The agent as it was last heard of.', AgentDetailSchema),
    400: errorAnswer('INVALID_REQUEST'),
    ...callerErrors,
    404: errorAnswer('NOT_FOUND'),
    503: errorAnswer('OVERLOADED'),
  },
})

const history = createRoute({
  method: 'get',
  path: '/agents/{id}/history',
  tags: ['agents'],
  summary: 'What an agent made of the newest versions',
  middleware: [requires('fleet', 'see an agent')],
  request: { params: agentParam },
  responses: {
    200: answer(200, 'Its last report on each of the last 50 versions that it reported on, the newest version first.', AgentHistorySchema),
    400: errorAnswer('INVALID_REQUEST'),
    ...callerErrors,
    404: errorAnswer('NOT_FOUND'),
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED'),
  },
})

const remove = createRoute({
  method: 'delete',
  path: '/agents/{id}',
  tags: ['agents'],
  summary: 'Forget an agent',
  description: 'For hosts that are gone. One that is still there registers again by itself.',
  middleware: [requires('admin', 'forget an agent')],
  request: { params: agentParam },
  responses: {
    200: answer(200, 'Forgotten, and its streams ended.', AgentDeletedSchema),
    400: errorAnswer('INVALID_REQUEST'),
    ...callerErrors,
    404: errorAnswer('NOT_FOUND'),
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED'),
  },
})

/** The inventory: reading it, and forgetting an agent. */
export function agentRoutes({ fleet, address }: Pick<ControllerDeps, 'fleet' | 'address'>) {
  return createRouter()
    .openapi(list, async (c) => ok(c, await fleet.page(c.req.valid('query')), 200))
    .openapi(one, async (c) => {
      const { id } = c.req.valid('param')
      const agent = fleet.agent(id)
      if (agent === undefined) throw agentNotFound(id)
      return ok(c, agent, 200)
    })
    .openapi(history, async (c) => {
      const { id } = c.req.valid('param')
      const reports = await fleet.history(id)
      if (reports === undefined) throw agentNotFound(id)
      return ok(c, reports, 200)
    })
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param')
      if (!(await fleet.remove(id, actorOf(c, address)))) throw agentNotFound(id)
      return ok(c, { agent_id: id, deleted: true as const }, 200)
    })
}
