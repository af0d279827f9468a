import { createRoute } from '@hono/zod-openapi'
import { type Capability, RegisterRequestSchema, RegisterResponseSchema } from '../../contract/agent.ts'
import { DEFAULT_POLL_INTERVAL_SECONDS } from '../../contract/config.ts'
import { KeyNameSchema } from '../../contract/keys.ts'
import { answer, bodyErrors, callerErrors, errorAnswer, jsonRequest } from '../../http/answers.ts'
import { createRouter } from '../../http/app.ts'
import { strictJsonBody } from '../../http/body.ts'
import { type Caller, callerOf, may, requires } from '../../http/caller.ts'
import { ok } from '../../http/reply.ts'
import { agentIdOf } from '../agent-id.ts'
import type { ConfigFeed } from '../feed.ts'
import type { Roll } from '../followers.ts'
import { nameKey } from '../key-headers.ts'
import { claimOf, type Owner } from '../ownership.ts'
import { parentOf, relayPathOf } from '../relay-path.ts'

/** A registration is small: hostname, address, labels. */
const MAX_REGISTRATION_BYTES = 64 * 1024

const offered: readonly Capability[] = ['wait', 'stream', 'report']

const route = createRoute({
  method: 'post',
  path: '/register',
  tags: ['agents'],
  summary: 'Register an agent',
  description:
    'A relay that passes a registration on names itself in `X-Relay-Path`, behind those it has passed before, and the name of the key that it came with in `X-Key-Name`.',
  middleware: [requires('register', 'register an agent'), nameKey, strictJsonBody({ maxBytes: MAX_REGISTRATION_BYTES })],
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
 * In whose name an agent is registered: the caller's, unless it is a relay that passes on what came to it by another key.
 * @param isPassedOn whether the registration comes by way of a relay
 * @param name of the key that the relay says it came with
 */
function claimIn(caller: Caller, isPassedOn: boolean, name: string | undefined): Owner {
  if (!isPassedOn || !may(caller, 'batch')) return claimOf(caller)
  const parsed = KeyNameSchema.safeParse(name)
  return parsed.success ? parsed.data : null
}

/**
 * `POST /register`, of a controller or a relay.
 * @param deps.relayPath of a relay: its id, and those above it
 */
export function registerRoutes(deps: { readonly feed: ConfigFeed; readonly roll: Pick<Roll, 'register'>; readonly relayPath?: () => readonly string[] }) {
  return createRouter().openapi(route, async (c) => {
    const request = c.req.valid('json')
    const agentId = agentIdOf(request)
    const path = relayPathOf(c.req.header('x-relay-path'))
    await deps.roll.register(agentId, request, path, claimIn(callerOf(c), parentOf(agentId, path) !== undefined, c.req.header('x-key-name')))
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
