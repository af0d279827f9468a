import { traceContextOf } from '#lib/observe/trace/context.ts'
import type { Actor, Published } from '#lib/store/port.ts'
import type { ControllerDeps } from './deps.ts'
import { type Publication, type PublishConditions, publishConfig } from './publish.ts'

/**
 * Publishes as {@link publishConfig} does: counted, and in the trace of the request. What goes on from here, on the wire
 * to agents and workers, belongs to this step of the trace.
 */
export async function observedPublish(deps: ControllerDeps, publication: Publication, conditions: PublishConditions, actor: Actor): Promise<Published> {
  const fields = { 'dcm.request_id': actor.request_id, 'dcm.rollback_of': publication.rollback_of }
  const span = deps.tracer.begin('publish', { kind: 'server', parent: traceContextOf(conditions.traceparent), fields })
  try {
    const passedOn = { ...conditions, traceparent: span.trace?.traceparent }
    const published = await deps.tallies.publish(deps.clock, () => publishConfig(deps, publication, passedOn, actor))
    span.end({ 'dcm.version': published.config.version, 'dcm.repeated': published.repeated })
    return published
  } catch (error) {
    span.end({}, error instanceof Error ? error.message : String(error))
    throw error
  }
}
