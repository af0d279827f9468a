import { type IncomingMessage, type OutgoingHttpHeader, type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { matchedRoutes } from 'hono/route'
import type { RequestCounts } from '../observe/metrics/requests.ts'
import { outgoingOf } from './outgoing.ts'

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[]

/** A response that is counted when its head is written. */
export abstract class CountedResponse<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  /** The pattern of the route that takes the request; undefined where the app has not said so. */
  route: string | undefined = undefined
  /** Whether it is held: how long that takes says nothing of this service. */
  held = false
}

/**
 * The class of a server's responses, which counts them: each way to answer (routes, fast lanes, refusals) writes a head
 * exactly once, so nothing else need be told to count, and no request costs a listener.
 */
export function countedResponse(counts: RequestCounts): typeof ServerResponse {
  return class<Request extends IncomingMessage = IncomingMessage> extends CountedResponse<Request> {
    readonly #arrivedAt = performance.now()

    override writeHead(status: number, message?: string | Headers, headers?: Headers): this {
      const { url = '', method = '' } = this.req
      counts.answered(this.route ?? counts.routeOf(url), method, status, this.held ? undefined : performance.now() - this.#arrivedAt)
      return typeof message === 'string' ? super.writeHead(status, message, headers) : super.writeHead(status, message ?? headers)
    }
  }
}

/** Says that a response is held from now on. */
export function markHeld(outgoing: ServerResponse | undefined): void {
  if (outgoing instanceof CountedResponse) outgoing.held = true
}

/** The pattern of the route that takes a request: where several fit, Hono runs the first. Middleware is of no method. */
const patternOf = (c: Context): string | undefined => matchedRoutes(c).find(({ method }) => method !== 'ALL')?.path

/** Tells the response which route takes its request; outermost, so that what a later middleware refuses counts for its route. */
export const noteRoute = createMiddleware(function noteRoute(c, next) {
  const outgoing = outgoingOf(c)
  if (outgoing instanceof CountedResponse) outgoing.route = patternOf(c)
  return next()
})
