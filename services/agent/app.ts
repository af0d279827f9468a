import { latestRoutes } from '#lib/distribution/routes/latest.ts'
import { registerRoutes } from '#lib/distribution/routes/register.ts'
import { reportRoutes } from '#lib/distribution/routes/reports.ts'
import { streamRoutes } from '#lib/distribution/routes/stream.ts'
import { versionRoutes } from '#lib/distribution/routes/version.ts'
import { createApp, createRouter } from '#lib/http/app.ts'
import { type AskingKeyRing, apiKeyAuth, keyDigest, openPaths } from '#lib/http/auth.ts'
import { bootstrapCaller, requires } from '#lib/http/caller.ts'
import { addDocs } from '#lib/http/docs.ts'
import { metricsRoutes } from '#lib/http/metrics.ts'
import { refuseBrowsers } from '#lib/http/origin.ts'
import type { AgentDeps } from './deps.ts'
import type { Relay } from './relay/relay.ts'
import { operatingRoutes } from './routes/operating.ts'
import { statusRoutes } from './routes/status.ts'

/** What a relay serves to the agents below it. */
const relayRoutes = (relay: Relay) =>
  // The stream before the versions: its path would be one of theirs.
  createRouter()
    .route('/', registerRoutes({ feed: relay.feed, roll: relay, relayPath: () => relay.path }))
    .route('/', reportRoutes({ roll: relay }))
    .route('/', streamRoutes(relay))
    .route('/', latestRoutes({ feed: relay.feed, presence: relay.roster, revalidate: () => relay.revalidate() }))
    .route('/', versionRoutes({ version: (version) => relay.version(version) }))

/** The agent as a Hono app: what it tells of itself, and where it is a relay what its followers ask. */
export function createAgentApp(deps: AgentDeps) {
  const { relay, wrongKeys, origin } = deps
  const app = createApp({ logger: deps.logger, refusesHead: ['/config/stream'] })
  if (origin) app.use(refuseBrowsers(origin))
  if (relay) {
    // What it says of itself opens to its own key from the start: else nobody could see why its controller is not reached.
    const own = (key: string) => (keyDigest(key) === keyDigest(deps.key.current) ? bootstrapCaller : undefined)
    const forStatus: AskingKeyRing = { caller: (key, headers) => own(key) ?? relay.caller(key, headers), known: (key) => own(key) ?? relay.known(key) }
    app.use('/status', apiKeyAuth({ keys: forStatus, open: [], wrongKeys }), requires('fleet', 'see how a relay stands'))
    app.use(apiKeyAuth({ keys: relay, open: [...openPaths, '/status'], wrongKeys }))
  }
  const routes = app.route('/', operatingRoutes(deps)).route('/', metricsRoutes(deps.metrics)).route('/', statusRoutes(deps))
  if (relay) app.route('/', relayRoutes(relay))
  addDocs(app, {
    title: relay ? 'Relay' : 'Agent',
    description: `Follows the controller and hands each config to the worker of its host${relay ? ', and to the agents below it' : ''}.`,
    needsKey: relay !== undefined,
  })
  return routes
}

/** The routes with their types, for the RPC client. */
export type AgentApp = ReturnType<typeof createAgentApp>
