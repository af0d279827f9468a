import { createRoute, z } from '@hono/zod-openapi'
import { KeyIdSchema, KeyRequestSchema, KeyRevokedSchema, KeysSchema, MadeKeySchema } from '#lib/contract/keys.ts'
import { answer, bodyErrors, callerErrors, errorAnswer, jsonRequest } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { strictJsonBody } from '#lib/http/body.ts'
import { requires } from '#lib/http/caller.ts'
import { ApiError } from '#lib/http/errors.ts'
import { ok } from '#lib/http/reply.ts'
import { actorOf } from '../actor.ts'
import type { ControllerDeps } from '../deps.ts'

const MAX_KEY_REQUEST_BYTES = 16 * 1024

const make = createRoute({
  method: 'post',
  path: '/keys',
  tags: ['keys'],
  summary: 'Make a key',
  description: 'The answer is the one time that the key is shown: what is kept is its digest.',
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
  summary: 'All keys',
  middleware: [requires('admin', 'list the keys')],
  responses: {
    200: answer(200, 'Those that were not revoked, the newest first; never a key itself.', KeysSchema),
    ...callerErrors,
    503: errorAnswer('OVERLOADED'),
  },
})

const revoke = createRoute({
  method: 'delete',
  path: '/keys/{id}',
  tags: ['keys'],
  summary: 'Revoke a key',
  middleware: [requires('admin', 'revoke a key')],
  request: { params: z.object({ id: KeyIdSchema }) },
  responses: {
    200: answer(200, 'Refused from now on; streams and long polls that it opened have ended.', KeyRevokedSchema),
    400: errorAnswer('INVALID_REQUEST'),
    ...callerErrors,
    404: errorAnswer('NOT_FOUND'),
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED'),
  },
})

/** Making, listing and revoking keys. */
export function keyRoutes({ keyMaker: keys, address }: Pick<ControllerDeps, 'keyMaker' | 'address'>) {
  return createRouter()
    .openapi(make, async (c) => ok(c, await keys.make(c.req.valid('json'), actorOf(c, address)), 201))
    .openapi(list, async (c) => ok(c, { keys: [...keys.list()] }, 200))
    .openapi(revoke, async (c) => {
      const { id } = c.req.valid('param')
      if (!(await keys.revoke(id, actorOf(c, address)))) {
        const why = id === 'bootstrap' ? "the controller's own key is not revoked here: change API_KEY and restart it" : 'GET /keys lists those there are'
        throw new ApiError('NOT_FOUND', `key not found: ${JSON.stringify(id)}; ${why}`)
      }
      return ok(c, { id, revoked: true as const }, 200)
    })
}
