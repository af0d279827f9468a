import { hash } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { createMiddleware } from 'hono/factory'
import { ApiError } from './errors.ts'

const digest = (key: string): string => hash('sha256', key, 'hex')

/** The keys a service accepts. */
export interface KeyRing {
  /** Whether the key is one of the accepted. */
  accepts(key: string): boolean
}

/**
 * A ring of fixed keys. Only digests are kept and looked up: what a caller can learn from the time a lookup
 * takes is about the digest of what he sent, which tells him nothing about a key.
 */
export function createKeyRing(keys: readonly string[]): KeyRing {
  const digests = new Set(keys.map(digest))
  return { accepts: (key) => digests.has(digest(key)) }
}

/** The key of a request: `X-API-Key`, else `Authorization: Bearer`. */
function presentedKey(c: Context): string | undefined {
  const own = c.req.header('X-API-Key')
  if (own) return own
  const authorization = c.req.header('Authorization')
  return authorization?.match(/^Bearer +(\S+)$/i)?.[1]
}

/**
 * Lets a request pass that carries an accepted key; every path needs one but those named.
 * @param options.open paths that need no key; one ending in `/` stands for all below it
 */
export function apiKeyAuth(options: { readonly keys: KeyRing; readonly open: readonly string[] }): MiddlewareHandler {
  const open = new Set(options.open)
  const openBelow = options.open.filter((path) => path.endsWith('/'))
  return createMiddleware(async function apiKey(c, next) {
    const key = presentedKey(c)
    if (key === undefined) {
      const { path } = c.req
      if (open.has(path) || openBelow.some((prefix) => path.startsWith(prefix))) return next()
      throw new ApiError('UNAUTHORIZED', 'missing API key', { headers: { 'WWW-Authenticate': 'Bearer' } })
    }
    if (!options.keys.accepts(key)) {
      const { path } = c.req
      if (open.has(path) || openBelow.some((prefix) => path.startsWith(prefix))) return next()
      throw new ApiError('FORBIDDEN', 'invalid API key')
    }
    return next()
  })
}

/** The paths of every service that need no key. */
export const openPaths = ['/health', '/ready', '/metrics', '/openapi.json', '/docs', '/docs/'] as const
