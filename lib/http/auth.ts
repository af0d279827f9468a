import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { MiddlewareHandler } from 'hono'
import { createMiddleware } from 'hono/factory'
import { bootstrapCaller, type Caller } from './caller.ts'
import { ApiError } from './errors.ts'

/** What is kept of a key, and what it is looked up by: SHA-256, hex. */
export const keyDigest = (key: string): string => hash('sha256', key, 'hex')

/** The keys a service accepts. */
export interface KeyRing {
  /** Whose key it is; undefined where it is not accepted. */
  caller(key: string): Caller | undefined
}

/**
 * A ring of fixed keys of the service itself. Only digests are kept and looked up: what a caller can learn from the time
 * a lookup takes is about the digest of what he sent, which tells him nothing about a key.
 */
export function createKeyRing(keys: readonly string[]): KeyRing {
  const digests = new Set(keys.map(keyDigest))
  return { caller: (key) => (digests.has(keyDigest(key)) ? bootstrapCaller : undefined) }
}

/** Reads headers by their names in lower case: a web Headers, or what stands for one. */
export interface HeaderReader {
  get(name: string): string | null
}

/** Node's own headers as a reader; one that was sent several times, where Node keeps a list, counts as absent. */
export const readerOf = (headers: IncomingHttpHeaders): HeaderReader => ({
  get: (name) => {
    const value = headers[name]
    return typeof value === 'string' ? value : null
  },
})

/** A ring of keys that may have to ask first; what a {@link KeyRing} answers at once costs no turn. */
export interface AskingKeyRing {
  /** @param headers of the request that presents the key */
  caller(key: string, headers: HeaderReader): Caller | undefined | Promise<Caller | undefined>
}

/** The key that a request carries: `X-API-Key`, else `Authorization: Bearer` (RFC 6750 section 2.1). */
export function presentedKey(headers: HeaderReader): string | undefined {
  const own = headers.get('x-api-key')
  if (own) return own
  return headers.get('authorization')?.match(/^Bearer +(\S+)$/i)?.[1]
}

/**
 * Lets a request pass that carries an accepted key; every path needs one but those named.
 * @param options.open paths that need no key; one ending in `/` stands for all below it
 */
export function apiKeyAuth(options: { readonly keys: AskingKeyRing; readonly open: readonly string[] }): MiddlewareHandler {
  const open = new Set(options.open)
  const openBelow = options.open.filter((path) => path.endsWith('/'))
  const isOpen = (path: string): boolean => open.has(path) || openBelow.some((prefix) => path.startsWith(prefix))
  return createMiddleware(async function apiKey(c, next) {
    if (isOpen(c.req.path)) return next()
    const key = presentedKey(c.req.raw.headers)
    if (key !== undefined) {
      const found = options.keys.caller(key, c.req.raw.headers)
      const caller = found instanceof Promise ? await found : found
      if (caller !== undefined) {
        c.set('caller', caller)
        return next()
      }
    }
    if (key === undefined) throw new ApiError('UNAUTHORIZED', 'missing API key', { headers: { 'WWW-Authenticate': 'Bearer' } })
    throw new ApiError('FORBIDDEN', 'invalid API key')
  })
}

/** The paths of every service that need no key. */
export const openPaths = ['/health', '/ready', '/metrics', '/openapi.json', '/docs', '/docs/'] as const
