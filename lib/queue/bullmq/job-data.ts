import { z } from 'zod'
import type { HitAttempt, HitResult } from '../../contract/hit.ts'
import { readJob, type Tries, unfinishedResult } from '../final-result.ts'
import type { HitJob, HitOutcomeResult, StoredHit } from '../port.ts'
import { HitJobSchema, parseHistory } from '../stored-job.ts'

/** What a job holds as BullMQ's `data`. */
export interface JobData {
  readonly job: HitJob
  /** The digest of its idempotency key. */
  readonly key?: string
}

const JobDataSchema = z.object({ job: HitJobSchema, key: z.string().optional() })

/** What a hit has behind it, in BullMQ's `progress` of its job: written by a retry only, so that a hit that ends at once does without. */
export interface Past {
  readonly history: readonly HitAttempt[]
  /** Where it was queued again by hand: `finished_at` of the result that its end is to replace, and that counts no longer. */
  readonly replaces?: string
}

const noPast: Past = { history: [] }
const PastSchema = z.object({ history: z.array(z.unknown()), replaces: z.string().optional() })

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

const isTextOrAbsent = (value: unknown): boolean => value === undefined || typeof value === 'string'

/** Whether this is a job as it is written here: what its schema says, at a tenth of the price, since each hit pays it. */
const isJob = (value: unknown): value is HitJob =>
  isRecord(value) &&
  typeof value.task_id === 'string' &&
  typeof value.url === 'string' &&
  typeof value.config_version === 'number' &&
  typeof value.enqueued_at === 'number' &&
  (value.request === undefined || isRecord(value.request)) &&
  isTextOrAbsent(value.request_id) &&
  isTextOrAbsent(value.traceparent) &&
  isTextOrAbsent(value.tracestate)

/** Reads what a job holds; `unreadable` is how it ends where it cannot be read. */
export function readJobData(taskId: string, data: unknown): JobData & { readonly unreadable?: HitOutcomeResult } {
  if (isRecord(data) && isJob(data.job)) {
    const { job, key } = data
    if (key === undefined) return { job }
    if (typeof key === 'string') return { job, key }
  }
  // The schema says what is wrong.
  return readJob(taskId, () => JobDataSchema.parse(data).job)
}

/** Reads a job's `progress`; one that cannot be read counts as none, since a hit must not be lost for its history. */
export function readPast(progress: unknown): Past {
  if (!isRecord(progress)) return noPast
  const past = PastSchema.safeParse(progress)
  if (!past.success) return noPast
  const { replaces } = past.data
  try {
    return { history: parseHistory(JSON.stringify(past.data.history)), ...(replaces === undefined ? {} : { replaces }) }
  } catch {
    return { history: [], ...(replaces === undefined ? {} : { replaces }) }
  }
}

/** Fields of a job's hash, as the scripts give them: `data`, `ats`, `atm`, `progress`. */
export type JobFields = readonly (string | null)[]

/** The fields that {@link unfinishedHit} reads; `ats` counts starts, `atm` the attempts that were charged. */
export const JOB_FIELDS = ['data', 'ats', 'atm', 'progress'] as const

/** A field of a job that holds JSON; undefined where it does not. */
export const parseField = (json: string | null | undefined): unknown => {
  try {
    return JSON.parse(json ?? 'null')
  } catch {
    return undefined
  }
}

/** A job that has not ended, and what is known of it. */
export function unfinishedHit(taskId: string, [data, starts, attempts, progress]: JobFields): StoredHit & { readonly past: Past } {
  const { job } = readJobData(taskId, parseField(data))
  const past = readPast(parseField(progress))
  const tries: Tries = { attempts: Number(attempts ?? 0), history: past.history }
  return { job, past, result: unfinishedResult(job, Number(starts ?? 0) > 0, tries) }
}

/** Whether a stored result is that of the run before the one that is queued now. */
export const isReplaced = (result: HitResult, { replaces }: Past): boolean => replaces !== undefined && result.finished_at === replaces
