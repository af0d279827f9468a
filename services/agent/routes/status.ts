import { createRoute } from '@hono/zod-openapi'
import { type AgentStatus, AgentStatusSchema } from '#lib/contract/agent.ts'
import { answer } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { ok } from '#lib/http/reply.ts'
import type { AgentDeps } from '../deps.ts'

const route = createRoute({
  method: 'get',
  path: '/status',
  tags: ['operating'],
  summary: 'What this agent follows, holds, and has handed to its worker',
  responses: { 200: answer(200, 'How it stands with controller and worker.', AgentStatusSchema) },
})

/** `GET /status`. */
export function statusRoutes(deps: AgentDeps) {
  const { config, follower, forwarder, reporter, relay } = deps
  return createRouter().openapi(route, async (c) => {
    const status: AgentStatus = {
      agent_id: follower.agentId ?? null,
      hostname: config.hostname,
      controller: follower.status,
      worker: forwarder.status,
      held_version: follower.held?.version ?? null,
      poll_interval_seconds: follower.pollIntervalSeconds,
      reports: reporter.status,
      ...(relay ? { relay: relay.status } : {}),
    }
    return ok(c, status, 200)
  })
}
