import { z } from 'zod'
import { hitErrorClasses } from './hit.ts'

/** Over how long outcomes are counted, in seconds. */
export const OUTCOME_WINDOW_SECONDS = 300
/** Of how many config versions a worker tells outcomes: the newest. */
export const MAX_OUTCOME_VERSIONS = 5

/**
 * Upper bounds of the latency classes, in ms; one more class holds what is above the last. Fixed, so that the counts of
 * many workers add up: percentiles do not.
 */
export const latencyBoundsMs = [
  1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 7000, 10_000, 15_000, 20_000, 30_000, 60_000, 120_000,
  300_000,
] as const

const count = z.int().min(0)

/** What became of the hits of one config version on one worker, in the last {@link OUTCOME_WINDOW_SECONDS}. */
export const HitOutcomeSchema = z
  .object({
    version: z.int().min(0).meta({ description: 'The version of the config that the hits were accepted with.' }),
    completed: count,
    failed: count,
    by_error_class: z.partialRecord(z.enum(hitErrorClasses), count).meta({ type: 'object' }),
    latency: z
      .array(count)
      .length(latencyBoundsMs.length + 1)
      .meta({ description: `Hits by how long their last attempt took: up to ${latencyBoundsMs.join(', ')} ms, and longer.` }),
  })
  .meta({
    id: 'HitOutcome',
    example: {
      version: 7,
      completed: 3,
      failed: 1,
      by_error_class: { timeout: 1 },
      latency: [0, 0, 1, 2, ...Array.from({ length: 22 }, () => 0), 1, 0, 0, 0, 0],
    },
  })
export type HitOutcome = z.infer<typeof HitOutcomeSchema>

/** Outcomes of several versions, as an agent sends them up with its report. */
export const HitOutcomesSchema = z
  .array(HitOutcomeSchema)
  .max(MAX_OUTCOME_VERSIONS)
  .refine((outcomes) => new Set(outcomes.map(({ version }) => version)).size === outcomes.length, { error: 'expected each version once' })

/** Percentiles of a distribution, in ms; null where there is nothing. */
export const PercentilesSchema = z
  .object({ count, p50: z.number().nullable(), p95: z.number().nullable(), p99: z.number().nullable() })
  .meta({ id: 'Percentiles', example: { count: 4, p50: 4.2, p95: 9.7, p99: 9.7 } })
export type Percentiles = z.infer<typeof PercentilesSchema>

/** The outcome of a version as people read it. */
export const VersionOutcomeSchema = z
  .object({
    version: z.int().min(0),
    completed: count,
    failed: count,
    success_ratio: z.number().min(0).max(1).nullable().meta({ description: 'completed / (completed + failed); null where there is nothing.' }),
    by_error_class: z.partialRecord(z.enum(hitErrorClasses), count).meta({ type: 'object' }),
    latency_ms: PercentilesSchema.meta({ description: 'Of the last attempt; upper bounds of the class that the percentile falls into.' }),
  })
  .meta({
    id: 'VersionOutcome',
    example: {
      version: 7,
      completed: 3,
      failed: 1,
      success_ratio: 0.75,
      by_error_class: { timeout: 1 },
      latency_ms: { count: 4, p50: 5, p95: 30_000, p99: 30_000 },
    },
  })
export type VersionOutcome = z.infer<typeof VersionOutcomeSchema>

/** The index of the latency class that a duration falls into. */
export function latencyClass(ms: number): number {
  let low = 0
  let high: number = latencyBoundsMs.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (ms <= (latencyBoundsMs[middle] ?? 0)) high = middle
    else low = middle + 1
  }
  return low
}

/** The percentiles of counts by latency class: the upper bound of the class each falls into; of the last class, the highest bound. */
export function percentilesOf(latency: readonly number[]): Percentiles {
  const total = latency.reduce((sum, n) => sum + n, 0)
  const at = (share: number): number | null => {
    if (total === 0) return null
    let seen = 0
    const index = latency.findIndex((n) => {
      seen += n
      return n > 0 && seen >= share * total
    })
    return latencyBoundsMs[Math.min(index, latencyBoundsMs.length - 1)] ?? null
  }
  return { count: total, p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

/** An outcome as people read it. */
export function shownOutcome({ version, completed, failed, by_error_class, latency }: HitOutcome): VersionOutcome {
  const ended = completed + failed
  return { version, completed, failed, success_ratio: ended === 0 ? null : completed / ended, by_error_class, latency_ms: percentilesOf(latency) }
}
