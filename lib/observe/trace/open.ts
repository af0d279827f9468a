import type { Logger } from '../logger.ts'
import { noTracer, type Tracer, type TracingOptions } from './tracer.ts'

/** The tracer of one service; OpenTelemetry is loaded only where there is somewhere to export to. */
export async function openTracer(options: TracingOptions, logger: Logger): Promise<Tracer> {
  const { endpoint, serviceName } = options
  if (endpoint === undefined) return noTracer
  const { createOtelTracer } = await import('./otel.ts')
  logger.info('init', 'traces are exported', { endpoint: endpoint.replace(/\/\/[^/@]*@/, '//…@'), service_name: serviceName })
  return createOtelTracer({ endpoint, serviceName, logger })
}
