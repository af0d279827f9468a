import type { ListedHit } from '#lib/contract/hits.ts'
import type { HitJob, StoredHit } from '#lib/queue/port.ts'
import { maskedHeader } from './masked.ts'
import { readTarget, UNREADABLE } from './target.ts'

/** What a job was to send, as far as a list shows it. A job may be older than today's rules: what has another form is left out. */
function shownRequest({ request = {} }: Pick<HitJob, 'request'>): Pick<ListedHit, 'method' | 'headers' | 'body_bytes'> {
  const { method, headers, body } = request
  const given = typeof headers === 'object' && headers !== null ? Object.entries(headers) : []
  const shown = given.flatMap(([name, value]) => (typeof value === 'string' ? [[name, maskedHeader(name, value)] as const] : []))
  return {
    method: typeof method === 'string' ? method : 'GET',
    ...(shown.length === 0 ? {} : { headers: Object.fromEntries(shown) }),
    ...(typeof body === 'string' ? { body_bytes: Buffer.byteLength(body) } : {}),
  }
}

/** A hit as `GET /hits` lists it: what it was to do, without query, credentials and body, and what became of it, without the answer's body. */
export function listedHit({ job, result }: StoredHit): ListedHit {
  const { status_code, error_class, error, history, finished_at } = result
  return {
    task_id: job.task_id,
    status: result.status,
    url: readTarget(job.url)?.shown ?? UNREADABLE,
    ...shownRequest(job),
    config_version: job.config_version,
    ...(job.request_id === undefined ? {} : { request_id: job.request_id }),
    attempts: result.attempts ?? 0,
    ...(status_code === undefined ? {} : { status_code }),
    ...(error_class === undefined ? {} : { error_class }),
    ...(error === undefined ? {} : { error }),
    ...(history === undefined ? {} : { history }),
    enqueued_at: new Date(job.enqueued_at).toISOString(),
    ...(finished_at === undefined ? {} : { finished_at }),
  }
}
