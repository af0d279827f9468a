import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { ConfigSchema, PublishRequestSchema } from '#lib/contract/config.ts'
import { DryRunSchema, PublishQuerySchema, RollbackRequestSchema } from '#lib/contract/history.ts'
import { etagHeader } from '#lib/distribution/routes/latest.ts'
import { versionRoutes } from '#lib/distribution/routes/version.ts'
import { answer, bodyErrors, callerErrors, errorAnswer, jsonRequest } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { strictJsonBody } from '#lib/http/body.ts'
import { requires } from '#lib/http/caller.ts'
import { etagOf } from '#lib/http/etag.ts'
import { ok } from '#lib/http/reply.ts'
import { actorOf } from '../actor.ts'
import type { ControllerDeps } from '../deps.ts'
import { observedPublish } from '../observed-publish.ts'
import type { Publication } from '../publish.ts'
import { storeAnswers } from '../store-errors.ts'
import { dryRun, rollbackOf } from '../versions.ts'

/** A rollback is small: a version and a comment. */
const MAX_ROLLBACK_BYTES = 16 * 1024

const publishHeaders = z.object({
  'if-match': z
    .string()
    .optional()
    .meta({ description: 'Publish only where this is the latest version; `"0"`: only where there is none yet.', example: '"6"' }),
  'idempotency-key': z
    .string()
    .optional()
    .meta({ description: 'Makes a repeat safe: for a day the same key gives the first answer. 1 to 255 printable characters.', example: 'deploy-4711' }),
  traceparent: z.string().optional().meta({ description: 'W3C Trace Context: passed on to agents and workers.' }),
})

const replayed = { 'Idempotency-Replayed': { description: '`true` where this is the first answer again.', schema: { type: 'string' as const } } }

/** What publishing and rolling back answer alike. */
const publishAnswers = {
  200: answer(200, 'A dry run: what would be published.', DryRunSchema),
  201: { ...answer(201, 'Published, and on the disk.', ConfigSchema), headers: { ...etagHeader, ...replayed } },
  ...bodyErrors,
  400: errorAnswer('INVALID_REQUEST', 'SCHEMA_VIOLATION'),
  ...callerErrors,
  409: errorAnswer('IDEMPOTENCY_KEY_REUSED'),
  412: errorAnswer('VERSION_CONFLICT'),
  503: errorAnswer('STORE_UNAVAILABLE', 'OVERLOADED', 'NOT_READY'),
}

const rollback = createRoute({
  method: 'post',
  path: '/config/rollback',
  tags: ['configs'],
  summary: 'Publish the content of an older version again',
  description: 'Versions only go up: the old content comes as a new version.',
  middleware: [requires('publish', 'roll back'), strictJsonBody({ maxBytes: MAX_ROLLBACK_BYTES })],
  request: { query: PublishQuerySchema, headers: publishHeaders, body: jsonRequest(RollbackRequestSchema) },
  responses: { ...publishAnswers, 404: errorAnswer('NOT_FOUND') },
})

/** The headers of a request that a publish goes by. */
type PublishHeaders = z.output<typeof publishHeaders>

/** Publishes, or tries to, and answers. */
async function answerPublish(c: Context, deps: ControllerDeps, publication: Publication, headers: PublishHeaders, isDryRun: boolean | undefined) {
  const ifMatch = headers['if-match']
  if (isDryRun) return ok(c, await dryRun(deps, publication, ifMatch), 200)
  const conditions = { ifMatch, idempotencyKey: headers['idempotency-key'], traceparent: headers.traceparent }
  const { config, repeated } = await observedPublish(deps, publication, conditions, actorOf(c, deps.address))
  return ok(c, config, 201, { ETag: etagOf(config.version), ...(repeated ? { 'Idempotency-Replayed': 'true' } : {}) })
}

/** Publishing configs, rolling back, and reading one version. */
export function configRoutes(deps: ControllerDeps) {
  const publish = createRoute({
    method: 'post',
    path: '/config',
    tags: ['configs'],
    summary: 'Publish a config as the next version',
    middleware: [requires('publish', 'publish'), strictJsonBody({ maxBytes: deps.config.maxConfigBytes })],
    request: { query: PublishQuerySchema, headers: publishHeaders, body: jsonRequest(PublishRequestSchema) },
    responses: publishAnswers,
  })

  return createRouter()
    .openapi(publish, (c) => answerPublish(c, deps, c.req.valid('json'), c.req.valid('header'), c.req.valid('query').dry_run))
    .openapi(rollback, async (c) => answerPublish(c, deps, await rollbackOf(deps, c.req.valid('json')), c.req.valid('header'), c.req.valid('query').dry_run))
    .route('/', versionRoutes({ version: (version) => storeAnswers('read the config', () => deps.store.byVersion(version)) }))
}
