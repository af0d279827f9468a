import type { MiddlewareHandler } from 'hono'
import { createMiddleware } from 'hono/factory'
import ipaddr from 'ipaddr.js'
import type { HeaderReader } from './auth.ts'
import { ApiError } from './errors.ts'

/** The name in a Host header or origin, without port and brackets, in lower case; undefined where it is malformed. */
function hostName(host: string): string | undefined {
  const url = `http://${host}/`
  // `evil.example@localhost` and `localhost/x` make URLs too, and are no Host (RFC 9110 section 7.2).
  if (/[\s/\\?#@]/.test(host) || !URL.canParse(url)) return undefined
  const { hostname } = new URL(url)
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
}

/** Whether a name or address can only mean this machine (RFC 6761 section 6.3: localhost and below). */
export function isLoopbackHost(name: string): boolean {
  if (name === 'localhost' || name.endsWith('.localhost')) return true
  return ipaddr.isValid(name) && ipaddr.process(name).range() === 'loopback'
}

/** Looks at where a request comes from: why it is refused, or undefined where it is not. */
export type OriginCheck = (headers: HeaderReader, url: string) => string | undefined

/**
 * Keeps web pages out of a service that has no key of its own: whoever runs a browser on this machine could
 * otherwise be made to publish by any page he visits (by a foreign Origin, or by a name of the page's own that
 * is made to point at 127.0.0.1, which the Host header gives away).
 * @param options.allowedHosts names that the service answers to beside loopback
 */
export function createOriginCheck(options: { readonly allowedHosts: readonly string[] }): OriginCheck {
  const allowed = new Set(options.allowedHosts.map((name) => name.toLowerCase()))
  const isOurs = (host: string): boolean => {
    const name = hostName(host)
    return name !== undefined && (isLoopbackHost(name) || allowed.has(name))
  }
  // Callers use a handful of names: parsing one for every request would be most of what a short request costs.
  const known = new Set<string>()
  const problem = (what: string, value: string, fix: string) =>
    `Cannot serve the request: ${what} ${JSON.stringify(value.slice(0, 200))} is not allowed on a service without a key of its own; ${fix}`

  return (headers, url) => {
    const host = headers.get('host') ?? new URL(url).host
    if (!known.has(host)) {
      if (!isOurs(host)) return problem('Host', host, 'add the name to ALLOWED_HOSTS, or give the service a key')
      if (known.size < 64) known.add(host)
    }
    const site = headers.get('sec-fetch-site')
    // `none` is what the user typed; whatever else is not this very origin is another's page.
    if (site !== null && site !== 'same-origin' && site !== 'none') return problem('Sec-Fetch-Site', site, 'call it from a program, not from a page')
    const origin = headers.get('origin')
    // Same origin: the page came from this very service. `null` and everything else is foreign.
    if (origin !== null && origin.replace(/^https?:\/\//, '') !== host) return problem('Origin', origin, 'call it from a program, not from a page')
    return undefined
  }
}

/** What probes ask, by whatever address they have (a pod's): no effect, and nothing to hide. */
const probes = new Set(['/health', '/ready', '/metrics'])

/** The headers of a request that leads to a page as if it had been typed: a link elsewhere reads nothing of what it leads to. */
function asTyped(headers: Headers): HeaderReader {
  const isVisit = headers.get('sec-fetch-mode') === 'navigate' && headers.get('sec-fetch-dest') === 'document'
  return isVisit ? { get: (name) => (name === 'sec-fetch-site' ? null : headers.get(name)) } : headers
}

/**
 * Refuses what the check refuses; probes are let through.
 * @param options.isPage which paths are pages of our own: a link from anywhere may lead to them, as the page of the tab
 */
export function refuseBrowsers(check: OriginCheck, options: { readonly isPage?: (path: string) => boolean } = {}): MiddlewareHandler {
  return createMiddleware(async function noForeignPages(c, next) {
    if (c.req.method === 'GET' && probes.has(c.req.path)) return next()
    const { headers } = c.req.raw
    const problem = check(c.req.method === 'GET' && options.isPage?.(c.req.path) ? asTyped(headers) : headers, c.req.url)
    if (problem !== undefined) throw new ApiError('FORBIDDEN_ORIGIN', problem)
    return next()
  })
}
