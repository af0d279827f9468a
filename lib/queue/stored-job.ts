import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type HitAttempt, HitAttemptSchema, type HitResult, HitResultSchema } from '../contract/hit.ts'
import type { HitJob } from './port.ts'

/** A {@link HitJob} as it lies in a store: JSON, read back with a check, since a store outlives the code that wrote it. */
export const HitJobSchema = z.object({
  task_id: z.string(),
  url: z.string(),
  request: z.record(z.string(), z.unknown()).optional(),
  config_version: z.number(),
  enqueued_at: z.number(),
  request_id: z.string().optional(),
  traceparent: z.string().optional(),
  tracestate: z.string().optional(),
}) satisfies z.ZodType<HitJob>

/** @throws ZodError or SyntaxError where the text is no job */
export const parseJob = (json: string): HitJob => HitJobSchema.parse(JSON.parse(json))

/** @throws ZodError or SyntaxError where the text is no result */
export const parseResult = (json: string): HitResult => HitResultSchema.parse(JSON.parse(json))

/** Whether this can be the id of a task: all are UUIDs. Anything else must not become part of a key in a store. */
export const isTaskId = (text: string): boolean => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)

/** What is stored of an Idempotency-Key: its SHA-256, so that any key has one length, and is not readable in the store. */
export const digestKey = (idempotencyKey: string): string => createHash('sha256').update(idempotencyKey).digest('hex')

/** A history as it lies in a store. @throws ZodError or SyntaxError where the text is none */
export const parseHistory = (json: string): HitAttempt[] => z.array(HitAttemptSchema).parse(JSON.parse(json))
