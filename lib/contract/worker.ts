import { z } from 'zod'
import { refuseUnusable } from './config.ts'

/**
 * `POST /config` of the worker: from an agent (ours or Go), or from a script. Only `version` and `data` are
 * needed. An empty url is taken as none, as the Go worker does.
 */
export const WorkerConfigRequestSchema = z
  .object({
    id: z.string().max(200).optional(),
    version: z.int({ error: 'expected a whole number' }).min(0),
    data: z
      .record(z.string(), z.unknown(), { error: 'expected a JSON object' })
      .superRefine(refuseUnusable({ emptyUrl: true }))
      .meta({ type: 'object', example: { url: 'https://example.com/ping' } }),
    poll_interval_seconds: z.int().nullish(),
    created_at: z.string().max(64).nullish(),
  })
  .meta({ id: 'WorkerConfigRequest', example: { version: 7, data: { url: 'https://example.com/ping' } } })
export type WorkerConfigRequest = z.infer<typeof WorkerConfigRequestSchema>

/** The config that the worker holds, as it was sent. */
export const WorkerConfigSchema = z
  .object({
    id: z.string().optional(),
    version: z.number().int(),
    data: z.record(z.string(), z.unknown()),
    poll_interval_seconds: z.number().int().optional(),
    created_at: z.string().optional(),
    request_id: z.string().optional().meta({ description: 'Of the request that gave it: where an agent did, of the publish.' }),
    traceparent: z.string().optional().meta({ description: 'W3C Trace Context of that request, where it had one.' }),
  })
  .meta({ id: 'WorkerConfig', example: { version: 7, data: { url: 'https://example.com/ping' }, poll_interval_seconds: 30 } })
export type WorkerConfig = z.infer<typeof WorkerConfigSchema>

/** What the worker answers to a config that it took. */
export const WorkerConfigAcceptedSchema = z.object({ version: z.number().int() }).meta({ id: 'WorkerConfigAccepted', example: { version: 7 } })

/** `?if_newer=`: how a sender that follows a controller guards against late retries; scripts leave it out. */
export const IfNewerQuerySchema = z.object({
  if_newer: z.enum(['true', 'false']).optional().meta({
    description:
      'true: refuse a version older than the last one accepted with it (409). false: take it and count from it, as after a restored controller. Absent: take it, and count on as before.',
    example: 'true',
  }),
})
