import { createRoute } from '@hono/zod-openapi'
import { DiffQuerySchema, HistoryPageSchema, HistoryQuerySchema, VersionDiffSchema } from '#lib/contract/history.ts'
import { answer, callerErrors, errorAnswer } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { requires } from '#lib/http/caller.ts'
import { ok } from '#lib/http/reply.ts'
import type { ControllerDeps } from '../deps.ts'
import { diffVersions, readHistory, versionOf } from '../versions.ts'

const history = createRoute({
  method: 'get',
  path: '/configs',
  tags: ['configs'],
  summary: 'The history, a page at a time',
  description: 'The newest version first.',
  middleware: [requires('publish', 'read the history')],
  request: { query: HistoryQuerySchema },
  responses: {
    200: answer(200, 'Versions, without their data unless it is asked for.', HistoryPageSchema),
    400: errorAnswer('INVALID_REQUEST'),
    ...callerErrors,
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED'),
  },
})

const diff = createRoute({
  method: 'get',
  path: '/configs/diff',
  tags: ['configs'],
  summary: 'What differs between two versions',
  middleware: [requires('publish', 'compare versions')],
  request: { query: DiffQuerySchema },
  responses: {
    200: answer(200, 'As a JSON Patch (RFC 6902), and as lines for people.', VersionDiffSchema),
    400: errorAnswer('INVALID_VERSION', 'INVALID_REQUEST'),
    ...callerErrors,
    404: errorAnswer('NOT_FOUND'),
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED'),
  },
})

/** The history, and what differs between its versions. */
export function historyRoutes(deps: Pick<ControllerDeps, 'store'>) {
  return createRouter()
    .openapi(history, async (c) => ok(c, await readHistory(deps, c.req.valid('query')), 200))
    .openapi(diff, async (c) => {
      const { from, to } = c.req.valid('query')
      return ok(c, await diffVersions(deps, versionOf('from', from), versionOf('to', to)), 200)
    })
}
