import { createRoute, z } from '@hono/zod-openapi'
import { accepts } from 'hono/accepts'
import type { MetricsRegistry } from '../observe/metrics/registry.ts'
import { createRouter } from './app.ts'
import { requestId } from './request-id.ts'

const OPENMETRICS = 'application/openmetrics-text'

const example = '# HELP dcm_agents_online Agents that are online.\n# TYPE dcm_agents_online gauge\ndcm_agents_online 3\n'

const route = createRoute({
  method: 'get',
  path: '/metrics',
  tags: ['operating'],
  summary: 'What a monitoring system reads',
  description: 'In the text format of Prometheus, or as OpenMetrics 1.0 where `Accept` prefers that. docs/metrics.md names all metrics. Needs no key.',
  responses: {
    200: {
      description: 'The metrics of this service.',
      content: {
        'text/plain': { schema: z.string().meta({ example }), example },
        [OPENMETRICS]: { schema: z.string(), example: `${example}# EOF\n` },
      },
    },
  },
})

/** `GET /metrics` of a service. */
export function metricsRoutes(registry: MetricsRegistry) {
  return createRouter().openapi(route, async (c) => {
    const wanted = accepts(c, { header: 'Accept', supports: ['text/plain', OPENMETRICS], default: 'text/plain' })
    const { type, text } = await registry.expose(wanted === OPENMETRICS ? 'openmetrics' : 'text')
    return c.text(text, 200, { 'Content-Type': type, 'Cache-Control': 'no-store', 'X-Request-Id': requestId(c) })
  })
}
