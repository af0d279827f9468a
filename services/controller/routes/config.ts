import { createRoute, z } from '@hono/zod-openapi'
import { ConfigSchema, PublishRequestSchema } from '#lib/contract/config.ts'
import { etagHeader } from '#lib/distribution/routes/latest.ts'
import { answer, bodyErrors, errorAnswer, jsonRequest, keyErrors } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { strictJsonBody } from '#lib/http/body.ts'
import { ApiError } from '#lib/http/errors.ts'
import { etagOf } from '#lib/http/etag.ts'
import { ok } from '#lib/http/reply.ts'
import type { ControllerDeps } from '../deps.ts'
import { publishConfig } from '../publish.ts'
import { storeAnswers } from '../store-errors.ts'

const publishHeaders = z.object({
  'if-match': z
    .string()
    .optional()
    .meta({ description: 'Publish only where this is the latest version; `"0"`: only where there is none yet.', example: '"6"' }),
})

/** What a version in a path may be: a number; one that cannot exist is simply not there. */
const versionParam = z.object({ version: z.string().meta({ description: 'A whole number from 1.', example: '7' }) })

/** Publishing configs, and reading one version. */
export function configRoutes(deps: ControllerDeps) {
  const publish = createRoute({
    method: 'post',
    path: '/config',
    tags: ['configs'],
    summary: 'Publish a config as the next version',
    middleware: [strictJsonBody({ maxBytes: deps.config.maxConfigBytes })],
    request: { headers: publishHeaders, body: jsonRequest(PublishRequestSchema) },
    responses: {
      201: { ...answer(201, 'Published, and on the disk.', ConfigSchema), headers: etagHeader },
      ...bodyErrors,
      ...keyErrors,
      412: errorAnswer('VERSION_CONFLICT'),
      503: errorAnswer('STORE_UNAVAILABLE'),
    },
  })

  const byVersion = createRoute({
    method: 'get',
    path: '/config/{version}',
    tags: ['configs'],
    summary: 'The config of one version',
    request: { params: versionParam },
    responses: {
      200: { ...answer(200, 'The config of that version.', ConfigSchema), headers: etagHeader },
      400: errorAnswer('INVALID_VERSION'),
      ...keyErrors,
      404: errorAnswer('NOT_FOUND'),
      503: errorAnswer('STORE_UNAVAILABLE'),
    },
  })

  return createRouter()
    .openapi(publish, async (c) => {
      const config = await publishConfig(deps, c.req.valid('json'), c.req.valid('header')['if-match'])
      return ok(c, config, 201, { ETag: etagOf(config.version) })
    })
    .openapi(byVersion, async (c) => {
      const { version } = c.req.valid('param')
      if (!/^[+-]?\d+$/.test(version))
        throw new ApiError('INVALID_VERSION', 'version must be a number', {
          details: [{ path: 'param.version', message: `expected a whole number from 1, got ${JSON.stringify(version.slice(0, 100))}` }],
        })
      const number = Number(version)
      const config = Number.isSafeInteger(number) && number >= 1 ? await storeAnswers('read the config', () => deps.store.byVersion(number)) : undefined
      if (!config) throw new ApiError('NOT_FOUND', 'config version not found')
      return ok(c, config, 200, { ETag: etagOf(config.version), 'Cache-Control': 'no-cache' })
    })
}
