import { createRoute, z } from '@hono/zod-openapi'
import { type Config, ConfigSchema } from '../../contract/config.ts'
import { answer, callerErrors, errorAnswer } from '../../http/answers.ts'
import { createRouter } from '../../http/app.ts'
import { ApiError } from '../../http/errors.ts'
import { etagOf } from '../../http/etag.ts'
import { ok } from '../../http/reply.ts'
import { etagHeader } from './latest.ts'

/** What a version in a path may be: a number; one that cannot exist is simply not there. */
const versionParam = z.object({ version: z.string().meta({ description: 'A whole number from 1.', example: '7' }) })

const route = createRoute({
  method: 'get',
  path: '/config/{version}',
  tags: ['configs'],
  summary: 'The config of one version',
  description: 'A relay answers 409 RELAY_LOOP to a request that it has passed on itself.',
  request: { params: versionParam },
  responses: {
    200: { ...answer(200, 'The config of that version.', ConfigSchema), headers: etagHeader },
    400: errorAnswer('INVALID_VERSION'),
    ...callerErrors,
    404: errorAnswer('NOT_FOUND'),
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED', 'UPSTREAM_UNAVAILABLE'),
  },
})

/**
 * `GET /config/:version`, of a controller or a relay.
 * @param deps.version gives the config of a version, or undefined where there is none
 */
export function versionRoutes(deps: { readonly version: (version: number) => Promise<Config | undefined> }) {
  return createRouter().openapi(route, async (c) => {
    const { version } = c.req.valid('param')
    if (!/^[+-]?\d+$/.test(version))
      throw new ApiError('INVALID_VERSION', 'version must be a number', {
        details: [{ path: 'param.version', message: `expected a whole number from 1, got ${JSON.stringify(version.slice(0, 100))}` }],
      })
    const number = Number(version)
    const config = Number.isSafeInteger(number) && number >= 1 ? await deps.version(number) : undefined
    if (!config) throw new ApiError('NOT_FOUND', 'config version not found')
    return ok(c, config, 200, { ETag: etagOf(config.version), 'Cache-Control': 'no-cache' })
  })
}
