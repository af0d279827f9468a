import type { HitAttempt, HitResult } from '../../contract/hit.ts'
import { finalResult, readJob, type Tries, unfinishedResult } from '../final-result.ts'
import { type HitJob, type HitOutcomeResult, RESULT_TTL_SECONDS, type StoredHit } from '../port.ts'
import { parseHistory, parseJob, parseResult } from '../stored-job.ts'
import type { EndedRow } from './ended-rows.ts'
import type { HitRow, Lease } from './hit-rows.ts'
import type { EngineParts } from './parts.ts'

/** A history as it is stored. */
export const historyJson = (history: readonly HitAttempt[]): string | null => (history.length === 0 ? null : JSON.stringify(history))

/** The attempts of a stored history; one that cannot be read (written by a newer version, say) must not stop its hit. */
export function readHistory(json: string | null): readonly HitAttempt[] {
  if (json === null) return []
  try {
    return parseHistory(json)
  } catch {
    return []
  }
}

/** What a hit has behind it. */
export const triesOf = ({ attempts, history }: Pick<HitRow, 'attempts' | 'history'>): Tries => ({ attempts, history: readHistory(history) })

/** A hit that has not ended, as it is told. */
export function unfinishedHit(row: HitRow): StoredHit {
  const { job } = readJob(row.task_id, () => parseJob(row.job))
  return { job, result: unfinishedResult(job, row.starts > 0, triesOf(row)) }
}

/** An ended hit as a list tells it: without the body of its answer. One whose result cannot be read does not hide the others. */
export function endedHit(row: EndedRow): StoredHit {
  const { job } = readJob(row.task_id, () => parseJob(row.job))
  try {
    return { job, result: parseResult(row.json) }
  } catch {
    return { job, result: { task_id: row.task_id, status: row.state, error: 'The stored result cannot be read; another version of the worker wrote it' } }
  }
}

/** What is known of a task. */
export function findHit({ hits, endings, clock }: EngineParts, taskId: string): HitResult | undefined {
  const stored = endings.find(taskId, clock.now())
  if (stored !== undefined) return parseResult(stored)
  const row = hits.find(taskId)
  return row === undefined ? undefined : unfinishedHit(row).result
}

/** What an end is written with. */
type EndParts = Pick<EngineParts, 'endings' | 'keys' | 'clock'>

/**
 * Ends a hit, inside a transaction: its result, and the key that led to it, are kept for an hour.
 * @param tries the last one included
 * @returns the result; undefined where the lease is lost
 */
export function endHit({ endings, keys, clock }: EndParts, lease: Lease, job: HitJob, outcome: HitOutcomeResult, tries: Tries): HitResult | undefined {
  const now = clock.now()
  const expiresAt = now + RESULT_TTL_SECONDS * 1000
  const result = finalResult(job, outcome, tries, now)
  if (!endings.end(lease, outcome.status, result, expiresAt)) return undefined
  keys.keep(lease.key, lease.task_id, expiresAt)
  return result
}
