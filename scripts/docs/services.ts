import { join } from 'node:path'
import { silentLogger } from '#lib/observe/logger.ts'
import { loadAgentConfig } from '#services/agent/config.ts'
import { openAgentDeps } from '#services/agent/deps.ts'
import { loadControllerConfig } from '#services/controller/config.ts'
import { openControllerDeps } from '#services/controller/deps.ts'
import { loadWorkerConfig } from '#services/worker/config.ts'
import { openWorkerDeps } from '#services/worker/deps.ts'

/**
 * Opens what the services stand on, without serving anything: their routes and their metrics can be asked for.
 * @param scratch a folder for what they want to keep
 */
export async function openServices(scratch: string) {
  const env = (name: string) => ({ DATA_DIR: join(scratch, name), HIT_QUEUE: 'embedded' })
  const options = { logger: silentLogger }
  const controller = await openControllerDeps(loadControllerConfig(env('controller')), options)
  const worker = await openWorkerDeps(loadWorkerConfig(env('worker')), options)
  const agent = openAgentDeps(loadAgentConfig(env('agent')), () => 8081, options)
  const relay = openAgentDeps(loadAgentConfig({ ...env('relay'), RELAY: 'true' }), () => 8081, options)
  return {
    controller,
    agent,
    relay,
    worker: worker.deps,
    [Symbol.asyncDispose]: async () => {
      agent.release()
      relay.release()
      await controller.fleet.close()
      await controller.keys.close()
      await controller.store[Symbol.asyncDispose]()
      await worker.deps.queue[Symbol.asyncDispose]()
      await worker.executor.close()
    },
  }
}
