import { ServerResponse } from 'node:http'
import type { Context } from 'hono'

/** Node's own response to the request that `c` serves; undefined where the runtime is not Node, or a test calls the app without a socket. */
export function outgoingOf(c: Context): ServerResponse | undefined {
  const env: unknown = c.env
  return typeof env === 'object' && env !== null && 'outgoing' in env && env.outgoing instanceof ServerResponse ? env.outgoing : undefined
}
