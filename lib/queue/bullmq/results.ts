import type { Redis } from 'ioredis'
import type { HitResult } from '../../contract/hit.ts'
import { RESULT_TTL_SECONDS } from '../port.ts'
import { parseResult } from '../stored-job.ts'

/** Results asked for in one command while others wait for them. */
const MGET_KEYS = 500

/** Where a result lies; scripts of the Go system read it there. */
export const resultKey = (taskId: string): string => `worker:hit:result:${taskId}`

/** Where the task of an idempotency key lies once it has ended; before that, BullMQ's deduplication holds it beside the job. */
const endedKey = (digest: string): string => `worker:hit:idempotency:${digest}`

/** A result that lies in the store and cannot be read, written by another version, say. */
export interface UnreadableResult {
  readonly task_id: string
  readonly error: unknown
}

/** Results, and the keys of ended tasks, in their own database. All methods reject with what ioredis rejects with. */
export class RedisResults {
  readonly #redis: Redis

  constructor(redis: Redis) {
    this.#redis = redis
  }

  /**
   * Stores the one final result of a task, and the key that led to it, for an hour from now.
   * @returns the result that stands: this one, or the one that was there before it
   */
  async store(result: HitResult, digest: string | undefined): Promise<HitResult> {
    const key = resultKey(result.task_id)
    const json = JSON.stringify(result)
    if (digest === undefined) {
      const stored = await this.#redis.set(key, json, 'EX', RESULT_TTL_SECONDS, 'NX')
      return stored === 'OK' ? result : ((await this.read(result.task_id)) ?? result)
    }
    // Together, since the key must be there before the job, and with it BullMQ's own note of the key, goes.
    const answers = await this.#redis
      .multi()
      .set(key, json, 'EX', RESULT_TTL_SECONDS, 'NX')
      .set(endedKey(digest), result.task_id, 'EX', RESULT_TTL_SECONDS, 'NX')
      .exec()
    for (const [error] of answers ?? []) if (error !== null) throw error
    return answers?.[0]?.[1] === 'OK' ? result : ((await this.read(result.task_id)) ?? result)
  }

  async read(taskId: string): Promise<HitResult | undefined> {
    const json = await this.#redis.get(resultKey(taskId))
    return json === null ? undefined : parseResult(json)
  }

  /** Those of the tasks that have a result; one that cannot be read does not hide the others. */
  async readMany(taskIds: readonly string[]): Promise<{ readonly found: readonly HitResult[]; readonly unreadable: readonly UnreadableResult[] }> {
    const found: HitResult[] = []
    const unreadable: UnreadableResult[] = []
    for (let at = 0; at < taskIds.length; at += MGET_KEYS) {
      const asked = taskIds.slice(at, at + MGET_KEYS)
      const values = await this.#redis.mget(asked.map(resultKey))
      for (const [index, task_id] of asked.entries()) {
        const json = values[index] ?? null
        if (json === null) continue
        try {
          found.push(parseResult(json))
        } catch (error) {
          unreadable.push({ task_id, error })
        }
      }
    }
    return { found, unreadable }
  }

  /** The task of this key where it has ended within the hour. */
  async endedHolder(digest: string): Promise<string | undefined> {
    return (await this.#redis.get(endedKey(digest))) ?? undefined
  }
}
