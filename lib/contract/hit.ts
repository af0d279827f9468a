import { z } from 'zod'

/** Where a hit stands. `queued`: waits in the queue; `pending`: a worker has it, or it waits for its next attempt; the others are final. */
export const hitStatuses = ['queued', 'pending', 'completed', 'failed'] as const
export type HitStatus = (typeof hitStatuses)[number]

/** Why an attempt had no (usable) answer. A closed list, since retry rules and dashboards branch on it. */
export const hitErrorClasses = [
  'dns_error',
  'connection_refused',
  'connection_reset',
  'tls_error',
  'timeout',
  'blocked_address',
  'too_many_redirects',
  'unexpected_status',
  'invalid_response',
  'internal',
] as const
export type HitErrorClass = (typeof hitErrorClasses)[number]

/** The phases of the attempt that counted, in milliseconds; a phase that did not happen is absent. */
export const HitTimingsSchema = z
  .object({
    resolve: z.number().nonnegative().optional(),
    connect: z.number().nonnegative().optional(),
    tls: z.number().nonnegative().optional(),
    processing: z.number().nonnegative().optional().meta({ description: 'From the request being sent to the first byte of the answer.' }),
    transfer: z.number().nonnegative().optional(),
    total: z.number().nonnegative(),
    reused: z.boolean().optional().meta({ description: 'Whether a kept-alive connection was used.' }),
  })
  .meta({ id: 'HitTimings', example: { resolve: 0.4, connect: 0.6, processing: 3.1, transfer: 0.2, total: 4.4, reused: false } })
export type HitTimings = z.infer<typeof HitTimingsSchema>

/** How many attempts the history of one hit keeps; the oldest go first. */
export const MAX_HISTORY = 100

/** One attempt that was charged, as the history of a hit keeps it: what each request came to, without its body. */
export const HitAttemptSchema = z
  .object({
    attempt: z.number().int().min(1).meta({ description: 'Counted from 1, and anew after a retry by hand.' }),
    started_at: z.iso.datetime(),
    total_ms: z.number().nonnegative(),
    status_code: z.number().int().optional(),
    error_class: z.enum(hitErrorClasses).optional().meta({ description: 'Absent where the attempt completed the hit.' }),
    error: z.string().optional(),
  })
  .meta({ id: 'HitAttempt', example: { attempt: 1, started_at: '2026-11-24T09:00:00.000Z', total_ms: 4.4, status_code: 200 } })
export type HitAttempt = z.infer<typeof HitAttemptSchema>

/** `GET /hit`: what was accepted. */
export const HitAcceptedSchema = z
  .object({ task_id: z.string(), status: z.literal('queued') })
  .meta({ id: 'HitAccepted', example: { task_id: '0d4f6f0e-0f9e-4f4e-8d6e-5b1d3b0f1a10', status: 'queued' } })
export type HitAccepted = z.infer<typeof HitAcceptedSchema>

/** `GET /hit/:taskId`: the state, and once it is final the result. With Redis this very object is stored at `worker:hit:result:{task_id}`. */
export const HitResultSchema = z
  .object({
    task_id: z.string(),
    status: z.enum(hitStatuses),
    status_code: z.number().int().optional().meta({ description: "The target's HTTP status." }),
    body: z.string().optional().meta({ description: 'The first HIT_MAX_BODY_BYTES of the answer: text as text, anything else base64.' }),
    headers: z
      .record(z.string(), z.string())
      .optional()
      .meta({
        description: 'Of the answer, names in lower case: the first 4 KiB of them, cookies masked; without those about the connection and the length.',
        example: { 'content-type': 'text/plain' },
      }),
    error: z.string().optional().meta({ description: 'What went wrong, for people.' }),
    error_class: z.enum(hitErrorClasses).optional(),
    attempts: z.number().int().nonnegative().optional().meta({ description: 'How many requests were made that counted.' }),
    body_encoding: z.literal('base64').optional(),
    truncated: z.boolean().optional(),
    size_bytes: z.number().int().nonnegative().optional().meta({ description: 'A valid Content-Length, else what was seen.' }),
    timings: HitTimingsSchema.optional(),
    history: z
      .array(HitAttemptSchema)
      .optional()
      .meta({ description: `Each attempt that was charged, oldest first, the last ${MAX_HISTORY}.` }),
    config_version: z.number().int().optional().meta({ description: 'The version of the config that the hit was accepted with.' }),
    request_id: z.string().optional().meta({ description: 'Of the request that queued it; log lines about it have it too.' }),
    enqueued_at: z.iso.datetime().optional(),
    finished_at: z.iso.datetime().optional(),
  })
  .meta({
    id: 'HitResult',
    example: {
      task_id: '0d4f6f0e-0f9e-4f4e-8d6e-5b1d3b0f1a10',
      status: 'completed',
      status_code: 200,
      body: 'hello',
      headers: { 'content-type': 'text/plain' },
      attempts: 1,
      truncated: false,
      size_bytes: 5,
      timings: { resolve: 0.4, connect: 0.6, processing: 3.1, transfer: 0.2, total: 4.4, reused: false },
      history: [{ attempt: 1, started_at: '2026-11-24T09:00:00.009Z', total_ms: 4.4, status_code: 200 }],
      config_version: 7,
      request_id: '0f1c7b52-6a0e-4c1d-9a57-3d5f0a4f7f11',
      enqueued_at: '2026-11-24T09:00:00.000Z',
      finished_at: '2026-11-24T09:00:00.014Z',
    },
  })
export type HitResult = z.infer<typeof HitResultSchema>

/** Whether a hit has ended: its state does not change any more. */
export const isFinalStatus = (status: HitStatus): status is 'completed' | 'failed' => status === 'completed' || status === 'failed'
