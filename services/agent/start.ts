import { createFastLane } from '#lib/distribution/fast-lane.ts'
import { isLoopbackHost } from '#lib/http/origin.ts'
import { type FastLane, type Listening, serve } from '#lib/http/serve.ts'
import { openTracer } from '#lib/observe/trace/open.ts'
import type { RunningService } from '#lib/runtime/lifecycle.ts'
import { createAgentApp } from './app.ts'
import type { AgentConfig } from './config.ts'
import { type AgentDeps, type AgentOverrides, agentLogger, openAgentDeps } from './deps.ts'

/** A started agent. */
export interface RunningAgent extends RunningService {
  readonly port: number
}

/** How a relay answers what whole fleets ask; a key whose verdict is not fresh takes the road through the routes. */
const fastLaneOf = ({ relay, wrongKeys, origin }: AgentDeps): FastLane | undefined =>
  relay &&
  createFastLane({
    feed: relay.feed,
    streams: relay.streams,
    presence: relay.roster,
    keys: { caller: (key) => relay.keys.fresh(key) },
    wrongKeys,
    origin,
    revalidates: true,
  })

/** Serves what an agent has; where it cannot, its DATA_DIR is another's to have. */
async function listen(config: AgentConfig, deps: AgentDeps): Promise<Listening> {
  try {
    const app = createAgentApp(deps)
    const fastLane = fastLaneOf(deps)
    // Before it is asked: a relay has what its cache holds from its first answer on.
    deps.holding.startFromCache()
    return await serve({
      fetch: app.fetch,
      port: config.port,
      name: 'agent',
      ...(config.host === undefined ? {} : { host: config.host }),
      ...(fastLane ? { fastLane } : {}),
      ...(deps.admission ? { admission: deps.admission } : {}),
      requests: deps.requests,
    })
  } catch (error) {
    deps.release()
    throw error
  }
}

/**
 * Starts an agent and resolves when its app serves; following goes on in the background, for ever.
 * @throws StartError where it cannot listen; FileLockedError where another agent runs on its DATA_DIR
 */
export async function startAgent(config: AgentConfig, overrides: AgentOverrides = {}): Promise<RunningAgent> {
  let port = config.port
  const logger = overrides.logger ?? agentLogger(config)
  const tracer = overrides.tracer ?? (await openTracer(config.tracing, logger))
  const deps = openAgentDeps(config, () => port, { ...overrides, logger, tracer })
  const { key, follower, forwarder, reporter, relay } = deps
  const listening = await listen(config, deps)
  port = listening.port
  logger.info('http', `agent listening on ${listening.host} port ${listening.port}`, { host: listening.host, port: listening.port })
  if (relay && !config.ownKey && !isLoopbackHost(config.host ?? ''))
    logger.warn('init', 'API_KEY is the default one and AGENT_HOST opens this relay to others: set API_KEY to a key of your own')

  const stopping = new AbortController()
  const { signal: untilStop } = stopping
  const loops = [follower.run(untilStop), forwarder.run(untilStop), reporter.run(untilStop), key.run(untilStop), relay?.run(untilStop)]
  return {
    logger,
    shutdownTimeoutSeconds: config.shutdownTimeoutSeconds,
    port: listening.port,
    stop: async (signal) => {
      // Followers are told first, and when to come back.
      relay?.feed.close()
      stopping.abort()
      try {
        await Promise.all([...loops, listening.close(signal)])
      } finally {
        deps.release()
        deps.metrics.close()
        await tracer.close(signal)
      }
    },
  }
}
