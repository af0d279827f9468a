import { createRoute, z } from '@hono/zod-openapi'
import { createMiddleware } from 'hono/factory'
import { ConfigIdHeaderSchema, ConfigSchema, WaitQuerySchema } from '../../contract/config.ts'
import { answer, callerErrors, errorAnswer } from '../../http/answers.ts'
import { createRouter } from '../../http/app.ts'
import { callerOf } from '../../http/caller.ts'
import { keyHeaders } from '../../http/key-headers.ts'
import { type Readers, readWhenChanged } from '../watch.ts'

/** The header of an answer that carries a version. */
export const etagHeader = { ETag: { description: 'The version, quoted.', schema: { type: 'string' as const, example: '"7"' } } }

const readHeaders = z.object({
  'if-none-match': z.string().optional().meta({ description: 'The version held, as `7`, `"7"`, `W/"7"`, a list, or `*`.', example: '"6"' }),
  'x-config-id': ConfigIdHeaderSchema,
  'cache-control': z
    .string()
    .optional()
    .meta({ description: '`max-age=0`: a relay asks its controller first (RFC 9111, section 5.2.1.1).', example: 'max-age=0' }),
})

/** Tells a relay whose key it is that it was shown, whatever else is answered. */
const tellsKey = createMiddleware(async function keyTold(c, next) {
  await next()
  if (c.req.header('x-relay-path') === undefined) return
  for (const [name, value] of Object.entries(keyHeaders(callerOf(c)))) c.res.headers.set(name, value)
})

const latest = createRoute({
  method: 'get',
  path: '/config',
  tags: ['configs'],
  summary: 'The latest config, at once or when it changes',
  description: 'A relay answers 409 RELAY_LOOP to a request that it has passed on itself.',
  middleware: [tellsKey],
  request: { query: WaitQuerySchema, headers: readHeaders },
  responses: {
    200: { ...answer(200, 'The latest config.', ConfigSchema), headers: etagHeader },
    304: { description: 'The reader holds the latest config.', headers: etagHeader },
    400: errorAnswer('INVALID_REQUEST'),
    ...callerErrors,
    404: errorAnswer('NOT_FOUND'),
    503: errorAnswer('NOT_READY', 'OVERLOADED', 'UPSTREAM_UNAVAILABLE'),
  },
})

/**
 * Whether a Cache-Control header asks for what the origin says now. `no-cache` does not: fetch adds that to every
 * request with If-None-Match (Fetch standard, HTTP-network-or-cache fetch), whatever its caller wants.
 */
export const asksOrigin = (cacheControl: string | undefined): boolean => cacheControl !== undefined && /\bmax-age=0\b/i.test(cacheControl)

/**
 * `GET /config`, of a controller or a relay.
 * @param deps.revalidate brings the feed up to date with the controller, where this is not one
 */
export function latestRoutes(deps: Readers & { readonly revalidate?: () => Promise<void> }) {
  return createRouter().openapi(latest, async (c) => {
    const { wait = 0 } = c.req.valid('query')
    if (deps.revalidate && asksOrigin(c.req.valid('header')['cache-control'])) await deps.revalidate()
    return readWhenChanged(c, deps, wait)
  })
}
