import type { IncomingMessage, ServerResponse } from 'node:http'
import { presentedKey, readerOf } from '#lib/http/auth.ts'
import { answerTo } from '#lib/http/errors.ts'
import { writeError, writeOk } from '#lib/http/reply.ts'
import { requestIdFrom } from '#lib/http/request-id.ts'
import type { FastLane } from '#lib/http/serve.ts'
import { type TraceContext, traceOfRequest } from '#lib/observe/trace/context.ts'
import type { WorkerDeps } from './deps.ts'
import { enqueueHit } from './hit.ts'

/** The Host headers that the road takes without a closer look; others may be malformed. */
const plainHost = /^[a-z0-9._-]+(?::(?:[1-5]\d{3,4}|[6-9]\d{3}))?$/

/** Whether a request has nothing but its headers to say. */
const isBare = ({ headers }: IncomingMessage): boolean =>
  headers['idempotency-key'] === undefined && headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0'

/** Queues a hit and answers. */
async function accept(deps: WorkerDeps, incoming: IncomingMessage, outgoing: ServerResponse, id: string, trace: TraceContext | undefined): Promise<void> {
  try {
    writeOk(outgoing, id, await enqueueHit(deps, undefined, { request_id: id, trace }), 202)
  } catch (error) {
    const { method = '' } = incoming
    writeError(
      outgoing,
      id,
      answerTo(error, () => ({ request_id: id, method, path: '/hit' }), deps.logger),
    )
  }
}

/**
 * The fast lane for `GET` and `POST /hit` in their plain form: without query, body and Idempotency-Key. It makes the same
 * checks by the same functions as the middleware, and what they refuse takes the road through the routes, which say what is
 * wrong. (Measured, CPU time of an accepted hit without its queue: 18 µs in a bare server, 24 here, 54 by middleware and routes.)
 */
export function createHitLane(deps: WorkerDeps): FastLane {
  const { keys, wrongKeys, origin } = deps
  return (incoming, outgoing) => {
    const { method, url, headers: raw } = incoming
    if (url !== '/hit' || (method !== 'GET' && method !== 'POST')) return false
    if (raw.host === undefined || !plainHost.test(raw.host) || !isBare(incoming)) return false
    const headers = readerOf(raw)
    if (origin?.(headers, '') !== undefined) return false
    if (keys) {
      const key = presentedKey(headers)
      const caller = key === undefined ? undefined : keys.caller(key)
      if (caller === undefined || !wrongKeys.admits(incoming, caller)) return false
    }
    void accept(deps, incoming, outgoing, requestIdFrom(headers.get('x-request-id')), traceOfRequest(headers))
    return true
  }
}
