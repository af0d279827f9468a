import type { Context, MiddlewareHandler } from 'hono'
import { getCookie } from 'hono/cookie'
import { createMiddleware } from 'hono/factory'
import { ApiError } from '#lib/http/errors.ts'
import type { Session, Sessions } from './sessions.ts'

/**
 * The name of a session's cookie. Cookies are of a host, whatever its port: of two controllers on one host each has its own.
 */
export function sessionCookie(c: Context): string {
  const port = /:(\d{1,5})$/.exec(c.req.header('Host') ?? '')?.[1]
  return port === undefined ? 'dcm_session' : `dcm_session_${port}`
}

declare module 'hono' {
  interface ContextVariableMap {
    /** Set on every page of the console behind the login. */
    session?: Session
  }
}

/** The session of the request that `c` serves, behind the login. */
export function sessionOf(c: Context): Session {
  const session = c.get('session')
  if (session === undefined) throw new Error('this page is not behind the login')
  return session
}

/** Whether htmx asks, for a part of a page. */
export const isForPart = (c: Context): boolean => c.req.header('HX-Request') !== undefined

/** Where the login leads: a page of the console, and nothing that a link may have made up. */
export const safeNext = (next: string | undefined): string =>
  next !== undefined && /^\/console(?:[/?][\x21-\x7e]*)?$/.test(next) && !/[\\]|\/\//.test(next.split('?')[0] ?? '') ? next : '/console'

/** What came from a link elsewhere has no cookie of ours, which is SameSite=Strict: the page asks once more, from here. */
const isFromElsewhere = (c: Context): boolean => ['cross-site', 'same-site'].includes(c.req.header('Sec-Fetch-Site') ?? '')

/** Lets a page be seen only with a session; others are led to the login. */
export function needsSession(sessions: Sessions): MiddlewareHandler {
  return createMiddleware(async function loggedIn(c, next) {
    const session = sessions.find(getCookie(c, sessionCookie(c)))
    if (session !== undefined) {
      c.set('session', session)
      c.set('caller', session.caller)
      return next()
    }
    const { pathname, search } = new URL(c.req.url)
    const login = c.req.method === 'GET' ? `/console/login?next=${encodeURIComponent(pathname + search)}` : '/console/login'
    // A login page in the place of a part would stand inside the page.
    if (isForPart(c)) throw new ApiError('UNAUTHORIZED', 'Cannot show this: the session is over; log in again', { headers: { 'HX-Redirect': login } })
    if (c.req.method === 'GET' && isFromElsewhere(c)) return c.html('<!doctype html><meta http-equiv="refresh" content="0"><title>dcm</title>', 200)
    return c.redirect(login, 303)
  })
}
