import { createRoute, z } from '@hono/zod-openapi'
import { ConfigIdHeaderSchema } from '#lib/contract/config.ts'
import { errorAnswer, keyErrors } from '#lib/http/answers.ts'
import { createRouter } from '#lib/http/app.ts'
import { streamEvents } from '#lib/http/event-sink.ts'
import { requestId } from '#lib/http/request-id.ts'
import type { ControllerDeps } from '../deps.ts'
import { heldBy, holds, shuttingDown } from '../watch.ts'

const streamHeaders = z.object({
  'last-event-id': z.string().optional().meta({ description: 'The version held: it is not sent again.', example: '7' }),
  'x-config-id': ConfigIdHeaderSchema,
})

const example =
  'id: 8\nevent: config\ndata: {"id":"5b1d7a5e-93c8-4c53-8f0a-0a5b0f2f6c11","version":8,"data":{"url":"https://example.com/ping"},"poll_interval_seconds":30}\n\n'

const route = createRoute({
  method: 'get',
  path: '/config/stream',
  tags: ['configs'],
  summary: 'Each config as it is published, as Server-Sent Events',
  request: { headers: streamHeaders },
  responses: {
    200: {
      description:
        'The latest config unless it is held, then each that is published; a comment every 15 s. Of versions published together only the newest is sent.',
      content: { 'text/event-stream': { schema: z.string().meta({ example }), example } },
    },
    ...keyErrors,
    503: errorAnswer('NOT_READY'),
  },
})

/** `GET /config/stream`. */
export function streamRoutes(deps: ControllerDeps) {
  return createRouter().openapi(route, async (c) => {
    if (deps.feed.hub.closed) throw shuttingDown()
    const { headers } = c.req.raw
    const last = headers.get('last-event-id')
    const held = last === null ? heldBy(headers) : { ...heldBy(headers), ifNoneMatch: last }
    return streamEvents(c, requestId(c), (sink) => deps.streams.add(sink, (snapshot) => holds(held, snapshot)))
  })
}
