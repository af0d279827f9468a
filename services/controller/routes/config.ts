import { createRoute, z } from '@hono/zod-openapi'
import { ConfigSchema, PublishRequestSchema } from '#lib/contract/config.ts'
import { etagHeader } from '#lib/distribution/routes/latest.ts'
import { versionRoutes } from '#lib/distribution/routes/version.ts'
import { answer, bodyErrors, errorAnswer, jsonRequest, keyErrors } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { strictJsonBody } from '#lib/http/body.ts'
import { requires } from '#lib/http/caller.ts'
import { etagOf } from '#lib/http/etag.ts'
import { ok } from '#lib/http/reply.ts'
import { actorOf } from '../actor.ts'
import type { ControllerDeps } from '../deps.ts'
import { publishConfig } from '../publish.ts'
import { storeAnswers } from '../store-errors.ts'

const publishHeaders = z.object({
  'if-match': z
    .string()
    .optional()
    .meta({ description: 'Publish only where this is the latest version; `"0"`: only where there is none yet.', example: '"6"' }),
})

/** Publishing configs, and reading one version. */
export function configRoutes(deps: ControllerDeps) {
  const publish = createRoute({
    method: 'post',
    path: '/config',
    tags: ['configs'],
    summary: 'Publish a config as the next version',
    middleware: [requires('publish', 'publish'), strictJsonBody({ maxBytes: deps.config.maxConfigBytes })],
    request: { headers: publishHeaders, body: jsonRequest(PublishRequestSchema) },
    responses: {
      201: { ...answer(201, 'Published, and on the disk.', ConfigSchema), headers: etagHeader },
      ...bodyErrors,
      ...keyErrors,
      412: errorAnswer('VERSION_CONFLICT'),
      503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED'),
    },
  })

  return createRouter()
    .openapi(publish, async (c) => {
      const config = await publishConfig(deps, c.req.valid('json'), c.req.valid('header')['if-match'], actorOf(c, deps.address))
      return ok(c, config, 201, { ETag: etagOf(config.version) })
    })
    .route('/', versionRoutes({ version: (version) => storeAnswers('read the config', () => deps.store.byVersion(version)) }))
}
