import { randomUUID } from 'node:crypto'
import type { Context } from 'hono'

/** What an inbound request id may be; anything else is replaced. */
const acceptable = /^[A-Za-z0-9._-]{1,128}$/

/** Whether a text can be the id of a request. */
export const isRequestId = (text: string): boolean => acceptable.test(text)

/** The id of a request from its `X-Request-Id` header: kept where it is acceptable, else a new UUID. */
export function requestIdFrom(header: string | null): string {
  return header !== null && isRequestId(header) ? header : randomUUID()
}

declare module 'hono' {
  interface ContextVariableMap {
    /** Made at first use: not every request needs one. */
    requestId?: string
  }
}

/** The id of the request that `c` serves, the same at every call. */
export function requestId(c: Context): string {
  const known = c.get('requestId')
  if (known !== undefined) return known
  const id = requestIdFrom(c.req.raw.headers.get('X-Request-Id'))
  c.set('requestId', id)
  return id
}
