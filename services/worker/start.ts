import { isLoopbackHost } from '#lib/http/origin.ts'
import { serve } from '#lib/http/serve.ts'
import type { RunningService } from '#lib/runtime/lifecycle.ts'
import { createWorkerApp } from './app.ts'
import type { WorkerServiceConfig } from './config.ts'
import { openWorkerDeps, type WorkerOverrides } from './deps.ts'
import { createHitLane } from './fast-lane.ts'

/** A started worker. */
export interface RunningWorker extends RunningService {
  readonly port: number
}

/**
 * Starts a worker and resolves when it serves and processes hits.
 * @throws StartError, FileLockedError where it cannot
 */
export async function startWorker(config: WorkerServiceConfig, overrides?: WorkerOverrides): Promise<RunningWorker> {
  const opened = await openWorkerDeps(config, overrides)
  const { deps, executor, processor, scheduler, stopWaiting, listensOn } = opened
  const { logger, queue, requests, metrics, tracer } = deps
  try {
    const app = createWorkerApp(deps)
    const listening = await serve({
      fetch: app.fetch,
      fastLane: createHitLane(deps),
      requests,
      port: config.port,
      name: 'worker',
      ...(config.host === undefined ? {} : { host: config.host }),
    })
    listensOn(listening.host, listening.port)
    logger.info('http', `worker listening on ${listening.host} port ${listening.port}`, { host: listening.host, port: listening.port })
    if (config.apiKey === undefined && !isLoopbackHost(config.host ?? '')) {
      logger.warn('init', 'the worker has no key and WORKER_HOST opens it to others: set WORKER_API_KEY')
    }
    queue.start(processor, { concurrency: config.concurrency })
    const scheduling = new AbortController()
    const scheduled = scheduler.run(scheduling.signal)
    return {
      logger,
      shutdownTimeoutSeconds: config.shutdownTimeoutSeconds,
      port: listening.port,
      stop: async (signal) => {
        stopWaiting()
        scheduling.abort()
        // No new hits by HTTP first; then what runs ends, or goes back to the queue uncharged.
        const closed = listening.close(signal)
        await queue.drain(signal)
        await Promise.all([closed, scheduled])
        await queue[Symbol.asyncDispose]()
        await executor.close()
        metrics.close()
        await tracer.close(signal)
      },
    }
  } catch (error) {
    await queue[Symbol.asyncDispose]()
    await executor.close()
    throw error
  }
}
