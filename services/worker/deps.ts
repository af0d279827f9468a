import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createLogger, type Logger } from '#lib/observe/logger.ts'
import type { HitProcessor, HitQueue } from '#lib/queue/port.ts'
import { type Clock, systemClock } from '#lib/runtime/clock.ts'
import type { WorkerServiceConfig } from './config.ts'
import { ConfigHolder } from './config-holder.ts'
import { createExecutor, type Executor } from './hits/execute.ts'
import { createGuard } from './hits/guard.ts'
import { targetPolicy } from './hits/policy.ts'
import { createHitProcessor } from './hits/processor.ts'
import { chooseQueue, EMBEDDED_QUEUE_FILE, type QueueEngine } from './queue-choice.ts'

/** What the worker's routes stand on. */
export interface WorkerDeps {
  readonly config: Pick<WorkerServiceConfig, 'apiKey' | 'host' | 'allowedHosts' | 'maxConfigBytes'>
  readonly holder: ConfigHolder
  readonly queue: HitQueue
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
}

/** The routes' dependencies, and what only the start needs. */
interface OpenedWorker {
  readonly deps: WorkerDeps
  readonly executor: Executor
  readonly processor: HitProcessor
  stopWaiting(): void
  /** Tells the guard where this worker listens: no hit may go there. */
  listensOn(address: string, port: number): void
}

/** Opens the chosen engine; its libraries are loaded only then (BullMQ alone is 65 MiB). */
async function openQueue(engine: QueueEngine, config: WorkerServiceConfig, logger: Logger, clock: Clock): Promise<HitQueue> {
  const file = join(config.dataDir, EMBEDDED_QUEUE_FILE)
  if (engine === 'embedded') {
    const { openSqliteHitQueue } = await import('#lib/queue/sqlite/open.ts')
    return openSqliteHitQueue({ path: file, logger, clock })
  }
  if (existsSync(file))
    logger.warn('queue', 'there is an embedded queue too: hits in it wait until the worker is started with HIT_QUEUE=embedded', { path: file })
  const { openRedisHitQueue } = await import('#lib/queue/bullmq/open.ts')
  const { url, host, port, password, db, queueDb } = config.redis
  return openRedisHitQueue({
    redis: { ...(url === undefined ? {} : { url }), host, port, ...(password === undefined ? {} : { password }), db, queueDb },
    logger,
    clock,
  })
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
  const executor = createExecutor({ guard, maxBodyBytes: config.maxBodyBytes, clock })
  const processor = createHitProcessor({ executor, retryMax: config.retryMax, logger, clock })
  const draining = new AbortController()
  return {
    deps: { config, holder, queue, logger, clock, draining: draining.signal },
    executor,
    processor,
    stopWaiting: () => draining.abort(),
    listensOn: (address, port) => listeners.push({ address, port }),
  }
}
