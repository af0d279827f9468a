import { traceContextOf } from '#lib/observe/trace/context.ts'
import { noTracer, type Span, type Tracer } from '#lib/observe/trace/tracer.ts'
import type { Delivery } from './forwarder.ts'

/**
 * Handing a config to the worker as a step in the trace of its publish. Only a config that has just come has one, and only
 * until it was handed over: a worker that gets it again days later is no part of that trace.
 */
export class DeliveryTrace {
  readonly #tracer: Tracer
  #over: Delivery | undefined

  constructor(tracer: Tracer = noTracer) {
    this.#tracer = tracer
  }

  /** Begins a try. */
  begin(delivery: Delivery): Span {
    const { config, isNew = false } = delivery
    const tracer = isNew && delivery !== this.#over ? this.#tracer : noTracer
    const fields = { 'dcm.version': config.version, 'dcm.request_id': config.request_id }
    return tracer.begin('deliver', { kind: 'client', parent: traceContextOf(config.traceparent), fields })
  }

  /** The worker has taken it, or refused it. */
  over(delivery: Delivery): void {
    this.#over = delivery
  }
}
