import type { Context } from 'hono'
import { errorBody } from '#lib/contract/envelope.ts'
import { ApiError } from '#lib/http/errors.ts'
import { noneMatchHits } from '#lib/http/etag.ts'
import { requestIdFrom } from '#lib/http/request-id.ts'
import { waitForChange } from '#lib/watch/wait-for-change.ts'
import type { ConfigFeed, Snapshot } from './feed.ts'

/** What a reader says it holds: the headers of a conditional read. */
interface Held {
  readonly ifNoneMatch: string | undefined
  readonly configId: string | undefined
}

/** The headers by which a reader says what it holds. */
const heldBy = (c: Context): Held => ({ ifNoneMatch: c.req.header('If-None-Match'), configId: c.req.header('X-Config-Id') })

/** Whether the reader holds this very config: by version, and by id where it names one. */
function holds(held: Held, snapshot: Snapshot): boolean {
  if (held.ifNoneMatch === undefined || !noneMatchHits(held.ifNoneMatch, snapshot.version)) return false
  return held.configId === undefined || held.configId === snapshot.config.id
}

/**
 * The answer to a read of the latest config: 304 without a body where the reader holds it, 200 with it, 404
 * where there is none. Built around what the snapshot has ready: this is the route that whole fleets call.
 */
function answerLatest(c: Context, snapshot: Snapshot | undefined, held: Held): Response {
  const id = requestIdFrom(c.req.header('X-Request-Id'))
  if (snapshot === undefined) {
    return new Response(JSON.stringify(errorBody(id, 'NOT_FOUND', 'no config available')), {
      status: 404,
      headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache', 'X-Request-Id': id },
    })
  }
  if (holds(held, snapshot)) {
    return new Response(null, { status: 304, headers: { ETag: snapshot.etag, 'Cache-Control': 'no-cache', 'X-Request-Id': id } })
  }
  return new Response(snapshot.head + id + snapshot.tail, {
    status: 200,
    headers: { 'Content-Type': 'application/json', ETag: snapshot.etag, 'Cache-Control': 'no-cache', 'X-Request-Id': id },
  })
}

/** Reads the latest config. */
export const readLatest = (c: Context, feed: ConfigFeed): Response => answerLatest(c, feed.current, heldBy(c))

/**
 * Reads the latest config, holding the request while the reader has it already, or while there is none.
 * @param seconds how long to hold
 * @throws ApiError NOT_READY where the controller shuts down meanwhile
 */
export async function readWhenChanged(c: Context, feed: ConfigFeed, seconds: number): Promise<Response> {
  const held = heldBy(c)
  const { current } = feed
  const isNew = (snapshot: Snapshot) => !holds(held, snapshot)
  if (seconds === 0 || (current !== undefined && isNew(current))) return answerLatest(c, current, held)
  const outcome = await waitForChange(feed.hub, isNew, { timeoutMs: seconds * 1000, signal: c.req.raw.signal })
  if (outcome.kind === 'closed')
    throw new ApiError('NOT_READY', 'The controller is shutting down; follow again in a moment', { headers: { 'Retry-After': '1', Connection: 'close' } })
  return answerLatest(c, feed.current, held)
}
