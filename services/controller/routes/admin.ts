import { createRoute, z } from '@hono/zod-openapi'
import { AuditPageSchema, AuditQuerySchema } from '#lib/contract/audit.ts'
import { answer, callerErrors, errorAnswer } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { requires } from '#lib/http/caller.ts'
import { ok } from '#lib/http/reply.ts'
import { requestId } from '#lib/http/request-id.ts'
import { readAudit } from '../audit.ts'
import type { ControllerDeps } from '../deps.ts'

const audit = createRoute({
  method: 'get',
  path: '/audit',
  tags: ['operating'],
  summary: 'Who changed what, a page at a time',
  description: 'The newest entry first. Each carries the hash of the one before: an entry that was altered or taken out shows.',
  middleware: [requires('admin', 'read the audit')],
  request: { query: AuditQuerySchema },
  responses: {
    200: answer(200, 'Entries, and the newest of all.', AuditPageSchema),
    400: errorAnswer('INVALID_REQUEST'),
    ...callerErrors,
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED'),
  },
})

const backup = createRoute({
  method: 'get',
  path: '/backup',
  tags: ['operating'],
  summary: 'A copy of the database',
  description: 'Made online by SQLite: one file that a controller starts with. It holds the digests of keys, and all configs.',
  middleware: [requires('admin', 'take a backup')],
  responses: {
    200: {
      description: 'The file. `Repr-Digest` (RFC 9530) is its SHA-256.',
      content: { 'application/vnd.sqlite3': { schema: z.string().meta({ format: 'binary' }), example: 'SQLite format 3' } },
      headers: { 'Repr-Digest': { description: 'SHA-256 of the file, base64 between colons.', schema: { type: 'string' as const, example: 'sha-256=:…=:' } } },
    },
    ...callerErrors,
    503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED'),
  },
})

/** What admins ask for: the audit, and backups. */
export function adminRoutes(deps: Pick<ControllerDeps, 'store' | 'backups'>) {
  return createRouter()
    .openapi(audit, async (c) => ok(c, await readAudit(deps, c.req.valid('query')), 200))
    .openapi(backup, async (c) => {
      const { bytes, sha256, content } = await deps.backups.make()
      return c.body(content, 200, {
        'Content-Type': 'application/vnd.sqlite3',
        'Content-Length': String(bytes),
        'Content-Disposition': 'attachment; filename="controller-backup.db"',
        'Repr-Digest': `sha-256=:${sha256}:`,
        'Cache-Control': 'no-store',
        'X-Request-Id': requestId(c),
      })
    })
}
