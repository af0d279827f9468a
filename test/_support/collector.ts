import { z } from 'zod'
import { StubServer, sendJson } from './stub-server.ts'

const ValueSchema = z.object({
  stringValue: z.string().optional(),
  intValue: z.union([z.string(), z.number()]).optional(),
  boolValue: z.boolean().optional(),
  doubleValue: z.number().optional(),
})
const AttributesSchema = z.array(z.object({ key: z.string(), value: ValueSchema })).default([])
const SpanSchema = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.number(),
  attributes: AttributesSchema,
  status: z.object({ code: z.number().optional(), message: z.string().optional() }).optional(),
})
/** `POST /v1/traces` of OTLP/HTTP as JSON (opentelemetry-proto, trace/v1). */
const ExportSchema = z.object({
  resourceSpans: z.array(z.object({ resource: z.object({ attributes: AttributesSchema }), scopeSpans: z.array(z.object({ spans: z.array(SpanSchema) })) })),
})

/** A span as it was exported. */
export interface CollectedSpan {
  readonly service: string
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly attributes: Readonly<Record<string, string | number | boolean | undefined>>
  readonly error: string | undefined
}

type Attributes = z.output<typeof AttributesSchema>
const valuesOf = (attributes: Attributes) =>
  Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue, boolValue, doubleValue } }) => [
      key,
      stringValue ?? boolValue ?? doubleValue ?? (intValue === undefined ? undefined : Number(intValue)),
    ]),
  )

/** A collector of a test's own: takes traces by OTLP/HTTP, until the test's scope ends. */
export class Collector implements AsyncDisposable {
  readonly #stub: StubServer

  private constructor(stub: StubServer) {
    this.#stub = stub
  }

  /** @param status what it answers with */
  static async open(status = 200): Promise<Collector> {
    return new Collector(await StubServer.open((_request, response) => sendJson(response, status, {})))
  }

  get url(): string {
    return this.#stub.url
  }

  /** The exports as they came. */
  get exports(): StubServer['seen'] {
    return this.#stub.requests('POST', '/v1/traces')
  }

  /** All spans that came so far. */
  get spans(): readonly CollectedSpan[] {
    return this.exports.flatMap(({ body }) =>
      ExportSchema.parse(JSON.parse(body)).resourceSpans.flatMap(({ resource, scopeSpans }) => {
        const service = String(valuesOf(resource.attributes)['service.name'])
        return scopeSpans.flatMap(({ spans }) =>
          spans.map(({ traceId, spanId, parentSpanId, name, attributes, status }) => ({
            service,
            name,
            traceId,
            spanId,
            parentSpanId: parentSpanId || undefined,
            attributes: valuesOf(attributes),
            error: status?.code === 2 ? (status.message ?? '') : undefined,
          })),
        )
      }),
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stub[Symbol.asyncDispose]()
  }
}
