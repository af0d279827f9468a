import { Hono } from 'hono'
import { deleteCookie } from 'hono/cookie'
import { ApiError, answerTo } from '#lib/http/errors.ts'
import { requestId } from '#lib/http/request-id.ts'
import type { ControllerDeps } from '../deps.ts'
import { Assets } from './assets/assets.ts'
import { readOwnForm } from './session/form.ts'
import { needsSession, safeNext, sessionCookie, sessionOf } from './session/guard.ts'
import { chooseTheme } from './session/theme.ts'
import { agentRoutes } from './views/agent.tsx'
import { agentsRoutes } from './views/agents.tsx'
import { auditRoutes } from './views/audit.tsx'
import { compareRoutes } from './views/compare.tsx'
import { configRoutes } from './views/config.tsx'
import { configsRoutes } from './views/configs.tsx'
import { hitRoutes } from './views/hit.tsx'
import { hitsRoutes } from './views/hits.tsx'
import { keysRoutes } from './views/keys.tsx'
import { loginRoutes } from './views/login.tsx'
import { overviewRoutes } from './views/overview.tsx'
import { showProblem } from './views/problem.tsx'
import { publishRoutes } from './views/publish.tsx'
import { rollbackRoutes } from './views/rollback.tsx'
import { schemaRoutes } from './views/schema.tsx'

/** What the views of the console stand on: the use cases of the API, and what a page needs. */
export interface ConsoleParts extends ControllerDeps {
  readonly assets: Assets
}

/** Only the console's own scripts, styles and connections; no frame around it, no form to elsewhere. */
const pageHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

/** Logout and the choice of a look: what every page can send. */
const accountRoutes = ({ sessions }: ConsoleParts) =>
  new Hono()
    .post('/logout', async (c) => {
      await readOwnForm(c)
      await sessions.end(sessionOf(c))
      deleteCookie(c, sessionCookie(c), { path: '/console' })
      return c.redirect('/console/login', 303)
    })
    .post('/theme', async (c) => {
      const fields = await readOwnForm(c)
      chooseTheme(c, fields.get('theme'))
      const from = c.req.header('Referer')
      return c.redirect(from !== undefined && URL.canParse(from) ? safeNext(new URL(from).pathname + new URL(from).search) : '/console', 303)
    })

/** What is behind the login. */
const views = [
  accountRoutes,
  overviewRoutes,
  agentsRoutes,
  agentRoutes,
  configsRoutes,
  compareRoutes,
  configRoutes,
  publishRoutes,
  rollbackRoutes,
  schemaRoutes,
  hitsRoutes,
  hitRoutes,
  keysRoutes,
  auditRoutes,
]

/** The console: every page below `/console`. */
export function consoleApp(deps: ControllerDeps) {
  const assets = new Assets()
  const parts: ConsoleParts = { ...deps, assets }
  const app = new Hono()
  app.use(async function ownOrigin(c, next) {
    await next()
    for (const [name, value] of Object.entries(pageHeaders)) c.header(name, value)
    if (c.res.headers.get('Cache-Control') === null) c.header('Cache-Control', 'no-store')
  })
  app.onError((error, c) =>
    showProblem(
      c,
      assets,
      answerTo(error, () => ({ request_id: requestId(c), method: c.req.method, path: c.req.path }), deps.logger),
    ),
  )
  app.get('/assets/:name', (c) => assets.answer(c, c.req.param('name')))
  app.route('/', loginRoutes(parts))
  app.use(needsSession(deps.sessions))
  for (const routes of views) app.route('/', routes(parts))
  app.all('*', (c) => {
    throw new ApiError('NOT_FOUND', `Cannot find ${c.req.path.slice(0, 200)}: the console has no such page`)
  })
  return app
}
