import type { TraceContext } from './context.ts'

/** What a span says beside its name: plain values, never a key, a credential or a body, and no query of a URL. */
export type SpanFields = Readonly<Record<string, string | number | boolean | undefined>>

/** A piece of work in a trace. */
export interface Span {
  /** What those are given who go on with the trace; undefined where there is none. */
  readonly trace: TraceContext | undefined
  /**
   * It is over. One that is never ended is not exported.
   * @param error why it failed; absent: it did not
   */
  end(fields?: SpanFields, error?: string): void
}

/** How a span begins. */
export interface SpanStart {
  /** As OpenTelemetry names it: by whom it is done, and for whom. */
  readonly kind: 'server' | 'client' | 'producer' | 'consumer' | 'internal'
  /** The trace that it belongs to; undefined: it begins one. */
  readonly parent: TraceContext | undefined
  readonly fields?: SpanFields
}

/** Makes spans, and exports them. */
export interface Tracer {
  /** Whether spans are exported; lets a hot path leave out making their fields. */
  readonly enabled: boolean
  begin(name: string, start: SpanStart): Span
  /** Exports what is left, until the signal aborts; never rejects. */
  close(signal: AbortSignal): Promise<void>
}

/** Passes a trace on as it came, and begins none. */
export const noTracer: Tracer = {
  enabled: false,
  begin: (_name, { parent }) => ({ trace: parent, end: () => {} }),
  close: async () => {},
}

/** Where spans go, and in whose name. */
export interface TracingOptions {
  /** The base URL of an OTLP/HTTP collector; undefined: nothing is exported. */
  readonly endpoint: string | undefined
  /** As `service.name`. */
  readonly serviceName: string
}

/**
 * Runs work as a span; it fails where the work rejects.
 * @param work is given the span's own trace
 */
export function traced<T>(tracer: Tracer, name: string, start: SpanStart, work: (trace: TraceContext | undefined) => Promise<T>): Promise<T> {
  return tracer.enabled ? withSpan(tracer, name, start, work) : work(start.parent)
}

async function withSpan<T>(tracer: Tracer, name: string, start: SpanStart, work: (trace: TraceContext | undefined) => Promise<T>): Promise<T> {
  const span = tracer.begin(name, start)
  try {
    const answer = await work(span.trace)
    span.end()
    return answer
  } catch (error) {
    span.end({}, error instanceof Error ? error.message : String(error))
    throw error
  }
}
