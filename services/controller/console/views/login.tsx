import { Hono } from 'hono'
import { setCookie } from 'hono/cookie'
import type { Child } from 'hono/jsx'
import { incomingOf } from '#lib/http/address.ts'
import { may } from '#lib/http/caller.ts'
import { ApiError } from '#lib/http/errors.ts'
import { DEFAULT_API_KEY } from '../../config.ts'
import type { ConsoleParts } from '../console.ts'
import { answerPage, Document } from '../page.tsx'
import { type Fields, readForm } from '../session/form.ts'
import { safeNext, sessionCookie } from '../session/guard.ts'
import { SESSION_MS } from '../session/sessions.ts'
import { themeOf } from '../session/theme.ts'

const LoginForm = ({ next, problem, hasOwnKey }: { readonly next: string; readonly problem?: Child; readonly hasOwnKey: boolean }) => (
  <main id="main" class="login">
    <h1>dcm console</h1>
    <form method="post" action="/console/login">
      <input type="hidden" name="next" value={next} />
      <label for="key">API key</label>
      <input
        id="key"
        name="key"
        type="password"
        autocomplete="current-password"
        required
        maxlength={4096}
        autofocus
        {...(problem === undefined ? {} : { 'aria-invalid': 'true' as const, 'aria-describedby': 'problem' })}
      />
      {problem === undefined ? null : (
        <p id="problem" role="alert" class="problem">
          {problem}
        </p>
      )}
      <button type="submit">Log in</button>
    </form>
    <p class="hint">
      The key of a publisher or of an admin: the controller's own (<code>API_KEY</code>), or one that an admin made with{' '}
      <code>dcm keys make NAME --role publisher</code>. It is sent once and not kept in the browser.
    </p>
    {hasOwnKey ? null : (
      <p class="hint">
        This controller has no key of its own yet, and listens to this machine alone: its key is <code>{DEFAULT_API_KEY}</code>.
      </p>
    )}
  </main>
)

/** Whether the browser's connection is TLS, to this service or to the proxy before it. A made up header only hurts who makes it up. */
const isSecure = (url: string, forwarded: string | undefined): boolean => url.startsWith('https:') || forwarded?.split(',')[0]?.trim() === 'https'

/** Looks at the key of a login, as the API would. */
function check({ keys, wrongKeys }: Pick<ConsoleParts, 'keys' | 'wrongKeys'>, key: string, incoming: ReturnType<typeof incomingOf>): string | undefined {
  const caller = keys.caller(key)
  wrongKeys.check(incoming, key, caller)
  if (caller === undefined) {
    wrongKeys.wrong(incoming, key)
    return 'This controller knows no such key. Check that all of it was pasted, and that it was made for this controller.'
  }
  wrongKeys.right(incoming, caller)
  if (!may(caller, 'fleet')) return `The role of this key is ${caller.role}, which may not see the fleet: use the key of a publisher or of an admin.`
  return undefined
}

/** The way in: `/console/login`. */
export function loginRoutes(parts: ConsoleParts) {
  const { sessions, assets, config } = parts
  const form = (c: Parameters<typeof answerPage>[0], next: string, status: 200 | 401 | 403 | 429, problem?: Child) =>
    answerPage(
      c,
      <Document title="Log in" theme={themeOf(c)} assets={assets}>
        <LoginForm next={next} hasOwnKey={config.ownKey} {...(problem === undefined ? {} : { problem })} />
      </Document>,
      status,
    )
  return new Hono()
    .get('/login', (c) => form(c, safeNext(c.req.query('next')), 200))
    .post('/login', async (c) => {
      const fields: Fields = await readForm(c)
      const key = (fields.get('key') ?? '').trim()
      const next = safeNext(fields.get('next'))
      if (key === '') return form(c, next, 401, 'Paste the key first.')
      try {
        const problem = check(parts, key, incomingOf(c))
        if (problem !== undefined) return form(c, next, 403, problem)
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 'TOO_MANY_ATTEMPTS') throw error
        c.header('Retry-After', error.headers['Retry-After'] ?? '1')
        return form(c, next, 429, error.message)
      }
      setCookie(c, sessionCookie(c), await sessions.begin(key), {
        path: '/console',
        httpOnly: true,
        sameSite: 'Strict',
        secure: isSecure(c.req.url, c.req.header('X-Forwarded-Proto')),
        maxAge: SESSION_MS / 1000,
      })
      return c.redirect(next, 303)
    })
}
