import { type HitRequest, HitRequestSchema } from '#lib/contract/hit-request.ts'
import { type TraceContext, traceHeaders } from '#lib/observe/trace/context.ts'
import type { HitJob } from '#lib/queue/port.ts'
import { HitFailure } from './failure.ts'
import { type Confidential, type ReadyRequest, type Secrets, withSecrets } from './secrets.ts'
import type { Target } from './target.ts'

/** One request of an attempt: the first, or the next after a redirect. */
export interface Hop {
  readonly target: Target
  readonly method: HitRequest['method']
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly confidential: Confidential | undefined
}

/** What a job without a `data.request` asks for. */
const plain: ReadyRequest = { request: HitRequestSchema.parse({}) }

/**
 * Reads what the job's config says about its request, and puts the secrets in.
 * @throws HitFailure internal where it says something that no worker understands, or names a secret that this one does not have:
 *   no retry would change that
 */
export function requestOf(job: Pick<HitJob, 'request'>, secrets: Secrets): ReadyRequest {
  if (job.request === undefined) return plain
  const parsed = HitRequestSchema.safeParse(job.request)
  if (parsed.success) return withSecrets(parsed.data, secrets)
  const problems = parsed.error.issues.map(({ path, message }) => `${['data.request', ...path].join('.')}: ${message}`)
  throw new HitFailure('internal', `its request cannot be made, ${problems.join('; ')}`)
}

/**
 * The first request of a job.
 * @param trace that it goes on with, unless the config names a traceparent itself
 */
export function firstHop(target: Target, taskId: string, { request, confidential }: ReadyRequest, trace?: TraceContext): Hop {
  const { method, headers: said, body } = request
  const headers: Record<string, string> = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'dcm-worker' }
  for (const name of Object.keys(said)) headers[name.toLowerCase()] = said[name] ?? ''
  if (trace !== undefined && headers.traceparent === undefined) Object.assign(headers, traceHeaders(trace))
  headers['idempotency-key'] = taskId
  return { target, method, headers, body, confidential }
}
