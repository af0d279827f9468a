import type { MiddlewareHandler } from 'hono'
import { createMiddleware } from 'hono/factory'
import ipaddr from 'ipaddr.js'
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

/**
 * Keeps web pages out of a service that has no key of its own: whoever runs a browser on this machine could
 * otherwise be made to publish by any page he visits (by a foreign Origin, or by a name of the page's own that
 * is made to point at 127.0.0.1, which the Host header gives away).
 * @param options.allowedHosts names that the service answers to beside loopback
 */
export function refuseBrowsers(options: { readonly allowedHosts: readonly string[] }): MiddlewareHandler {
  const allowed = new Set(options.allowedHosts.map((name) => name.toLowerCase()))
  const refuse = (what: string, value: string, fix: string): never => {
    throw new ApiError(
      'FORBIDDEN_ORIGIN',
      `Cannot serve the request: ${what} ${JSON.stringify(value.slice(0, 200))} is not allowed on a service without a key of its own; ${fix}`,
    )
  }

  const isOurs = (host: string): boolean => {
    const name = hostName(host)
    return name !== undefined && (isLoopbackHost(name) || allowed.has(name))
  }
  // Callers use a handful of names: parsing one for every request would be most of what a short request costs.
  const known = new Set<string>()

  return createMiddleware(async function noForeignPages(c, next) {
    const host = c.req.header('Host') ?? new URL(c.req.url).host
    if (!known.has(host)) {
      if (!isOurs(host)) refuse('Host', host, 'add the name to ALLOWED_HOSTS, or give the service a key')
      if (known.size < 64) known.add(host)
    }
    const site = c.req.header('Sec-Fetch-Site')
    // `none` is what the user typed; whatever else is not this very origin is another's page.
    if (site !== undefined && site !== 'same-origin' && site !== 'none') refuse('Sec-Fetch-Site', site, 'call it from a program, not from a page')
    const origin = c.req.header('Origin')
    // Same origin: the page came from this very service. `null` and everything else is foreign.
    if (origin !== undefined && origin.replace(/^https?:\/\//, '') !== host) refuse('Origin', origin, 'call it from a program, not from a page')
    return next()
  })
}
