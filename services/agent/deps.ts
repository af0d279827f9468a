import { createLogger, type Logger } from '#lib/observe/logger.ts'
import { type Clock, systemClock } from '#lib/runtime/clock.ts'
import type { AgentConfig } from './config.ts'
import { ConfigCache, instanceId } from './sync/cache.ts'
import { type ControllerLink, createControllerLink } from './sync/controller-link.ts'
import { Follower } from './sync/follower.ts'
import { Forwarder } from './sync/forwarder.ts'
import { createWorkerLink, type WorkerLink } from './sync/worker-link.ts'

/** What the agent's routes and its loops stand on. */
export interface AgentDeps {
  readonly config: AgentConfig
  readonly follower: Follower
  readonly forwarder: Forwarder
  readonly logger: Logger
  readonly clock: Clock
}

/** What a test may bring itself. */
export interface AgentOverrides {
  readonly logger?: Logger
  readonly clock?: Clock
  readonly controllerLink?: ControllerLink
  readonly workerLink?: WorkerLink
}

/**
 * Opens everything the agent needs.
 * @param listeningPort the port its own app listens on, known once it does: what it registers with
 */
export function openAgentDeps(config: AgentConfig, listeningPort: () => number, overrides: AgentOverrides = {}): AgentDeps {
  const clock = overrides.clock ?? systemClock
  const logger =
    overrides.logger ?? createLogger({ service: 'agent', level: config.logLevel, format: config.logFormat ?? (process.stdout.isTTY ? 'pretty' : 'json') })
  const workerLink = overrides.workerLink ?? createWorkerLink(config)
  const forwarder = new Forwarder({ link: workerLink, logger, clock, checkMs: config.workerCheckMs })
  const controllerLink = overrides.controllerLink ?? createControllerLink(config, instanceId(config.dataDir, logger, clock.uuid), listeningPort)
  const follower = new Follower({ config, link: controllerLink, cache: new ConfigCache(config.dataDir, logger), forwarder, logger, clock })
  return { config, follower, forwarder, logger, clock }
}
