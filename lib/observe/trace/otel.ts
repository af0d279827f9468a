import { type Attributes, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace'
import { VERSION } from '../../runtime/version.ts'
import type { Logger } from '../logger.ts'
import { fieldsOf, type TraceContext, traceparentOf } from './context.ts'
import type { SpanFields, Tracer } from './tracer.ts'

const kinds = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
} as const

/** The longest text that an attribute or a status may be, in characters: a target may answer with anything. */
const MAX_TEXT = 1000
/** How long what is left is exported at the end, in ms: a collector that is away must not hold a stop up. */
const FLUSH_MS = 2000

/** A context of OpenTelemetry whose parent is what was passed on. */
function contextOf(parent: TraceContext | undefined) {
  const fields = parent && fieldsOf(parent.traceparent)
  if (fields === undefined) return ROOT_CONTEXT
  // The other bits are not defined, and are passed on as 0 (section 4.2).
  const traceFlags = Number.parseInt(fields.flags, 16) & TraceFlags.SAMPLED
  return trace.setSpanContext(ROOT_CONTEXT, { traceId: fields.traceId, spanId: fields.parentId, traceFlags, isRemote: true })
}

const present = (fields: SpanFields): Attributes => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

/** Tells of exports that fail once an outage. */
function watched(exporter: SpanExporter, logger: Logger): SpanExporter {
  let failing = false
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        const failed = result.code !== 0
        if (failed && !failing) logger.warn('http', 'traces cannot be exported; those of this while are lost', { reason: result.error?.message })
        else if (!failed && failing) logger.info('http', 'traces are exported again')
        failing = failed
        done(result)
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  }
}

/**
 * Exports spans by OTLP/HTTP, as JSON, in batches, every five seconds. The provider is this tracer's own: a process may have
 * several services, and nothing is registered globally. Headers, timeouts, certificates and resource attributes are read
 * by the SDK, from OTEL_EXPORTER_OTLP_* and OTEL_RESOURCE_ATTRIBUTES.
 */
export function createOtelTracer(options: { readonly endpoint: string; readonly serviceName: string; readonly logger: Logger }): Tracer {
  const exporter = watched(new OTLPTraceExporter({ url: `${options.endpoint}/v1/traces` }), options.logger)
  const named = resourceFromAttributes({ 'service.name': options.serviceName, 'service.version': VERSION })
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(detectResources({ detectors: [envDetector] }))
      .merge(named),
    spanLimits: { attributeValueLengthLimit: MAX_TEXT },
    spanProcessors: [new BatchSpanProcessor({ exporter })],
  })
  const tracer = provider.getTracer('dcm', VERSION)
  return {
    enabled: true,
    begin: (name, { kind, parent, fields = {} }) => {
      const span = tracer.startSpan(name, { kind: kinds[kind], attributes: present(fields) }, contextOf(parent))
      const { traceId, spanId, traceFlags } = span.spanContext()
      const traceparent = traceparentOf({ traceId, parentId: spanId, flags: traceFlags.toString(16).padStart(2, '0') })
      return {
        trace: { traceparent, ...(parent?.tracestate === undefined ? {} : { tracestate: parent.tracestate }) },
        end: (more = {}, error) => {
          span.setAttributes(present(more))
          if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error.slice(0, MAX_TEXT) })
          span.end()
        },
      }
    },
    close: async (signal) => {
      const { promise: over, resolve } = Promise.withResolvers<void>()
      const until = AbortSignal.any([signal, AbortSignal.timeout(FLUSH_MS)])
      if (until.aborted) resolve()
      else until.addEventListener('abort', () => resolve(), { once: true })
      await Promise.race([provider.shutdown().catch(() => {}), over])
    },
  }
}
