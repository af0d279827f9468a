import { createRoute } from '@hono/zod-openapi'
import type { ErrorDetail } from '../contract/envelope.ts'
import { type Health, HealthSchema, ReadySchema } from '../contract/health.ts'
import { VERSION } from '../runtime/version.ts'
import { answer, errorAnswer } from './answers.ts'
import { createRouter } from './app.ts'
import { ApiError } from './errors.ts'
import { ok } from './reply.ts'

/** What a service tells of itself. */
export interface Operational {
  readonly service: Health['service']
  /** Its parts as `/health` shows them, and what is wrong with them. Never rejects. */
  health(): Promise<{ readonly parts: Health['parts']; readonly warnings: readonly string[]; readonly degraded: boolean }>
  /** What is missing for its work; empty where it is ready. */
  missing(): Promise<readonly ErrorDetail[]>
}

const healthRoute = createRoute({
  method: 'get',
  path: '/health',
  tags: ['operating'],
  summary: 'Alive, and how its parts are',
  responses: { 200: answer(200, 'The process serves; `status` and `warnings` say how its parts are.', HealthSchema) },
})

const readyRoute = createRoute({
  method: 'get',
  path: '/ready',
  tags: ['operating'],
  summary: 'Able to do its work',
  responses: { 200: answer(200, 'Everything it needs is there.', ReadySchema), 503: errorAnswer('NOT_READY') },
})

/** `GET /health` and `GET /ready` of a service. */
export function operationalRoutes(operational: Operational) {
  const startedAt = performance.now()
  return createRouter()
    .openapi(healthRoute, async (c) => {
      const { parts, warnings, degraded } = await operational.health()
      const health: Health = {
        status: degraded ? 'degraded' : 'ok',
        service: operational.service,
        version: VERSION,
        uptime_seconds: Math.round(performance.now() - startedAt) / 1000,
        warnings: [...warnings],
        parts,
      }
      return ok(c, health, 200)
    })
    .openapi(readyRoute, async (c) => {
      const missing = await operational.missing()
      if (missing.length > 0) {
        const names = missing.map(({ path }) => path).join(', ')
        throw new ApiError('NOT_READY', `Not ready: ${names} is missing or does not work`, { details: missing, headers: { 'Retry-After': '1' } })
      }
      return ok(c, { ready: true as const }, 200)
    })
}

/**
 * Remembers the answer of a check for `ms`, so that whoever asks often does not make it work often.
 * @param check is run at most once at a time
 */
export function rememberFor<T>(ms: number, check: () => Promise<T>): () => Promise<T> {
  let last: { readonly at: number; readonly answer: Promise<T> } | undefined
  return () => {
    const now = performance.now()
    if (last === undefined || now - last.at > ms) last = { at: now, answer: check() }
    return last.answer
  }
}
