import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { MiddlewareHandler } from 'hono'
import { createMiddleware } from 'hono/factory'
import { incomingOf } from './address.ts'
import { bootstrapCaller, type Caller, may } from './caller.ts'
import { ApiError } from './errors.ts'
import type { WrongKeys } from './wrong-keys.ts'

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
  /** Whose key it was when it was last asked about, without asking now; absent: the ring never has to ask. */
  known?(key: string): Caller | undefined
}

/** The key that a request carries: `X-API-Key`, else `Authorization: Bearer` (RFC 6750 section 2.1). */
export function presentedKey(headers: HeaderReader): string | undefined {
  const own = headers.get('x-api-key')
  if (own) return own
  return headers.get('authorization')?.match(/^Bearer +(\S+)$/i)?.[1]
}

/**
 * Whether a relay vouches for whoever presents a key: it asks for one below it, and names itself by a key of its own in
 * `X-Relay-Key`. It slows wrong keys down itself, by the addresses below it: from here they all have one.
 */
function isVouchedFor(keys: AskingKeyRing, headers: Headers): boolean {
  const relayKey = headers.get('x-relay-key')
  const relay = relayKey === null ? undefined : keys.known ? keys.known(relayKey) : keys.caller(relayKey, headers)
  return relay !== undefined && !(relay instanceof Promise) && may(relay, 'batch')
}

/**
 * Lets a request pass that carries an accepted key; every path needs one but those named.
 * @param options.open paths that need no key; one ending in `/` stands for all below it
 * @param options.wrongKeys slows those down who guess
 */
export function apiKeyAuth(options: { readonly keys: AskingKeyRing; readonly open: readonly string[]; readonly wrongKeys?: WrongKeys }): MiddlewareHandler {
  const { keys, wrongKeys } = options
  const open = new Set(options.open)
  const openBelow = options.open.filter((path) => path.endsWith('/'))
  const isOpen = (path: string): boolean => open.has(path) || openBelow.some((prefix) => path.startsWith(prefix))
  return createMiddleware(async function apiKey(c, next) {
    if (isOpen(c.req.path)) return next()
    const { headers } = c.req.raw
    const key = presentedKey(headers)
    if (key === undefined) throw new ApiError('UNAUTHORIZED', 'missing API key', { headers: { 'WWW-Authenticate': 'Bearer' } })
    const incoming = incomingOf(c)
    const vouched = wrongKeys === undefined || isVouchedFor(keys, headers)
    const early = keys.known ? keys.known(key) : keys.caller(key, headers)
    if (!vouched) wrongKeys.check(incoming, key, early instanceof Promise ? undefined : early)
    const caller = await (keys.known ? keys.caller(key, headers) : early)
    if (caller === undefined) {
      if (!vouched) wrongKeys.wrong(incoming, key)
      throw new ApiError('FORBIDDEN', 'invalid API key')
    }
    wrongKeys?.right(incoming, caller)
    c.set('caller', caller)
    return next()
  })
}

/** The paths of every service that need no key. */
export const openPaths = ['/health', '/ready', '/metrics', '/openapi.json', '/docs', '/docs/'] as const
