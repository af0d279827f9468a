import { createApp } from '#lib/http/app.ts'
import { apiKeyAuth, createKeyRing, openPaths } from '#lib/http/auth.ts'
import { addDocs } from '#lib/http/docs.ts'
import { createOriginCheck, refuseBrowsers } from '#lib/http/origin.ts'
import type { WorkerDeps } from './deps.ts'
import { configRoutes } from './routes/config.ts'
import { hitRoutes } from './routes/hit.ts'
import { operatingRoutes } from './routes/operating.ts'

/** The worker as a Hono app; needs no socket, so that tests call it by `app.request`. */
export function createWorkerApp(deps: WorkerDeps) {
  const { apiKey, allowedHosts } = deps.config
  const app = createApp({ logger: deps.logger, refusesHead: ['/hit'] })
  app.use(apiKey === undefined ? refuseBrowsers(createOriginCheck({ allowedHosts })) : apiKeyAuth({ keys: createKeyRing([apiKey]), open: openPaths }))
  const routes = app.route('/', operatingRoutes(deps)).route('/', configRoutes(deps)).route('/', hitRoutes(deps))
  addDocs(app, {
    title: 'Worker',
    description: 'Takes its config from the agent of its host, and performs hits: queued HTTP requests to the configured URL.',
    needsKey: apiKey !== undefined,
  })
  return routes
}

/** The routes with their types, for the RPC client. */
export type WorkerApp = ReturnType<typeof createWorkerApp>
