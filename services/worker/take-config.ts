import type { Context } from 'hono'
import type { WorkerConfig, WorkerConfigRequest } from '#lib/contract/worker.ts'
import { requestId } from '#lib/http/request-id.ts'
import { traceOfRequest } from '#lib/observe/trace/context.ts'
import { traced } from '#lib/observe/trace/tracer.ts'
import type { WorkerDeps } from './deps.ts'

/**
 * Takes the config that a request brings, as a step of its trace. Kept beside it is the request's id where it names one: of an
 * agent's that is the publish. One that was made here is not: what a script posts is read back as it was sent.
 * @throws as {@link WorkerDeps.holder} does
 */
export function takeConfig(
  { holder, tracer }: Pick<WorkerDeps, 'holder' | 'tracer'>,
  c: Context,
  config: WorkerConfigRequest,
  ifNewer: boolean | undefined,
): Promise<WorkerConfig> {
  const id = requestId(c)
  const start = { kind: 'server' as const, parent: traceOfRequest(c.req.raw.headers), fields: { 'dcm.version': config.version, 'dcm.request_id': id } }
  return traced(tracer, 'take config', start, async (trace) =>
    holder.accept(config, ifNewer, {
      ...(c.req.header('X-Request-Id') === id ? { request_id: id } : {}),
      ...(trace === undefined ? {} : { traceparent: trace.traceparent }),
    }),
  )
}
