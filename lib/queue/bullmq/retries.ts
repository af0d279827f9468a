import { reprocessJob } from 'bullmq/dist/cjs/scripts/index.js'
import type { HitResult } from '../../contract/hit.ts'
import { RESULT_TTL_SECONDS, type RetryAnswer } from '../port.ts'
import type { Past } from './job-data.ts'
import type { HitKeys } from './keys.ts'
import { aroundBullmq, type RedisClient, RedisScript } from './lua.ts'
import type { RedisResults } from './results.ts'

/** How many are queued again by one command: it holds up all others. */
const CHUNK = 200

/**
 * Queues ended hits again, each as BullMQ's own retry does, and as a whole: under its id, at the end of the line, with new budgets
 * of attempts and of crashes, no longer to expire, and with its past. Its idempotency key means it from here on for as long as it lives.
 * ARGV: what a job's id is put behind, then id, `finished_at` of the result that was seen, and past of each.
 * Returns for each `retried`, `unfinished`, `unknown`, or `changed` where it has ended another time since.
 */
const retryScript = aroundBullmq(
  reprocessJob,
  `local prefix, answers = ARGV[1], {}
local function retry(id, finishedAt, past)
  local job = prefix .. id
  local state
  for _, name in ipairs({'completed', 'failed'}) do
    if redis.call('ZSCORE', prefix .. name, id) then state = name end
  end
  if redis.call('EXISTS', job) == 0 then
    if state then redis.call('ZREM', prefix .. state, id) end
    return 'unknown'
  end
  if not state then return redis.call('HEXISTS', job, 'finishedOn') == 1 and 'unknown' or 'unfinished' end
  local property = state == 'failed' and 'failedReason' or 'returnvalue'
  if redis.call('HGET', job, property) ~= finishedAt then return 'changed' end
  redis.call('HSET', job, 'progress', past)
  redis.call('HDEL', job, 'stc')
  redis.call('PERSIST', job)
  bullmq({job, KEYS[1], prefix .. state, KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]}, {id, 'LPUSH', property, state, '1', '1'})
  local digest = redis.call('HGET', job, 'deid')
  if digest then
    local key = prefix .. 'de:' .. digest
    if (redis.call('GET', key) or id) == id then redis.call('SET', key, id) end
  end
  return 'retried'
end
for i = 2, #ARGV, 3 do answers[#answers + 1] = retry(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
return answers`,
)

/**
 * The longest ended of the failed, after the moment ARGV[1] of Redis' clock and up to ARGV[2] ('' for now); ARGV[3]: how many, ARGV[4]: ms
 * that they are kept. Returns ARGV[2], or now, and pairs of id and moment.
 */
const failedScript = new RedisScript(`local now = redis.call('TIME')
local time = now[1] * 1000 + now[2] / 1000
local before = ARGV[2] == '' and string.format('%.17g', time) or ARGV[2]
local after = ARGV[1] == '' and string.format('%.17g', time - ARGV[4]) or '(' .. ARGV[1]
return {before, redis.call('ZRANGEBYSCORE', KEYS[1], after, before, 'WITHSCORES', 'LIMIT', 0, ARGV[3])}`)

/** How often a retry looks again at a hit that has ended anew since its look: each time it must have been queued again by others. */
const MAX_LOOKS = 5

/** Queues ended hits again. Methods reject with what ioredis rejects with. */
export class RedisRetries {
  readonly #redis: RedisClient
  readonly #keys: HitKeys
  readonly #results: RedisResults

  constructor(redis: RedisClient, keys: HitKeys, results: RedisResults) {
    this.#redis = redis
    this.#keys = keys
    this.#results = results
  }

  async retry(taskId: string): Promise<RetryAnswer> {
    for (let look = 1; look <= MAX_LOOKS; look += 1) {
      const [answer] = await this.#retryAll([taskId])
      if (answer !== 'changed') return answer === 'retried' || answer === 'unfinished' ? answer : 'unknown'
    }
    return 'unfinished'
  }

  /** As the port's; those that fail again meanwhile are left alone. */
  async retryFailed(max: number): Promise<{ retried: number; remaining: boolean }> {
    let retried = 0
    let after = ''
    let before = ''
    for (;;) {
      const answer = await failedScript.run(this.#redis, [this.#keys.failed], [after, before, CHUNK, RESULT_TTL_SECONDS * 1000])
      const [moment, found] = Array.isArray(answer) ? answer : []
      const pairs: string[] = Array.isArray(found) ? found.map(String) : []
      if (pairs.length === 0 || retried >= max) return { retried, remaining: pairs.length > 0 }
      const taskIds = pairs.filter((_, index) => index % 2 === 0).slice(0, max - retried)
      const answers = await this.#retryAll(taskIds)
      retried += answers.filter((one) => one === 'retried').length
      after = pairs[taskIds.length * 2 - 1] ?? ''
      before = String(moment)
    }
  }

  /** @returns what the script says of each; `unknown` where there is no result, without which nothing is known of it */
  async #retryAll(taskIds: readonly string[]): Promise<string[]> {
    const results = new Map((await this.#results.readHeads(taskIds)).map((result) => [result.task_id, result]))
    const { base, events, wait, meta, active, marker, prioritized, priorityCounter } = this.#keys
    const args = taskIds.flatMap((id) => [id, results.get(id)?.finished_at ?? '', JSON.stringify(pastOf(results.get(id)))])
    const answers = await retryScript.run(this.#redis, [events, wait, meta, active, marker, prioritized, priorityCounter], [base, ...args])
    if (!Array.isArray(answers)) throw new Error(`Redis answered a retry with ${JSON.stringify(answers)}`)
    return taskIds.map((id, index) => (answers[index] === 'changed' && !results.has(id) ? 'unknown' : String(answers[index])))
  }
}

/** What a hit has behind it whose last run ended so. */
const pastOf = (result: HitResult | undefined): Past => ({ history: result?.history ?? [], replaces: result?.finished_at ?? '' })
