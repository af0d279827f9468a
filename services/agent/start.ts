import { serve } from '#lib/http/serve.ts'
import type { RunningService } from '#lib/runtime/lifecycle.ts'
import { createAgentApp } from './app.ts'
import type { AgentConfig } from './config.ts'
import { type AgentOverrides, openAgentDeps } from './deps.ts'

/** A started agent. */
export interface RunningAgent extends RunningService {
  readonly port: number
}

/**
 * Starts an agent and resolves when its app serves; following goes on in the background, for ever.
 * @throws StartError where it cannot listen
 */
export async function startAgent(config: AgentConfig, overrides?: AgentOverrides): Promise<RunningAgent> {
  let port = config.port
  const deps = openAgentDeps(config, () => port, overrides)
  const { logger, follower, forwarder } = deps
  const app = createAgentApp(deps)
  const listening = await serve({ fetch: app.fetch, port: config.port, host: config.host, name: 'agent' })
  port = listening.port
  logger.info('http', `agent listening on ${listening.host} port ${listening.port}`, { host: listening.host, port: listening.port })

  const stopping = new AbortController()
  follower.startFromCache()
  const loops = [follower.run(stopping.signal), forwarder.run(stopping.signal)]
  return {
    logger,
    shutdownTimeoutSeconds: config.shutdownTimeoutSeconds,
    port: listening.port,
    stop: async (signal) => {
      stopping.abort()
      await Promise.all([...loops, listening.close(signal)])
    },
  }
}
