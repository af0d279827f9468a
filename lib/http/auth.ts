import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { MiddlewareHandler } from 'hono'
import { createMiddleware } from 'hono/factory'
import { type AddressReader, addressOf } from './address.ts'
import { bootstrapCaller, type Caller } from './caller.ts'
import { ApiError } from './errors.ts'
import type { WrongKeys } from './wrong-keys.ts'

const digest = (key: string): string => hash('sha256', key, 'hex')

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
  const digests = new Set(keys.map(digest))
  return { caller: (key) => (digests.has(digest(key)) ? bootstrapCaller : undefined) }
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

/** What slows down who tries keys. */
export interface Attempts {
  readonly wrongKeys: WrongKeys
  readonly address: AddressReader
}

/**
 * Lets a request pass that carries an accepted key; every path needs one but those named.
 * @param options.open paths that need no key; one ending in `/` stands for all below it
 * @param options.attempts slows down who tries keys, by their address
 */
export function apiKeyAuth(options: { readonly keys: AskingKeyRing; readonly open: readonly string[]; readonly attempts?: Attempts }): MiddlewareHandler {
  const { attempts } = options
  const open = new Set(options.open)
  const openBelow = options.open.filter((path) => path.endsWith('/'))
  const isOpen = (path: string): boolean => open.has(path) || openBelow.some((prefix) => path.startsWith(prefix))
  return createMiddleware(async function apiKey(c, next) {
    if (isOpen(c.req.path)) return next()
    const key = presentedKey(c.req.raw.headers)
    if (key !== undefined) {
      const found = options.keys.caller(key, c.req.raw.headers)
      const caller = found instanceof Promise ? await found : found
      const address = attempts && addressOf(c, attempts.address)
      const refusal = address === undefined ? undefined : attempts?.wrongKeys.refusal(address, caller?.id)
      if (refusal) throw refusal
      if (address !== undefined && caller) attempts?.wrongKeys.right(address, caller.id)
      else if (address !== undefined) attempts?.wrongKeys.wrong(address)
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
