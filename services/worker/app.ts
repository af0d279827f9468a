import { createApp } from '#lib/http/app.ts'
import { apiKeyAuth, openPaths } from '#lib/http/auth.ts'
import { addDocs } from '#lib/http/docs.ts'
import { metricsRoutes } from '#lib/http/metrics.ts'
import { refuseBrowsers } from '#lib/http/origin.ts'
import type { WorkerDeps } from './deps.ts'
import { configRoutes } from './routes/config.ts'
import { hitRoutes } from './routes/hit.ts'
import { hitsRoutes } from './routes/hits.ts'
import { operatingRoutes } from './routes/operating.ts'

/** The worker as a Hono app; needs no socket, so that tests call it by `app.request`. */
export function createWorkerApp(deps: WorkerDeps) {
  const app = createApp({ logger: deps.logger, refusesHead: ['/hit'] })
  if (deps.origin) app.use(refuseBrowsers(deps.origin))
  if (deps.keys) app.use(apiKeyAuth({ keys: deps.keys, open: openPaths, wrongKeys: deps.wrongKeys }))
  const routes = app
    .route('/', operatingRoutes(deps))
    .route('/', metricsRoutes(deps.metrics))
    .route('/', configRoutes(deps))
    .route('/', hitRoutes(deps))
    .route('/', hitsRoutes(deps))
  addDocs(app, {
    title: 'Worker',
    description: 'Takes its config from the agent of its host, and performs hits: queued HTTP requests to the configured URL.',
    needsKey: deps.keys !== undefined,
  })
  return routes
}

/** The routes with their types, for the RPC client. */
export type WorkerApp = ReturnType<typeof createWorkerApp>
