import { createRoute, z } from '@hono/zod-openapi'
import { KeyRequestSchema, KeyRevokedSchema, KeysSchema, MadeKeySchema } from '#lib/contract/keys.ts'
import { answer, bodyErrors, callerErrors, errorAnswer, jsonRequest } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { strictJsonBody } from '#lib/http/body.ts'
import { requires } from '#lib/http/caller.ts'
import { ok } from '#lib/http/reply.ts'
import { actorOf } from '../actor.ts'
import type { ControllerDeps } from '../deps.ts'
import { keyNotFound } from '../keys/not-found.ts'

/** A request for a key is small: a name, a role, a time. */
const MAX_KEY_REQUEST_BYTES = 16 * 1024

const make = createRoute({
  method: 'post',
  path: '/keys',
  tags: ['keys'],
  summary: 'Make a key',
  description: 'The answer is the one time that the key itself is shown. Keys of one name are one owner’s: so keys are rotated.',
  middleware: [requires('admin', 'make a key'), strictJsonBody({ maxBytes: MAX_KEY_REQUEST_BYTES })],
  request: { body: jsonRequest(KeyRequestSchema) },
  responses: {
    201: answer(201, 'Made, and accepted from now on.', MadeKeySchema),
    ...bodyErrors,
    ...callerErrors,
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED'),
  },
})

const list = createRoute({
  method: 'get',
  path: '/keys',
  tags: ['keys'],
  summary: 'The keys there are, the newest first',
  description: 'Those that expired are shown for 30 days. The controller’s own key, API_KEY, is not among them.',
  middleware: [requires('admin', 'see the keys')],
  responses: {
    200: answer(200, 'By name, role and beginning; never the keys themselves.', KeysSchema),
    ...callerErrors,
    503: errorAnswer('OVERLOADED'),
  },
})

const keyParam = z.object({ id: z.string().max(200).meta({ description: 'As `GET /keys` gives it.', example: '0b6a2f6e-3f4f-4b1c-8f39-6f8b2f1a7c55' }) })

const revoke = createRoute({
  method: 'delete',
  path: '/keys/{id}',
  tags: ['keys'],
  summary: 'Revoke a key',
  description: 'It is refused from now on; its open streams are ended, and its held long polls are answered with 403.',
  middleware: [requires('admin', 'revoke a key')],
  request: { params: keyParam },
  responses: {
    200: answer(200, 'Revoked, here at once, and below relays as soon as they hear of it.', KeyRevokedSchema),
    400: errorAnswer('INVALID_REQUEST'),
    ...callerErrors,
    404: errorAnswer('NOT_FOUND'),
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED'),
  },
})

/** Making, listing and revoking keys. */
export function keyRoutes({ keys, address }: Pick<ControllerDeps, 'keys' | 'address'>) {
  return createRouter()
    .openapi(make, async (c) => ok(c, await keys.make(c.req.valid('json'), actorOf(c, address)), 201))
    .openapi(list, async (c) => ok(c, { keys: keys.list() }, 200))
    .openapi(revoke, async (c) => {
      const { id } = c.req.valid('param')
      if (!(await keys.revoke(id, actorOf(c, address)))) throw keyNotFound(id)
      return ok(c, { id, revoked: true as const }, 200)
    })
}
