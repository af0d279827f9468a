import { OpenAPIHono } from '@hono/zod-openapi'
import type { Logger } from '../observe/logger.ts'
import { noteRoute } from './counted-response.ts'
import { ApiError, answerTo, invalidRequest } from './errors.ts'
import { errorResponse } from './reply.ts'
import { requestId } from './request-id.ts'

/** A router for one resource: what does not meet a route's schemas is answered with all violations named. */
export const createRouter = () =>
  new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.error, result.target)
    },
  })

/** A route's pattern as a regular expression over paths. */
const toPattern = (path: string): RegExp => new RegExp(`^${path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:[^/]+/g, '[^/]+')}$`)

/** The methods that a path is served for, by pattern; what an Allow header is made of. */
function allowedMethods(routes: readonly { readonly method: string; readonly path: string }[], refusesHead: ReadonlySet<string>): (path: string) => string[] {
  const table = new Map<string, { pattern: RegExp; methods: Set<string> }>()
  for (const { method, path } of routes) {
    if (method === 'ALL' || path.includes('*')) continue
    const entry = table.get(path) ?? { pattern: toPattern(path), methods: new Set<string>() }
    entry.methods.add(method)
    if (method === 'GET' && !refusesHead.has(path)) entry.methods.add('HEAD')
    table.set(path, entry)
  }
  return (path) => {
    const methods = new Set([...table.values()].filter(({ pattern }) => pattern.test(path)).flatMap((entry) => [...entry.methods]))
    // A pattern beside it may take the path too: /config/:version.
    if (refusesHead.has(path)) methods.delete('HEAD')
    return [...methods].sort()
  }
}

/**
 * The outermost app of a service: writes every error as the envelope, answers unknown routes with 404 and
 * known ones with another method with 405 and `Allow`.
 * @param options.refusesHead paths whose GET has an effect, so that HEAD must not run it
 */
export function createApp(options: { readonly logger: Logger; readonly refusesHead?: readonly string[] }) {
  const app = createRouter()
  const refusesHead = new Set(options.refusesHead)
  let allowed: ((path: string) => string[]) | undefined
  app.use(noteRoute)

  app.notFound((c) => {
    allowed ??= allowedMethods(app.routes, refusesHead)
    const methods = allowed(c.req.path)
    if (methods.length === 0)
      return errorResponse(
        c,
        new ApiError('NOT_FOUND', `Cannot find ${c.req.method} ${c.req.path.slice(0, 200)}: there is no such route; see /docs for those there are`),
      )
    const allow = methods.join(', ')
    return errorResponse(
      c,
      new ApiError('METHOD_NOT_ALLOWED', `Cannot ${c.req.method} ${c.req.path.slice(0, 200)}: this route takes ${allow}`, { headers: { Allow: allow } }),
    )
  })

  app.onError((error, c) =>
    errorResponse(
      c,
      answerTo(error, () => ({ request_id: requestId(c), method: c.req.method, path: c.req.path }), options.logger),
    ),
  )

  if (refusesHead.size > 0) {
    // Hono serves HEAD by the GET handler.
    app.use(async (c, next) => {
      if (c.req.method === 'HEAD' && refusesHead.has(c.req.path)) return c.notFound()
      return next()
    })
  }
  return app
}
