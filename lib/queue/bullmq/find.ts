import type { HitResult } from '../../contract/hit.ts'
import { isReplaced, parseField, readPast, unfinishedHit } from './job-data.ts'
import type { RedisJobs } from './jobs.ts'
import type { RedisResults, UnreadableResult } from './results.ts'

/**
 * What is known of a task, from its job and its result. A result counts unless the job says that it is the one to be replaced:
 * it was queued again by hand, and its old result lies there until the new one.
 */
export class HitFinder {
  readonly #jobs: RedisJobs
  readonly #results: RedisResults

  constructor(jobs: RedisJobs, results: RedisResults) {
    this.#jobs = jobs
    this.#results = results
  }

  async find(taskId: string): Promise<HitResult | undefined> {
    const [job, result] = await Promise.all([this.#jobs.read(taskId), this.#results.read(taskId)])
    if (job === undefined) return result ?? this.#results.read(taskId)
    const { past, result: unfinished } = unfinishedHit(taskId, job.fields)
    if (result !== undefined && !isReplaced(result, past)) return result
    if (!job.ended) return unfinished
    // It ended between the two looks.
    const later = await this.#results.read(taskId)
    return later === undefined || isReplaced(later, past) ? unfinished : later
  }

  /** The ends among these tasks: their results, but for those that are to be replaced. */
  async ends(taskIds: readonly string[]): Promise<{ readonly found: readonly HitResult[]; readonly unreadable: readonly UnreadableResult[] }> {
    const { found, unreadable } = await this.#results.readMany(taskIds)
    const progress = await this.#jobs.progressOf(found.map(({ task_id }) => task_id))
    return { found: found.filter((result, index) => !isReplaced(result, readPast(parseField(progress[index])))), unreadable }
  }
}
