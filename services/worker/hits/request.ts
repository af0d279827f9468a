import { type HitRequest, HitRequestSchema } from '#lib/contract/hit-request.ts'
import type { HitJob } from '#lib/queue/port.ts'
import { HitFailure } from './failure.ts'

/** One request of an attempt: the first, or the next after a redirect. */
export interface Hop {
  readonly url: URL
  readonly method: HitRequest['method']
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** How long a URL may be in a message or a log line, in characters. */
const SHOWN_CHARACTERS = 200

/** A URL as people and logs may see it: without its query, where secrets travel. */
export function shownUrl(url: URL): string {
  const shown = `${url.protocol}//${url.host}${url.pathname}`
  return shown.length > SHOWN_CHARACTERS ? `${shown.slice(0, SHOWN_CHARACTERS)}…` : shown
}

/** The same for a URL that came as a string, which may be none. */
export function shownTarget(text: string): string {
  return URL.canParse(text) ? shownUrl(new URL(text)) : 'a URL that cannot be read'
}

/**
 * Reads what the job's config says about its request.
 * @throws HitFailure internal where it says something that no worker understands: no retry would change that
 */
export function requestOf(job: Pick<HitJob, 'request'>): HitRequest {
  const parsed = HitRequestSchema.safeParse(job.request ?? {})
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(({ path, message }) => `${['data.request', ...path].join('.')}: ${message}`)
  throw new HitFailure('internal', `its request cannot be made, ${problems.join('; ')}`)
}

/**
 * Makes the first request of a job.
 * @throws HitFailure blocked_address where the url is no URL
 */
export function firstHop(job: Pick<HitJob, 'url' | 'task_id'>, request: HitRequest): Hop {
  if (!URL.canParse(job.url)) throw new HitFailure('blocked_address', 'data.url is not an absolute http: or https: URL')
  const said = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name.toLowerCase(), value]))
  const headers = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'dcm-worker', ...said, 'idempotency-key': job.task_id }
  return { url: new URL(job.url), method: request.method, headers, body: request.body }
}
