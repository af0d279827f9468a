import { createRoute, z } from '@hono/zod-openapi'
import { ConfigIdHeaderSchema } from '../../contract/config.ts'
import { callerErrors, errorAnswer } from '../../http/answers.ts'
import { createRouter } from '../../http/app.ts'
import { callerOf } from '../../http/caller.ts'
import { streamEvents } from '../../http/event-sink.ts'
import { requestId } from '../../http/request-id.ts'
import type { ConfigFeed } from '../feed.ts'
import { signOf } from '../sign.ts'
import type { ConfigStreams } from '../streams.ts'
import { heldByStream, holds, shuttingDown } from '../watch.ts'

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
  description: 'A relay answers 409 RELAY_LOOP to a request that it has passed on itself.',
  request: { headers: streamHeaders },
  responses: {
    200: {
      description:
        'The latest config unless it is held, then each that is published; a comment every 15 s. Of versions published together only the newest is sent.',
      content: { 'text/event-stream': { schema: z.string().meta({ example }), example } },
    },
    ...callerErrors,
    503: errorAnswer('NOT_READY', 'OVERLOADED', 'UPSTREAM_UNAVAILABLE'),
  },
})

/** `GET /config/stream`, of a controller or a relay. */
export function streamRoutes(deps: { readonly feed: ConfigFeed; readonly streams: ConfigStreams }) {
  const { feed, streams } = deps
  return createRouter().openapi(route, async (c) => {
    if (feed.hub.closed) throw shuttingDown(feed)
    const { headers } = c.req.raw
    const held = heldByStream(headers)
    return streamEvents(c, requestId(c), (sink) =>
      streams.add(sink, (snapshot) => holds(held, snapshot), callerOf(c), signOf(headers, held, 'stream', callerOf(c))),
    )
  })
}
