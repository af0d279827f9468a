import { createRoute } from '@hono/zod-openapi'
import { AgentDeletedSchema, AgentSchema, AgentsPageSchema, AgentsQuerySchema } from '#lib/contract/inventory.ts'
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
  middleware: [requires('fleet', 'see the agents')],
  summary: 'The inventory, a page at a time',
  description: 'In the order of registration. An agent that is there throughout comes exactly once, whoever comes and goes between the pages.',
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
  middleware: [requires('fleet', 'see the agents')],
  request: { params: agentParam },
  responses: {
    200: answer(200, 'The agent as it was last heard of.', AgentSchema),
    400: errorAnswer('INVALID_REQUEST'),
    ...callerErrors,
    404: errorAnswer('NOT_FOUND'),
    503: errorAnswer('OVERLOADED'),
  },
})

const remove = createRoute({
  method: 'delete',
  path: '/agents/{id}',
  tags: ['agents'],
  summary: 'Forget an agent',
  middleware: [requires('admin', 'delete an agent')],
  description: 'For hosts that are gone. One that is still there registers again by itself.',
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
    .openapi(remove, async (c) => {
      const { id } = c.req.valid('param')
      if (!(await fleet.remove(id, actorOf(c, address)))) throw agentNotFound(id)
      return ok(c, { agent_id: id, deleted: true as const }, 200)
    })
}
