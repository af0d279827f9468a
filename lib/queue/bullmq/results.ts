import type { HitResult } from '../../contract/hit.ts'
import { RESULT_TTL_SECONDS } from '../port.ts'
import { parseResult } from '../stored-job.ts'
import { isReplaced } from './job-data.ts'
import type { RedisClient } from './lua.ts'

/** Results asked for in one command. */
const MGET_KEYS = 500

/** Where a result lies; scripts of the Go system read it there. */
export const resultKey = (taskId: string): string => `worker:hit:result:${taskId}`

/** How much of a stored result is read where its body is not wanted, in bytes: what is not the body fits in it but for long histories. */
const HEAD_BYTES = 8192

/** A result as it is stored: the response's data, a large body last, so that the rest can be read without it. */
export function storedResult(result: HitResult): string {
  if (result.body === undefined || result.body.length < HEAD_BYTES / 4) return JSON.stringify(result)
  const { body, ...rest } = result
  return JSON.stringify({ ...rest, body })
}

/** What the beginning of a stored result says without its body; undefined where it does not say all. */
function parseHead(head: string): HitResult | undefined {
  // Not inside a value: quotes are escaped there.
  const whole = Buffer.byteLength(head) < HEAD_BYTES
  try {
    const { body: _, ...result } = parseResult(whole ? head : `${head.slice(0, head.indexOf(',"body":"'))}}`)
    return result.finished_at === undefined ? undefined : result
  } catch {
    return undefined
  }
}

/** A result that lies in the store and cannot be read, written by another version, say. */
export interface UnreadableResult {
  readonly task_id: string
  readonly error: unknown
}

/** Results, in their own database. All methods reject with what ioredis rejects with. */
export class RedisResults {
  readonly #redis: RedisClient

  constructor(redis: RedisClient) {
    this.#redis = redis
  }

  /**
   * Stores a result for an hour, by itself: for a Cluster, whose scripts reach one node only (elsewhere finish.ts stores it).
   * @param replaces `finished_at` of the result that it may replace, where its hit was queued again by hand
   * @returns the result that stands: this one, or the one that was there before it
   */
  async store(result: HitResult, replaces: string | undefined): Promise<HitResult> {
    const key = resultKey(result.task_id)
    const json = storedResult(result)
    if ((await this.#redis.set(key, json, 'EX', RESULT_TTL_SECONDS, 'NX')) === 'OK') return result
    const found = await this.read(result.task_id)
    if (found !== undefined && !isReplaced(found, { history: [], ...(replaces === undefined ? {} : { replaces }) })) return found
    await this.#redis.set(key, json, 'EX', RESULT_TTL_SECONDS)
    return result
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
      const values = await this.#values(asked.map(resultKey))
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

  /** Those of the tasks that have a result that can be read, without their bodies: a thousand of those may not fit into the memory. */
  async readHeads(taskIds: readonly string[]): Promise<HitResult[]> {
    const read = async (taskId: string): Promise<HitResult | undefined> => {
      const head = await this.#redis.getrange(resultKey(taskId), 0, HEAD_BYTES - 1)
      if (head === '') return undefined
      const result = parseHead(head)
      if (result !== undefined) return result
      const { body: _, ...whole } = (await this.read(taskId).catch(() => undefined)) ?? { task_id: '', status: 'queued' as const }
      return whole.task_id === '' ? undefined : whole
    }
    return (await Promise.all(taskIds.map(read))).filter((result) => result !== undefined)
  }

  /** On a Cluster each lies on a node of its own, and one command may not ask for several. */
  #values(keys: readonly string[]): Promise<(string | null)[]> {
    return this.#redis.isCluster ? Promise.all(keys.map((key) => this.#redis.get(key))) : this.#redis.mget([...keys])
  }
}
