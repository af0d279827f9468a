import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createAddressReader } from '#lib/http/address.ts'
import { createKeyRing, type KeyRing } from '#lib/http/auth.ts'
import { createOriginCheck, type OriginCheck } from '#lib/http/origin.ts'
import { WrongKeys } from '#lib/http/wrong-keys.ts'
import { createLogger, type Logger } from '#lib/observe/logger.ts'
import { MetricsRegistry } from '#lib/observe/metrics/registry.ts'
import { RequestCounts } from '#lib/observe/metrics/requests.ts'
import { openTracer } from '#lib/observe/trace/open.ts'
import type { Tracer } from '#lib/observe/trace/tracer.ts'
import type { HitProcessor, HitQueue } from '#lib/queue/port.ts'
import { type Clock, systemClock } from '#lib/runtime/clock.ts'
import type { WorkerServiceConfig } from './config.ts'
import { ConfigHolder } from './config-holder.ts'
import { queueHit } from './hit.ts'
import { createDestinations, type Destinations } from './hits/destinations.ts'
import { createExecutor, type Executor } from './hits/execute.ts'
import { createGuard } from './hits/guard.ts'
import { targetPolicy } from './hits/policy.ts'
import { createHitProcessor } from './hits/processor.ts'
import { createSignals, type Signals } from './hits/signals.ts'
import { workerFamilies } from './metrics.ts'
import { chooseQueue, EMBEDDED_QUEUE_FILE, type QueueEngine } from './queue-choice.ts'
import { Scheduler } from './schedule/scheduler.ts'
import { WorkerTallies } from './tallies.ts'

/** What the worker's routes stand on. */
export interface WorkerDeps {
  readonly config: Pick<WorkerServiceConfig, 'apiKey' | 'host' | 'allowedHosts' | 'maxConfigBytes' | 'maxBacklog'>
  /** The key that it needs; undefined where it has none. */
  readonly keys: KeyRing | undefined
  /** Slows those down who guess it. */
  readonly wrongKeys: WrongKeys
  /** Keeps web pages out; undefined with a key of its own. */
  readonly origin: OriginCheck | undefined
  readonly holder: ConfigHolder
  readonly queue: HitQueue
  /** What became of the hits of this worker lately, and how the destinations of them stand. */
  readonly signals: Pick<Signals, 'outcomes' | 'figures'>
  readonly destinations: Pick<Destinations, 'list' | 'openCircuits'>
  readonly scheduler: Pick<Scheduler, 'status'>
  readonly tallies: WorkerTallies
  /** Where its answers are counted. */
  readonly requests: RequestCounts
  readonly metrics: MetricsRegistry
  readonly tracer: Tracer
  readonly logger: Logger
  readonly clock: Clock
  /** Aborts when the worker begins to stop: held requests are answered then. */
  readonly draining: AbortSignal
}

/** What a test may bring itself. */
export interface WorkerOverrides {
  readonly logger?: Logger
  readonly clock?: Clock
  readonly queue?: HitQueue
  readonly tracer?: Tracer
}

/** The routes' dependencies, and what only the start needs. */
interface OpenedWorker {
  readonly deps: WorkerDeps
  readonly executor: Executor
  readonly processor: HitProcessor
  readonly scheduler: Scheduler
  stopWaiting(): void
  /** Tells the guard where this worker listens: no hit may go there. */
  listensOn(address: string, port: number): void
}

/** Opens the chosen engine; its libraries are loaded only then (BullMQ alone is 65 MiB). */
async function openQueue(engine: QueueEngine, config: WorkerServiceConfig, logger: Logger, clock: Clock): Promise<HitQueue> {
  const file = join(config.dataDir, EMBEDDED_QUEUE_FILE)
  if (engine === 'embedded') {
    const { openSqliteHitQueue } = await import('#lib/queue/sqlite/open.ts')
    return openSqliteHitQueue({ path: file, maxBacklog: config.maxBacklog, logger, clock })
  }
  if (existsSync(file))
    logger.warn('queue', 'there is an embedded queue too: hits in it wait until the worker is started with HIT_QUEUE=embedded', { path: file })
  const { openRedisHitQueue } = await import('#lib/queue/bullmq/open.ts')
  return openRedisHitQueue({ redis: config.redis, maxBacklog: config.maxBacklog, logger, clock })
}

/** Opens everything the worker needs. */
export async function openWorkerDeps(config: WorkerServiceConfig, overrides: WorkerOverrides = {}): Promise<OpenedWorker> {
  const clock = overrides.clock ?? systemClock
  const logger =
    overrides.logger ?? createLogger({ service: 'worker', level: config.logLevel, format: config.logFormat ?? (process.stdout.isTTY ? 'pretty' : 'json') })
  const holder = new ConfigHolder(config.dataDir, logger)
  const listeners: { address: string; port: number }[] = []
  const guard = createGuard({ targets: targetPolicy(config), ownListeners: () => listeners })
  const queue = overrides.queue ?? (await openQueue(await chooseQueue(config, logger), config, logger, clock))
  const tracer = overrides.tracer ?? (await openTracer(config.tracing, logger))
  const tallies = new WorkerTallies()
  const executor = createExecutor({ guard, maxBodyBytes: config.maxBodyBytes, secrets: config.secrets, clock })
  const destinations = createDestinations({ perHost: config.perHost, clock, logger })
  const signals = createSignals({ clock })
  const processor = tallies.counting(createHitProcessor({ executor, destinations, signals, retryMax: config.retryMax, logger, tracer, clock }), clock)
  const scheduler = new Scheduler({
    scheduled: () => ({ schedule: holder.schedule, config: holder.content }),
    enqueue: (key) => queueHit({ holder, queue, logger, tallies, tracer, clock }, key, { request_id: clock.uuid(), trace: undefined }),
    queue,
    logger,
    clock,
  })
  holder.onAccepted(() => scheduler.configChanged())
  const { apiKey, allowedHosts } = config
  const keys = apiKey === undefined ? undefined : createKeyRing([apiKey])
  const origin = apiKey === undefined ? createOriginCheck({ allowedHosts }) : undefined
  const wrongKeys = new WrongKeys({ address: createAddressReader([]), clock, logger })
  const draining = new AbortController()
  const requests = new RequestCounts(['/hit'])
  const metrics = new MetricsRegistry('worker', workerFamilies({ queue, holder, destinations, tallies, requests, config, clock }), logger)
  return {
    deps: {
      config,
      keys,
      wrongKeys,
      origin,
      holder,
      queue,
      signals,
      destinations,
      scheduler,
      tallies,
      requests,
      metrics,
      tracer,
      logger,
      clock,
      draining: draining.signal,
    },
    executor,
    processor,
    scheduler,
    stopWaiting: () => draining.abort(),
    listensOn: (address, port) => listeners.push({ address, port }),
  }
}
