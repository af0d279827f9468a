import { ConfigFeed } from '#lib/distribution/feed.ts'
import { ConfigStreams } from '#lib/distribution/streams.ts'
import { type AddressReader, createAddressReader } from '#lib/http/address.ts'
import { Admission } from '#lib/http/admission.ts'
import type { Operational } from '#lib/http/operational.ts'
import { createOriginCheck, type OriginCheck } from '#lib/http/origin.ts'
import { WrongKeys } from '#lib/http/wrong-keys.ts'
import { createLogger, type Logger } from '#lib/observe/logger.ts'
import { MetricsRegistry } from '#lib/observe/metrics/registry.ts'
import { RequestCounts } from '#lib/observe/metrics/requests.ts'
import { openTracer } from '#lib/observe/trace/open.ts'
import type { Tracer } from '#lib/observe/trace/tracer.ts'
import { type Clock, systemClock } from '#lib/runtime/clock.ts'
import { migrationsFolder } from '#lib/runtime/paths.ts'
import type { Store } from '#lib/store/port.ts'
import { openSqliteStore } from '#lib/store/sqlite/store.ts'
import { Backups } from './backup.ts'
import type { ControllerConfig } from './config.ts'
import { ConfigSchema } from './config-schema.ts'
import { Live } from './console/live/live.ts'
import { Sessions } from './console/session/sessions.ts'
import { problemHtml } from './console/views/problem.tsx'
import { ConsoleWorker } from './console/worker.ts'
import { Fleet } from './fleet/fleet.ts'
import { controllerHealth } from './health.ts'
import { KeyBook } from './keys/key-book.ts'
import { controllerFamilies } from './metrics.ts'
import { ControllerTallies } from './tallies.ts'

/** What the controller's routes stand on. */
export interface ControllerDeps {
  readonly config: Pick<ControllerConfig, 'ownKey' | 'allowedHosts' | 'maxConfigBytes' | 'dbPath'>
  readonly store: Store
  readonly feed: ConfigFeed
  readonly streams: ConfigStreams
  readonly fleet: Fleet
  /** What configs have to meet. */
  readonly schema: ConfigSchema
  readonly backups: Backups
  readonly keys: KeyBook
  /** Slows those down who guess keys. */
  readonly wrongKeys: WrongKeys
  /** From where requests come. */
  readonly address: AddressReader
  /** Keeps web pages out while the key is the default one; undefined with a key of its own. */
  readonly origin: OriginCheck | undefined
  /** What it takes at once. */
  readonly admission: Admission
  readonly tallies: ControllerTallies
  /** Where its answers are counted; undefined: nowhere, which only a measurement wants. */
  readonly requests: RequestCounts | undefined
  readonly metrics: MetricsRegistry
  /** How it is. */
  readonly health: Operational
  /** The worker whose hits the console shows; undefined: none. */
  readonly consoleWorker: ConsoleWorker | undefined
  /** Who is logged in to the console. */
  readonly sessions: Sessions
  /** What keeps its pages up to date. */
  readonly live: Live
  readonly tracer: Tracer
  readonly logger: Logger
  readonly clock: Clock
}

/** Reads what a start needs; a store that cannot even be read is closed again, and its lock given back. */
async function readFrom<T>(store: Store, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    await store[Symbol.asyncDispose]()
    throw error
  }
}

/** Reads the latest config into a feed. */
const openFeed = async (store: Store, logger: Logger, clock: Clock): Promise<ConfigFeed> =>
  new ConfigFeed(await store.latest(), { onError: (error) => logger.error('http', 'a watcher failed and was dropped', { err: error }), clock })

/** Ends what a key holds open that is accepted no longer; the relays hear of it first, since it may be theirs. */
function endKey(id: string, { streams, feed, logger }: Pick<ControllerDeps, 'streams' | 'feed' | 'logger'>): void {
  streams.tellKeyEnded(id)
  const ended = feed.byKey.end(id)
  if (ended > 0) logger.info('http', 'ended the connections of a key that is accepted no longer', { key_id: id, connections: ended })
}

/**
 * Opens everything the controller needs.
 * @param overrides what a test brings itself
 */
export async function openControllerDeps(config: ControllerConfig, overrides: Partial<ControllerDeps> = {}): Promise<ControllerDeps> {
  const clock = overrides.clock ?? systemClock
  const logger =
    overrides.logger ?? createLogger({ service: 'controller', level: config.logLevel, format: config.logFormat ?? (process.stdout.isTTY ? 'pretty' : 'json') })
  const store = overrides.store ?? openSqliteStore({ path: config.dbPath, migrations: migrationsFolder(), clock })
  const feed = overrides.feed ?? (await readFrom(store, () => openFeed(store, logger, clock)))
  const origin = config.ownKey ? undefined : createOriginCheck({ allowedHosts: config.allowedHosts })
  const keys =
    overrides.keys ??
    (await readFrom(store, () =>
      KeyBook.open({ store, apiKey: config.apiKey, holding: () => feed.byKey.keys(), onEnded: (id) => endKey(id, { streams, feed, logger }), clock, logger }),
    ))
  const ownsAgents = (name: string) => keys.ownsAgents(name)
  const tallies = overrides.tallies ?? new ControllerTallies()
  const { propagation } = tallies
  const fleet = overrides.fleet ?? (await readFrom(store, () => Fleet.open({ store, feed, clock, logger, ownsAgents, propagation })))
  const streams: ConfigStreams = overrides.streams ?? new ConfigStreams({ feed, presence: fleet, logger })
  const schema = overrides.schema ?? (await readFrom(store, () => ConfigSchema.open({ store, logger })))
  const backups = overrides.backups ?? new Backups(store, config.dbPath)
  const address = overrides.address ?? createAddressReader(config.trustedProxies)
  const admission = overrides.admission ?? new Admission(config.admission, { clock, logger })
  const wrongKeys = overrides.wrongKeys ?? new WrongKeys({ address, clock, logger })
  const requests = 'requests' in overrides ? overrides.requests : new RequestCounts(['/config', '/config/stream'])
  const tracer = overrides.tracer ?? (await openTracer(config.tracing, logger))
  const metrics =
    overrides.metrics ?? new MetricsRegistry('controller', controllerFamilies({ feed, streams, fleet, admission, store, tallies, requests }), logger)
  const health = overrides.health ?? controllerHealth({ store, fleet, feed, streams, admission, config })
  const consoleWorker =
    overrides.consoleWorker ??
    (config.consoleWorkerUrl === undefined ? undefined : new ConsoleWorker({ url: config.consoleWorkerUrl, apiKey: config.workerApiKey }))
  const sessions = overrides.sessions ?? (await readFrom(store, () => Sessions.open({ store, keys, clock })))
  const live = overrides.live ?? new Live({ sessions, logger, refusal: problemHtml })
  return {
    config,
    store,
    feed,
    streams,
    fleet,
    schema,
    backups,
    keys,
    wrongKeys,
    address,
    origin,
    admission,
    tallies,
    requests,
    metrics,
    health,
    consoleWorker,
    sessions,
    live,
    tracer,
    logger,
    clock,
  }
}
