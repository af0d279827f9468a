import type { Context } from 'hono'
import { beginsToWait } from '../http/admission.ts'
import type { HeaderReader } from '../http/auth.ts'
import { callerOf } from '../http/caller.ts'
import { ApiError } from '../http/errors.ts'
import { noneMatchHits } from '../http/etag.ts'
import { outgoingOf } from '../http/outgoing.ts'
import { requestIdFrom } from '../http/request-id.ts'
import { waitForChange } from '../watch/wait-for-change.ts'
import type { ConfigFeed, Snapshot } from './feed.ts'
import type { Presence } from './followers.ts'
import type { HeldByKey } from './held-by-key.ts'
import { signOf } from './sign.ts'

/** What a reader says it holds: the headers of a conditional read. */
export interface Held {
  readonly ifNoneMatch: string | null
  readonly configId: string | null
}

/** What a reader says it holds, by its headers. */
export const heldBy = (headers: HeaderReader): Held => ({ ifNoneMatch: headers.get('if-none-match'), configId: headers.get('x-config-id') })

/** What the reader of a stream says it holds: `Last-Event-ID` where it sends one. */
export function heldByStream(headers: HeaderReader): Held {
  const last = headers.get('last-event-id')
  return { ifNoneMatch: last ?? headers.get('if-none-match'), configId: headers.get('x-config-id') }
}

/** Whether the reader holds this very config: by version, and by id where it names one. */
export function holds(held: Held, snapshot: Snapshot): boolean {
  if (held.ifNoneMatch === null || !noneMatchHits(held.ifNoneMatch, snapshot.version)) return false
  return held.configId === null || held.configId === snapshot.config.id
}

/** What held requests are told when the service stops: when to come back differs from one to the next. */
export const shuttingDown = (feed: ConfigFeed): ApiError =>
  new ApiError('NOT_READY', 'The service is shutting down; follow again in a moment', {
    headers: { 'Retry-After': String(Math.ceil(feed.returnInMs() / 1000)), Connection: 'close' },
  })

/** What a held long poll is told when its agent was deleted: it backs off, and then it registers again. */
export const mustRegister = (): ApiError =>
  new ApiError('NOT_READY', 'Cannot hold the request any longer: this agent was deleted; register again by POST /register', { headers: { 'Retry-After': '1' } })

/** What a held long poll is told when its key was revoked or has expired. */
export const keyGone = (): ApiError => new ApiError('FORBIDDEN', 'invalid API key')

/** An answer before it is one: for a Response, or for Node's own. */
export interface Answer {
  readonly status: 200 | 304
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

/**
 * The answer to a read of the latest config: 304 without a body where the reader holds it, else 200 with it. Built
 * around what the snapshot has ready: this is the route that whole fleets call.
 */
export function latestAnswer(headers: HeaderReader, snapshot: Snapshot, held: Held): Answer {
  if (!holds(held, snapshot)) return newsAnswer(headers, snapshot)
  const id = requestIdFrom(headers.get('x-request-id'))
  return { status: 304, headers: { ETag: snapshot.etag, 'Cache-Control': 'no-cache', 'X-Request-Id': id }, body: null }
}

/** The answer to a reader that does not hold the config. */
export function newsAnswer(headers: HeaderReader, snapshot: Snapshot): Answer {
  const id = requestIdFrom(headers.get('x-request-id'))
  return {
    status: 200,
    // A request id is ASCII.
    headers: {
      'Content-Type': 'application/json',
      'Content-Length': String(snapshot.bytes + id.length),
      ETag: snapshot.etag,
      'Cache-Control': 'no-cache',
      'X-Request-Id': id,
    },
    body: snapshot.head + id + snapshot.tail,
  }
}

/** The same as a Response; 404 where there is no config. */
function respondLatest(headers: HeaderReader, snapshot: Snapshot | undefined, held: Held): Response {
  if (snapshot === undefined) throw new ApiError('NOT_FOUND', 'no config available', { headers: { 'Cache-Control': 'no-cache' } })
  const { status, headers: own, body } = latestAnswer(headers, snapshot, held)
  return new Response(body, { status, headers: own })
}

/** What readers of the latest config meet. */
export interface Readers {
  readonly feed: ConfigFeed
  readonly presence: Presence
  readonly held: HeldByKey
}

/**
 * Reads the latest config, holding the request while the reader has it already, or while there is none.
 * @param seconds how long to hold
 * @throws ApiError NOT_FOUND where there is none; NOT_READY where the service shuts down meanwhile, or the agent is deleted; FORBIDDEN where the key is revoked meanwhile
 */
export async function readWhenChanged(c: Context, { feed, presence, held: heldByKey }: Readers, seconds: number): Promise<Response> {
  const { headers } = c.req.raw
  const held = heldBy(headers)
  const { current } = feed
  const isNew = (snapshot: Snapshot) => !holds(held, snapshot)
  const caller = callerOf(c)
  const sign = signOf(headers, held, seconds > 0 ? 'wait' : 'poll', caller)
  if (seconds === 0 || (current !== undefined && isNew(current))) {
    if (sign) presence.seen(sign)
    return respondLatest(headers, current, held)
  }
  const dropped = new AbortController()
  const detach = sign && presence.attach(sign, () => dropped.abort(mustRegister()))
  const leave = heldByKey.hold(caller, () => dropped.abort(keyGone()))
  beginsToWait(outgoingOf(c))
  const outcome = await waitForChange(feed.hub, isNew, { timeoutMs: seconds * 1000, signal: AbortSignal.any([c.req.raw.signal, dropped.signal]) })
  detach?.()
  leave()
  dropped.signal.throwIfAborted()
  if (outcome.kind === 'closed') throw shuttingDown(feed)
  return respondLatest(headers, feed.current, held)
}
