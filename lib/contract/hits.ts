import { z } from 'zod'
import { HitAttemptSchema, hitErrorClasses, hitStatuses } from './hit.ts'
import { HitOutcomeSchema, HitOutcomesSchema, PercentilesSchema, VersionOutcomeSchema } from './outcome.ts'
import { pageLimit } from './page.ts'

/** How many hits one `POST /hits` queues at most. */
export const MAX_BULK_HITS = 10_000
/** How many failed hits one `POST /hits/retry` queues again at most. */
export const MAX_BULK_RETRY = 10_000

/** A hit of the list: what it was to do, with credentials masked, and what became of it; without the body. */
export const ListedHitSchema = z
  .object({
    task_id: z.string(),
    status: z.enum(hitStatuses),
    url: z.string().meta({ description: 'Without its query, where secrets travel.' }),
    method: z.string(),
    headers: z.record(z.string(), z.string()).optional().meta({ description: 'As the config gives them; values that look like credentials are masked.' }),
    body_bytes: z.number().int().optional().meta({ description: 'How large the body of the request is.' }),
    config_version: z.number().int(),
    request_id: z.string().optional().meta({ description: 'Of the request that queued it.' }),
    attempts: z.number().int(),
    status_code: z.number().int().optional(),
    error_class: z.enum(hitErrorClasses).optional(),
    error: z.string().optional(),
    history: z.array(HitAttemptSchema).optional(),
    enqueued_at: z.iso.datetime(),
    finished_at: z.iso.datetime().optional(),
  })
  .meta({
    id: 'ListedHit',
    example: {
      task_id: '0d4f6f0e-0f9e-4f4e-8d6e-5b1d3b0f1a10',
      status: 'failed',
      url: 'https://example.com/ping',
      method: 'POST',
      headers: { Authorization: '***' },
      body_bytes: 2,
      config_version: 7,
      attempts: 4,
      error_class: 'timeout',
      error: 'Cannot POST https://example.com/ping: no complete answer within 30 s',
      enqueued_at: '2026-11-24T09:00:00.000Z',
      finished_at: '2026-11-24T09:02:07.014Z',
    },
  })
export type ListedHit = z.infer<typeof ListedHitSchema>

/** `GET /hits`. */
export const HitsQuerySchema = z.object({
  state: z
    .enum(hitStatuses, { error: `expected one of ${hitStatuses.join(', ')}` })
    .optional()
    .meta({ description: 'Only hits in this state; all where absent: pending, queued, failed, completed.', example: 'failed' }),
  cursor: z.string().max(200).optional().meta({ description: '`next_cursor` of the page before.' }),
  limit: pageLimit('Hits a page; 100 where absent.'),
})

export type HitsQuery = z.output<typeof HitsQuerySchema>

/** A page of hits: queued and pending oldest first, ended ones newest first. */
export const HitsPageSchema = z
  .object({ hits: z.array(ListedHitSchema), next_cursor: z.string().optional().meta({ description: 'Absent on the last page.' }) })
  .meta({ id: 'HitsPage', example: { hits: [ListedHitSchema.meta()?.example] } })
export type HitsPage = z.infer<typeof HitsPageSchema>

/** How a destination stands: an origin that hits go to. */
export const circuitStates = ['closed', 'open', 'half_open'] as const
export const DestinationSchema = z
  .object({
    origin: z.string(),
    active: z.number().int().meta({ description: 'Requests under way.' }),
    waiting: z.number().int().meta({ description: 'Hits that a slot of the worker is held for, until one of the destination is free.' }),
    circuit: z
      .enum(circuitStates)
      .meta({ description: 'open: it did not answer several times in a row, so its hits wait; half_open: one request is under way to see.' }),
    reopens_at: z.iso.datetime().optional().meta({ description: 'When the next request is let through, where the circuit is open.' }),
  })
  .meta({ id: 'Destination', example: { origin: 'https://example.com', active: 2, waiting: 0, circuit: 'closed' } })
export type Destination = z.infer<typeof DestinationSchema>

/** `GET /hits/stats`. */
export const HitStatsSchema = z
  .object({
    engine: z.enum(['redis', 'embedded']),
    paused: z.boolean(),
    queued: z.number().int(),
    active: z.number().int().meta({ description: 'Being run; on Redis, by all workers on it.' }),
    delayed: z.number().int().meta({ description: 'Waiting for their next attempt, or for their destination.' }),
    completed: z.number().int().meta({ description: 'Ended within the last hour.' }),
    failed: z.number().int().meta({ description: 'Ended within the last hour.' }),
    max_backlog: z.number().int(),
    oldest_queued_seconds: z.number().nullable().meta({ description: 'How long the oldest hit waits that no worker has taken; null where none waits.' }),
    wait_ms: PercentilesSchema.meta({ description: 'From accepted to the first attempt; this worker, the last 5 minutes.' }),
    run_ms: PercentilesSchema.meta({ description: 'Each attempt; this worker, the last 5 minutes.' }),
    by_error_class: z
      .partialRecord(z.enum(hitErrorClasses), z.number().int())
      .meta({ type: 'object', description: 'Attempts without a usable answer; this worker, the last 5 minutes.' }),
    versions: z.array(VersionOutcomeSchema).meta({ description: 'Ends by config version; this worker, the last 5 minutes, newest version first.' }),
    outcomes: HitOutcomesSchema.meta({ description: 'The same as counts, which add up over workers: what the agent sends to its controller.' }),
    destinations: z.array(DestinationSchema).meta({ description: 'Those with hits under way or an open circuit, at most 100; this worker.' }),
  })
  .meta({
    id: 'HitStats',
    example: {
      engine: 'embedded',
      paused: false,
      queued: 12,
      active: 10,
      delayed: 1,
      completed: 4711,
      failed: 3,
      max_backlog: 1_000_000,
      oldest_queued_seconds: 0.4,
      wait_ms: { count: 4714, p50: 2, p95: 7, p99: 15 },
      run_ms: { count: 4720, p50: 5, p95: 20, p99: 50 },
      by_error_class: { timeout: 9 },
      versions: [VersionOutcomeSchema.meta()?.example],
      outcomes: [HitOutcomeSchema.meta()?.example],
      destinations: [DestinationSchema.meta()?.example],
    },
  })
export type HitStats = z.infer<typeof HitStatsSchema>

const countWanted = `expected a whole number from 1 to ${MAX_BULK_HITS}`

/** `POST /hits`. */
export const BulkHitsRequestSchema = z
  .object({
    count: z.int({ error: countWanted }).min(1, { error: countWanted }).max(MAX_BULK_HITS, { error: countWanted }),
  })
  .meta({ id: 'BulkHitsRequest', example: { count: 100 } })

/** What `POST /hits` is answered with: all were queued. */
export const BulkHitsSchema = z
  .object({ task_ids: z.array(z.string()), status: z.literal('queued') })
  .meta({ id: 'BulkHits', example: { task_ids: ['0d4f6f0e-0f9e-4f4e-8d6e-5b1d3b0f1a10'], status: 'queued' } })
export type BulkHits = z.infer<typeof BulkHitsSchema>

/** `POST /hits/retry`. */
export const BulkRetrySchema = z
  .object({ retried: z.number().int(), remaining: z.boolean().meta({ description: `Whether there are more: one call takes at most ${MAX_BULK_RETRY}.` }) })
  .meta({ id: 'BulkRetry', example: { retried: 3, remaining: false } })
export type BulkRetry = z.infer<typeof BulkRetrySchema>

/** `POST /hits/pause` and `/hits/resume`. */
export const PausedSchema = z.object({ paused: z.boolean() }).meta({ id: 'Paused', example: { paused: true } })
export type Paused = z.infer<typeof PausedSchema>
