import { createRoute } from '@hono/zod-openapi'
import { type Capability, RegisterRequestSchema, RegisterResponseSchema } from '../../contract/agent.ts'
import { DEFAULT_POLL_INTERVAL_SECONDS } from '../../contract/config.ts'
import { answer, bodyErrors, callerErrors, errorAnswer, jsonRequest } from '../../http/answers.ts'
import { createRouter } from '../../http/app.ts'
import { strictJsonBody } from '../../http/body.ts'
import { callerOf, requires } from '../../http/caller.ts'
import { ok } from '../../http/reply.ts'
import { agentIdOf } from '../agent-id.ts'
import type { ConfigFeed } from '../feed.ts'
import type { Roll } from '../followers.ts'
import { relayPathOf } from '../relay-path.ts'

/** A registration is small: hostname, address, labels. */
const MAX_REGISTRATION_BYTES = 64 * 1024

const offered: readonly Capability[] = ['wait', 'stream', 'report']

const route = createRoute({
  method: 'post',
  path: '/register',
  tags: ['agents'],
  summary: 'Register an agent',
  description: 'A relay that passes a registration on names itself in `X-Relay-Path`, behind those it has passed before.',
  middleware: [requires('register', 'register an agent'), strictJsonBody({ maxBytes: MAX_REGISTRATION_BYTES })],
  request: { body: jsonRequest(RegisterRequestSchema) },
  responses: {
    201: answer(201, 'Registered; registering again gives the same id.', RegisterResponseSchema),
    ...bodyErrors,
    ...callerErrors,
    409: errorAnswer('RELAY_LOOP'),
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED', 'UPSTREAM_UNAVAILABLE'),
  },
})

/**
 * `POST /register`, of a controller or a relay.
 * @param deps.relayPath of a relay: its id, and those above it
 */
export function registerRoutes(deps: { readonly feed: ConfigFeed; readonly roll: Pick<Roll, 'register'>; readonly relayPath?: () => readonly string[] }) {
  return createRouter().openapi(route, async (c) => {
    const request = c.req.valid('json')
    const agentId = agentIdOf(request)
    await deps.roll.register(agentId, request, relayPathOf(c.req.header('x-relay-path')), callerOf(c))
    const pollInterval = deps.feed.current?.config.poll_interval_seconds ?? DEFAULT_POLL_INTERVAL_SECONDS
    const registration = {
      agent_id: agentId,
      status: 'active' as const,
      poll_url: '/config' as const,
      poll_interval_seconds: pollInterval,
      capabilities: [...offered],
      ...(deps.relayPath ? { relay_path: [...deps.relayPath()] } : {}),
    }
    return ok(c, registration, 201)
  })
}
