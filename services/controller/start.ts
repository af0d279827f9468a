import { createFastLane } from '#lib/distribution/fast-lane.ts'
import { isLoopbackHost } from '#lib/http/origin.ts'
import { serve } from '#lib/http/serve.ts'
import type { RunningService } from '#lib/runtime/lifecycle.ts'
import { createControllerApp } from './app.ts'
import type { ControllerConfig } from './config.ts'
import { type ControllerDeps, openControllerDeps } from './deps.ts'

/** A started controller. */
export interface RunningController extends RunningService {
  readonly port: number
}

/**
 * Starts a controller and resolves when it serves.
 * @throws StartError, FileLockedError where it cannot
 */
export async function startController(config: ControllerConfig, overrides?: Partial<ControllerDeps>): Promise<RunningController> {
  const deps = await openControllerDeps(config, overrides)
  const { logger, store, feed, fleet, live, keys, schema, metrics, tracer, requests } = deps
  try {
    const app = createControllerApp(deps)
    const listening = await serve({
      fetch: app.fetch,
      fastLane: createFastLane({ ...deps, presence: deps.fleet }),
      admission: deps.admission,
      requests,
      port: config.port,
      name: 'controller',
      ...(config.host === undefined ? {} : { host: config.host }),
    })
    logger.info('http', `controller listening on ${listening.host} port ${listening.port}`, { host: listening.host, port: listening.port })
    if (!config.ownKey && !isLoopbackHost(config.host ?? '')) {
      logger.warn('init', 'API_KEY is the default one and CONTROLLER_HOST opens this controller to others: set API_KEY to a key of your own')
    }
    return {
      logger,
      shutdownTimeoutSeconds: config.shutdownTimeoutSeconds,
      port: listening.port,
      stop: async (signal) => {
        feed.close()
        live.close()
        await listening.close(signal)
        await fleet.close()
        await keys.close()
        await schema.close()
        await store[Symbol.asyncDispose]()
        metrics.close()
        await tracer.close(signal)
      },
    }
  } catch (error) {
    await fleet.close()
    await keys.close()
    await schema.close()
    await store[Symbol.asyncDispose]()
    throw error
  }
}
