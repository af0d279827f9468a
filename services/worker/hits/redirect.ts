import { HitFailure } from './failure.ts'
import type { Hop } from './request.ts'

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
 * @throws HitFailure invalid_response where the location is no URL
 */
export function nextHop(hop: Hop, status: number, location: string): Hop {
  if (!URL.canParse(location, hop.url.href)) throw new HitFailure('invalid_response', `it answered ${status} with a Location that is no URL`)
  const url = new URL(location, hop.url)
  const becomesGet = status !== 307 && status !== 308 && hop.method !== 'GET' && hop.method !== 'HEAD'
  const kept = Object.entries(hop.headers).filter(
    ([name]) => (url.origin === hop.url.origin || harmless.has(name)) && !(becomesGet && name.startsWith('content-')),
  )
  return { url, method: becomesGet ? 'GET' : hop.method, headers: Object.fromEntries(kept), body: becomesGet ? undefined : hop.body }
}
