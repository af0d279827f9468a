import { join } from 'node:path'
import type { RegisterRequest } from '#lib/contract/agent.ts'
import { agentIdOf } from '#lib/distribution/agent-id.ts'
import { createAddressReader } from '#lib/http/address.ts'
import { Admission } from '#lib/http/admission.ts'
import { createOriginCheck, type OriginCheck } from '#lib/http/origin.ts'
import { WrongKeys } from '#lib/http/wrong-keys.ts'
import { createLogger, type Logger } from '#lib/observe/logger.ts'
import { MetricsRegistry } from '#lib/observe/metrics/registry.ts'
import { RequestCounts } from '#lib/observe/metrics/requests.ts'
import { noTracer, type Tracer } from '#lib/observe/trace/tracer.ts'
import { type Clock, systemClock } from '#lib/runtime/clock.ts'
import { StartError } from '#lib/runtime/env.ts'
import { VERSION } from '#lib/runtime/version.ts'
import { lockFile } from '#lib/sqlite/lock.ts'
import type { AgentConfig } from './config.ts'
import { agentFamilies } from './metrics.ts'
import { KnownKeys } from './relay/known-keys.ts'
import { Relay } from './relay/relay.ts'
import { createUpstream } from './relay/upstream.ts'
import { ApiKey } from './sync/api-key.ts'
import { ConfigCache, INSTANCE_FILE, instanceId } from './sync/cache.ts'
import { type ControllerLink, createControllerLink } from './sync/controller-link.ts'
import { Follower } from './sync/follower.ts'
import { Forwarder } from './sync/forwarder.ts'
import { Holding } from './sync/holding.ts'
import { Reporter } from './sync/reporter.ts'
import { createWorkerLink, noWorkerLink, type WorkerLink } from './sync/worker-link.ts'
import { WorkerOutcomes } from './sync/worker-outcomes.ts'

/** What the agent's routes and its loops stand on. */
export interface AgentDeps {
  readonly config: AgentConfig
  /** What it sends to its controller. */
  readonly key: ApiKey
  readonly holding: Holding
  readonly follower: Follower
  readonly forwarder: Forwarder
  readonly reporter: Reporter
  readonly cache: Pick<ConfigCache, 'figures'>
  /** Undefined unless it is one. */
  readonly relay: Relay | undefined
  /** Slows those down who guess keys, of a relay. */
  readonly wrongKeys: WrongKeys
  /** Keeps web pages out; undefined for a relay with a key of its own. */
  readonly origin: OriginCheck | undefined
  /** What a relay takes at once. */
  readonly admission: Admission | undefined
  /** Where its answers are counted. */
  readonly requests: RequestCounts
  readonly metrics: MetricsRegistry
  readonly tracer: Tracer
  readonly logger: Logger
  readonly clock: Clock
  /** Lets another agent have its DATA_DIR; the last thing that an agent does. */
  release(): void
}

/** What a test may bring itself. */
export interface AgentOverrides {
  readonly logger?: Logger
  readonly clock?: Clock
  readonly controllerLink?: ControllerLink
  readonly workerLink?: WorkerLink
  readonly tracer?: Tracer
}

/** The agent's logger. */
export const agentLogger = (config: AgentConfig): Logger =>
  createLogger({ service: 'agent', level: config.logLevel, format: config.logFormat ?? (process.stdout.isTTY ? 'pretty' : 'json') })

/**
 * Keeps other agents out of a DATA_DIR: they would be the same agent to every controller, and overwrite each other's
 * cache. Where it cannot be locked at all, as on a disk that is full or read-only, the agent runs all the same.
 * @returns gives it back
 * @throws FileLockedError where another agent has it
 */
function lockDataDir(dataDir: string, logger: Logger): () => void {
  const path = join(dataDir, INSTANCE_FILE)
  try {
    const lock = lockFile(path, 'agent', 'give each agent a DATA_DIR of its own')
    return () => lock.release()
  } catch (error) {
    if (error instanceof StartError) throw error
    logger.warn('init', 'DATA_DIR cannot be locked: nothing keeps a second agent out of it', { path: dataDir, err: error })
    return () => {}
  }
}

/**
 * Opens everything the agent needs.
 * @param listeningPort the port its own app listens on, known once it does: what it registers with
 * @throws FileLockedError where another agent runs on its DATA_DIR; StartError, or the file system's error, where that cannot be used
 */
export function openAgentDeps(config: AgentConfig, listeningPort: () => number, overrides: AgentOverrides = {}): AgentDeps {
  const logger = overrides.logger ?? agentLogger(config)
  const release = lockDataDir(config.dataDir, logger)
  try {
    return { ...assemble(config, listeningPort, logger, overrides), release }
  } catch (error) {
    release()
    throw error
  }
}

/** Puts the parts together. */
function assemble(config: AgentConfig, listeningPort: () => number, logger: Logger, overrides: AgentOverrides): Omit<AgentDeps, 'release'> {
  const clock = overrides.clock ?? systemClock
  const tracer = overrides.tracer ?? noTracer
  const instance = instanceId(config.dataDir, logger, clock.uuid)
  const registration = (): RegisterRequest => ({
    hostname: config.hostname,
    ip_address: config.ip,
    port: listeningPort(),
    instance_id: instance,
    agent_version: VERSION,
    ...(Object.keys(config.labels).length > 0 ? { labels: config.labels } : {}),
  })
  const ownId = agentIdOf(registration())
  const key = new ApiKey({ key: config.apiKey, path: config.apiKeyFile, logger, clock })
  const link = overrides.controllerLink ?? createControllerLink(config, key, registration, config.relay ? ownId : undefined)

  const reporter: Reporter = new Reporter({
    link,
    registerAgain: () => follower.beginAnew(),
    registerBeside: () => void follower.registerBeside(),
    outcomeGapMs: config.outcomeGapMs,
    logger,
    clock,
  })
  const { workerUrl } = config
  const workerLink = overrides.workerLink ?? (workerUrl === null ? noWorkerLink : createWorkerLink(workerUrl, config))
  const outcomes = new WorkerOutcomes({ link: workerLink, onOutcomes: (told) => reporter.outcomes(told), logger, clock })
  const forwarder = new Forwarder({
    link: workerLink,
    workerUrl,
    logger,
    clock,
    checkMs: config.workerCheckMs,
    onState: (state) => reporter.report(state),
    onLooked: (isThere, signal) => outcomes.looked(isThere, signal),
    tracer,
    askController: async () => (await holding.confirm()).kind !== 'none',
  })
  const relay = config.relay ? openRelay(config, ownId, key, () => holding.held?.etag ?? null, logger, clock) : undefined
  const cache = new ConfigCache(config.dataDir, logger)
  const holding: Holding = new Holding({ link, cache, forwarder, onConfig: (received) => relay?.adopt(received), logger, clock })
  const follower: Follower = new Follower({
    config,
    key,
    link,
    holding,
    onConnected: (registered) => {
      reporter.connected(registered.capabilities)
      relay?.connected(registered)
    },
    onRegistered: (registered) => relay?.registered(registered),
    onKeyEnded: (keyId) => relay?.keys.ended(keyId),
    logger,
    clock,
  })
  relay?.follow({ follower, holding })
  key.onChange(() => {
    void follower.keyChanged()
    reporter.keyChanged()
  })
  const origin = config.relay && config.ownKey ? undefined : createOriginCheck({ allowedHosts: config.allowedHosts })
  const wrongKeys = new WrongKeys({ address: createAddressReader(config.trustedProxies), clock, logger })
  const admission = relay && new Admission(config.admission, { clock, logger })
  const requests = new RequestCounts(relay ? ['/config', '/config/stream'] : [])
  const metrics = new MetricsRegistry('agent', agentFamilies({ follower, forwarder, reporter, cache, relay, admission, requests }), logger)
  return { config, key, holding, follower, forwarder, reporter, cache, relay, wrongKeys, origin, admission, requests, metrics, tracer, logger, clock }
}

/** @param etag of the config held */
function openRelay(config: AgentConfig, ownId: string, key: ApiKey, etag: () => string | null, logger: Logger, clock: Clock): Relay {
  const known = new KnownKeys(config.dataDir, logger, clock.uuid)
  return new Relay({ ownId, upstream: createUpstream(config, { ownId, key, etag }), known, logger, clock })
}
