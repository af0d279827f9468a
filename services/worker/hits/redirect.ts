import { HitFailure } from './failure.ts'
import type { Hop } from './request.ts'
import { targetOf } from './target.ts'

const redirects = new Set([301, 302, 303, 307, 308])

/**
 * What may follow to another origin. A list of what is harmless and not of what is secret: keys travel in headers of any
 * name (X-Api-Key, Private-Token, …).
 */
const harmless = new Set(['accept', 'accept-encoding', 'accept-language', 'cache-control', 'content-language', 'content-type', 'idempotency-key', 'user-agent'])

/** Where an answer sends the request on to; undefined where it is no redirect, or does not say where to. */
export function locationOf(status: number, location: string | undefined): string | undefined {
  return redirects.has(status) && location !== undefined && location !== '' ? location : undefined
}

/**
 * The request after a redirect, as Go's client and browsers make it (RFC 9110, section 15.4): 301, 302 and
 * 303 turn all but GET and HEAD into a GET without a body; 307 and 308 repeat the request. To another origin
 * goes only what is harmless; what was dropped stays dropped on the way back.
 * @throws HitFailure invalid_response where the location is no URL; blocked_address where a body that holds a secret would go
 *   to another origin
 */
export function nextHop(hop: Hop, status: number, location: string): Hop {
  const { target, method, headers, body, confidential } = hop
  if (!URL.canParse(location, target.url.href)) throw new HitFailure('invalid_response', `it answered ${status} with a Location that is no URL`)
  const next = targetOf(new URL(location, target.url))
  const becomesGet = status !== 307 && status !== 308 && method !== 'GET' && method !== 'HEAD'
  const away = next.origin !== target.origin
  if (away && !becomesGet && confidential?.body) {
    throw new HitFailure('blocked_address', `it redirects to ${next.origin}, where the body of the request must not go, since it holds a secret`)
  }
  const mayGo = (name: string): boolean => !away || (harmless.has(name) && !confidential?.headers.has(name))
  const kept = Object.entries(headers).filter(([name]) => mayGo(name) && !(becomesGet && name.startsWith('content-')))
  return { target: next, method: becomesGet ? 'GET' : method, headers: Object.fromEntries(kept), body: becomesGet ? undefined : body, confidential }
}
