import { createRoute } from '@hono/zod-openapi'
import { ConfigSchemaRequestSchema, MAX_SCHEMA_BYTES, SchemaDeletedSchema, SchemaQuerySchema, StoredSchemaSchema } from '#lib/contract/config-schema.ts'
import { answer, bodyErrors, callerErrors, errorAnswer, jsonRequest } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { strictJsonBody } from '#lib/http/body.ts'
import { requires } from '#lib/http/caller.ts'
import { ApiError } from '#lib/http/errors.ts'
import { ok } from '#lib/http/reply.ts'
import { actorOf } from '../actor.ts'
import type { ControllerDeps } from '../deps.ts'

const noSchema = (): ApiError => new ApiError('NOT_FOUND', 'no config schema is set; PUT /config/schema sets one')

const read = createRoute({
  method: 'get',
  path: '/config/schema',
  tags: ['configs'],
  summary: 'The config schema in force',
  middleware: [requires('publish', 'read the config schema')],
  responses: {
    200: answer(200, 'What the data of every config has to meet.', StoredSchemaSchema),
    ...callerErrors,
    404: errorAnswer('NOT_FOUND'),
    503: errorAnswer('OVERLOADED'),
  },
})

const set = createRoute({
  method: 'put',
  path: '/config/schema',
  tags: ['configs'],
  summary: 'Set the config schema',
  description: 'A JSON Schema of draft 2020-12 for the `data` of configs. From then on every publish and every rollback has to meet it.',
  middleware: [requires('admin', 'set the config schema'), strictJsonBody({ maxBytes: MAX_SCHEMA_BYTES })],
  request: { query: SchemaQuerySchema, body: jsonRequest(ConfigSchemaRequestSchema) },
  responses: {
    200: answer(200, 'In force.', StoredSchemaSchema),
    ...bodyErrors,
    400: errorAnswer('INVALID_REQUEST', 'INVALID_SCHEMA', 'SCHEMA_VIOLATION'),
    ...callerErrors,
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED'),
  },
})

const remove = createRoute({
  method: 'delete',
  path: '/config/schema',
  tags: ['configs'],
  summary: 'Delete the config schema',
  middleware: [requires('admin', 'delete the config schema')],
  request: { query: SchemaQuerySchema.pick({ comment: true }) },
  responses: {
    200: answer(200, 'Configs may be anything again that the contract takes.', SchemaDeletedSchema),
    400: errorAnswer('INVALID_REQUEST'),
    ...callerErrors,
    404: errorAnswer('NOT_FOUND'),
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED'),
  },
})

/** The schema that configs have to meet. */
export function schemaRoutes({ schema, address }: Pick<ControllerDeps, 'schema' | 'address'>) {
  return createRouter()
    .openapi(read, async (c) => {
      const { stored } = schema
      if (stored === undefined) throw noSchema()
      return ok(c, stored, 200)
    })
    .openapi(set, async (c) => {
      const { force = false, comment } = c.req.valid('query')
      return ok(c, await schema.set(c.req.valid('json'), { force, comment }, actorOf(c, address)), 200)
    })
    .openapi(remove, async (c) => {
      if (!(await schema.remove(actorOf(c, address), c.req.valid('query').comment))) throw noSchema()
      return ok(c, { deleted: true as const }, 200)
    })
}
