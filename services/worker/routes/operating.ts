import { operationalRoutes, rememberFor } from '#lib/http/operational.ts'
import { isLoopbackHost } from '#lib/http/origin.ts'
import type { WorkerDeps } from '../deps.ts'

/** `/health` and `/ready` of the worker: ready means that its queue takes hits. */
export function operatingRoutes(deps: WorkerDeps) {
  const queueHealth = rememberFor(500, () => deps.queue.health())
  return operationalRoutes({
    service: 'worker',
    health: async () => {
      const queue = await queueHealth()
      const open = deps.config.apiKey === undefined && !isLoopbackHost(deps.config.host ?? '')
      return {
        degraded: !queue.ok,
        warnings: [
          ...queue.warnings.map((warning) => `queue: ${warning}`),
          ...(open ? ['the worker has no key and listens beyond loopback: set WORKER_API_KEY'] : []),
        ],
        parts: {
          queue: { engine: queue.engine, ok: queue.ok, ...queue.counts },
          config: { version: deps.holder.current?.version ?? null },
        },
      }
    },
    missing: async () => {
      const queue = await queueHealth()
      return queue.ok ? [] : [{ path: 'queue', message: queue.warnings[0] ?? `the ${queue.engine} queue cannot be reached` }]
    },
  })
}
