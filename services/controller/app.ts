import { latestRoutes } from '#lib/distribution/routes/latest.ts'
import { registerRoutes } from '#lib/distribution/routes/register.ts'
import { reportRoutes } from '#lib/distribution/routes/reports.ts'
import { streamRoutes } from '#lib/distribution/routes/stream.ts'
import { createApp } from '#lib/http/app.ts'
import { apiKeyAuth, openPaths } from '#lib/http/auth.ts'
import { addDocs } from '#lib/http/docs.ts'
import { metricsRoutes } from '#lib/http/metrics.ts'
import { refuseBrowsers } from '#lib/http/origin.ts'
import { consoleApp } from './console/console.ts'
import { isConsolePage, leadBrowsers } from './console/lead.ts'
import type { ControllerDeps } from './deps.ts'
import { adminRoutes } from './routes/admin.ts'
import { agentRoutes } from './routes/agents.ts'
import { configRoutes } from './routes/config.ts'
import { historyRoutes } from './routes/configs.ts'
import { keyRoutes } from './routes/keys.ts'
import { operatingRoutes } from './routes/operating.ts'
import { schemaRoutes } from './routes/schema.ts'
import { statusRoutes } from './routes/status.ts'

/** The controller as a Hono app; needs no socket, so that tests call it by `app.request`. */
export function createControllerApp(deps: ControllerDeps) {
  const app = createApp({ logger: deps.logger, refusesHead: ['/config/stream', '/backup'] })
  if (deps.origin) app.use(refuseBrowsers(deps.origin, { isPage: isConsolePage }))
  // Has a login of its own, and answers with pages.
  app.use(leadBrowsers)
  app.route('/console', consoleApp(deps))
  app.use(apiKeyAuth({ keys: deps.keys, open: openPaths, wrongKeys: deps.wrongKeys }))
  // The stream and the schema before the configs: their paths would be versions of theirs.
  const routes = app
    .route('/', operatingRoutes(deps))
    .route('/', metricsRoutes(deps.metrics))
    .route('/', registerRoutes({ feed: deps.feed, roll: deps.fleet }))
    .route('/', reportRoutes({ roll: deps.fleet }))
    .route('/', agentRoutes(deps))
    .route('/', statusRoutes(deps))
    .route('/', keyRoutes(deps))
    .route('/', streamRoutes(deps))
    .route('/', latestRoutes({ feed: deps.feed, presence: deps.fleet }))
    .route('/', schemaRoutes(deps))
    .route('/', historyRoutes(deps))
    .route('/', adminRoutes(deps))
    .route('/', configRoutes(deps))
  addDocs(app, {
    title: 'Controller',
    description: 'Keeps versioned configs, knows its agents, and pushes each change to them.',
    needsKey: true,
  })
  return routes
}

/** The routes with their types, for the RPC client. */
export type ControllerApp = ReturnType<typeof createControllerApp>
