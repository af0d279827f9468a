import { createApp } from '#lib/http/app.ts'
import { addDocs } from '#lib/http/docs.ts'
import { createOriginCheck, refuseBrowsers } from '#lib/http/origin.ts'
import type { AgentDeps } from './deps.ts'
import { operatingRoutes } from './routes/operating.ts'
import { statusRoutes } from './routes/status.ts'

/** The agent as a Hono app: what it tells of itself. */
export function createAgentApp(deps: AgentDeps) {
  const app = createApp({ logger: deps.logger })
  app.use(refuseBrowsers(createOriginCheck({ allowedHosts: deps.config.allowedHosts })))
  const routes = app.route('/', operatingRoutes(deps)).route('/', statusRoutes(deps))
  addDocs(app, { title: 'Agent', description: 'Follows the controller and hands each config to the worker of its host.', needsKey: false })
  return routes
}

/** The routes with their types, for the RPC client. */
export type AgentApp = ReturnType<typeof createAgentApp>
