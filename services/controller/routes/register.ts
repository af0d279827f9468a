import { createRoute } from '@hono/zod-openapi'
import { v5 as uuidv5 } from 'uuid'
import { type Capability, type RegisterRequest, RegisterRequestSchema, RegisterResponseSchema } from '#lib/contract/agent.ts'
import { DEFAULT_POLL_INTERVAL_SECONDS } from '#lib/contract/config.ts'
import { answer, bodyErrors, errorAnswer, jsonRequest, keyErrors } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { strictJsonBody } from '#lib/http/body.ts'
import { ok } from '#lib/http/reply.ts'
import type { ControllerDeps } from '../deps.ts'
import { storeAnswers } from '../store-errors.ts'

/** Made once for this system; an id must not change when the code is moved. */
const AGENT_NAMESPACE = '2f1c9c86-7b0c-5d1e-9c61-6d0b3b1a7e42'

/** A registration is small: hostname, address, labels. */
const MAX_REGISTRATION_BYTES = 64 * 1024

const offered: readonly Capability[] = ['wait', 'stream']

/** The id of an agent: the same whenever it registers again, and whoever answers. */
export const agentIdOf = (request: Pick<RegisterRequest, 'instance_id' | 'hostname' | 'ip_address' | 'port'>): string =>
  uuidv5(request.instance_id?.toLowerCase() ?? JSON.stringify([request.hostname, request.ip_address, request.port]), AGENT_NAMESPACE)

/** `POST /register`. */
export function registerRoutes(deps: ControllerDeps) {
  const route = createRoute({
    method: 'post',
    path: '/register',
    tags: ['agents'],
    summary: 'Register an agent',
    middleware: [strictJsonBody({ maxBytes: MAX_REGISTRATION_BYTES })],
    request: { body: jsonRequest(RegisterRequestSchema) },
    responses: {
      201: answer(201, 'Registered; registering again gives the same id.', RegisterResponseSchema),
      ...bodyErrors,
      ...keyErrors,
      503: errorAnswer('STORE_UNAVAILABLE'),
    },
  })
  return createRouter().openapi(route, async (c) => {
    const request = c.req.valid('json')
    const agentId = agentIdOf(request)
    await storeAnswers('register the agent', () => deps.store.registerAgent({ agent_id: agentId, ...request }))
    deps.logger.info('http', 'agent registered', { agent_id: agentId, hostname: request.hostname })
    const pollInterval = deps.feed.current?.config.poll_interval_seconds ?? DEFAULT_POLL_INTERVAL_SECONDS
    return ok(
      c,
      { agent_id: agentId, status: 'active' as const, poll_url: '/config' as const, poll_interval_seconds: pollInterval, capabilities: [...offered] },
      201,
    )
  })
}
