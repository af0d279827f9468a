import { operationalRoutes, rememberFor } from '#lib/http/operational.ts'
import { isLoopbackHost } from '#lib/http/origin.ts'
import type { WorkerDeps } from '../deps.ts'

/** `/health` and `/ready` of the worker: ready means that its queue takes hits. */
export function operatingRoutes(deps: WorkerDeps) {
  const queueHealth = rememberFor(500, () => deps.queue.health())
  // A queue that cannot say so is away, which its health says.
  const paused = rememberFor(500, async () =>
    deps.queue.counts().then(
      (counts) => counts.paused,
      () => false,
    ),
  )
  return operationalRoutes({
    service: 'worker',
    health: async () => {
      const [queue, isPaused] = await Promise.all([queueHealth(), paused()])
      const schedule = deps.scheduler.status
      const open = deps.config.apiKey === undefined && !isLoopbackHost(deps.config.host ?? '')
      return {
        degraded: !queue.ok,
        warnings: [
          ...queue.warnings.map((warning) => `queue: ${warning}`),
          ...(isPaused ? ['queue: hits are paused, and none begins until POST /hits/resume'] : []),
          // That it is paused is said above.
          ...(schedule?.skipped != null && !isPaused ? [`schedule: no hit was made at ${schedule.last_tick_at}: ${schedule.skipped}`] : []),
          ...(open ? ['the worker has no key and listens beyond loopback: set WORKER_API_KEY'] : []),
        ],
        parts: {
          queue: {
            engine: queue.engine,
            ok: queue.ok,
            paused: isPaused,
            ...(queue.appendfsync === undefined ? {} : { appendfsync: queue.appendfsync }),
            ...queue.counts,
          },
          config: { version: deps.holder.current?.version ?? null },
          ...(schedule === undefined ? {} : { schedule: { ...schedule } }),
        },
      }
    },
    missing: async () => {
      const queue = await queueHealth()
      return queue.ok ? [] : [{ path: 'queue', message: queue.warnings[0] ?? `the ${queue.engine} queue cannot be reached` }]
    },
  })
}
