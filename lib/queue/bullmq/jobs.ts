import { addStandardJob } from 'bullmq/dist/cjs/scripts/index.js'
import type { HitJob } from '../port.ts'
import { didNothing, isAway, MaybeQueuedError } from './away.ts'
import { BULK_MARGIN_SECONDS, BULK_SECONDS, BULK_STEP, bulkKeys, queueBulk } from './bulk.ts'
import { JOB_FIELDS, type JobFields } from './job-data.ts'
import { type HitKeys, JOB_NAME } from './keys.ts'
import { aroundBullmq, type RedisClient, RedisScript } from './lua.ts'

/**
 * Adds jobs in their order, each as BullMQ's `add` does, and as a whole, so that a bulk is queued or not. Its key, where one is
 * added with one, BullMQ's deduplication holds while the task lives, and for the hour after its end, since that leaves it there.
 * ARGV: what a job's id is put behind, the name of all, the digest of the key ('' for none), how many texts follow, the texts,
 * then of each job its id, its timestamp and which text its data ends with: what many jobs have in common is sent once; and in
 * the end, where the jobs are only laid out (see bulk.ts), for how many seconds, else ''.
 */
const addScript = aroundBullmq(
  addStandardJob,
  `local digest, texts, ids, seconds = ARGV[3], tonumber(ARGV[4]), {}, ARGV[#ARGV]
local opts = cmsgpack.pack(digest == '' and {} or {de = {id = digest}})
for i = 5 + texts, #ARGV - 1, 3 do
  local args = {ARGV[1], ARGV[i], ARGV[2], ARGV[i + 1]}
  if digest ~= '' then args[9] = ARGV[1] .. 'de:' .. digest end
  local data = '{"job":{"task_id":"' .. ARGV[i] .. '",' .. ARGV[4 + ARGV[i + 2]]
  ids[#ids + 1] = bullmq(KEYS, {cmsgpack.pack(args), data, opts})
  if seconds ~= '' then redis.call('EXPIRE', ARGV[1] .. ARGV[i], seconds) end
end
if seconds ~= '' and redis.call('TTL', KEYS[1]) == -1 then
  redis.call('EXPIRE', KEYS[1], seconds - ${BULK_MARGIN_SECONDS})
  redis.call('EXPIRE', KEYS[9], seconds)
end
return ids`,
)

/** The end of a job's data, after its id. */
function dataAfterId({ task_id: _, ...rest }: HitJob, digest: string): string {
  const key = digest === '' ? '' : `,"key":"${digest}"`
  return `${JSON.stringify(rest).slice(1)}${key}}`
}

/** Whether two jobs differ by nothing but their id. */
const isAlike = (one: HitJob, other: HitJob): boolean =>
  one.url === other.url &&
  one.request === other.request &&
  one.config_version === other.config_version &&
  one.enqueued_at === other.enqueued_at &&
  one.request_id === other.request_id &&
  one.traceparent === other.traceparent &&
  one.tracestate === other.tracestate

/** How many hits wait, at once, for those who look often. */
const waitingScript = new RedisScript("return redis.call('LLEN', KEYS[1]) + redis.call('LLEN', KEYS[2]) + redis.call('ZCARD', KEYS[3])")

/** Of the hits accepted within one ms, so many have a timestamp of their own, which keeps their order: it is what a double can tell apart. */
const ORDERS_PER_MS = 4096

/** The queue's side of enqueue and find: jobs by their task's id. Methods reject with what ioredis rejects with, or with {@link MaybeQueuedError}. */
export class RedisJobs {
  readonly #redis: RedisClient
  readonly #keys: HitKeys
  /** How often a connection was lost. */
  #losses = 0
  /** The ms in which the last hit was accepted, and how many were before it in that ms. */
  #last = { ms: 0, order: 0 }

  constructor(redis: RedisClient, keys: HitKeys) {
    this.#redis = redis
    this.#keys = keys
    const lost = () => {
      this.#losses += 1
    }
    redis.on('close', lost)
    // Of a Cluster: one of its nodes.
    redis.on('-node', lost)
  }

  /**
   * Adds hits, all or none, which takes the same task once; many of them in steps (see bulk.ts), few by one command.
   * @param digest of the idempotency key, where one hit is added with one
   * @returns the id of the task that has the key, of one hit; its own without a key
   * @throws MaybeQueuedError where the answer is missing
   */
  async add(jobs: readonly HitJob[], digest = ''): Promise<string> {
    if (jobs.length <= BULK_STEP) return this.#surely(() => this.#run(jobs, digest, this.#keys, ''))
    const laid = bulkKeys(this.#keys, jobs[0]?.task_id ?? '')
    for (let at = 0; at < jobs.length; at += BULK_STEP) await this.#run(jobs.slice(at, at + BULK_STEP), digest, laid, BULK_SECONDS)
    await this.#surely(() => queueBulk(this.#redis, this.#keys, laid, jobs.length))
    return jobs[0]?.task_id ?? ''
  }

  /** @throws MaybeQueuedError where the answer of a command that queues is missing */
  async #surely<T>(command: () => Promise<T>): Promise<T> {
    const losses = this.#losses
    try {
      return await command()
    } catch (error) {
      throw isAway(error) && !didNothing(error, losses === this.#losses) ? new MaybeQueuedError(error) : error
    }
  }

  /** Adds jobs to a line. @param seconds for how long, where they are only laid out */
  async #run(jobs: readonly HitJob[], digest: string, line: Pick<HitKeys, 'wait' | 'paused' | 'marker'>, seconds: number | ''): Promise<string> {
    const keys = this.#keys
    const texts: string[] = []
    const entries: string[] = []
    let before: HitJob | undefined
    for (const job of jobs) {
      if (before === undefined || !isAlike(job, before)) texts.push(dataAfterId(job, digest))
      before = job
      entries.push(job.task_id, this.#timestamp(job), String(texts.length))
    }
    const ids = await addScript.run(
      this.#redis,
      [line.wait, line.paused, keys.meta, keys.counter, keys.completed, keys.delayed, keys.active, keys.events, line.marker],
      [keys.base, JOB_NAME, digest, texts.length, ...texts, ...entries, seconds],
    )
    if (!Array.isArray(ids)) throw new Error(`Redis answered an add with ${JSON.stringify(ids)}`)
    return String(ids[0])
  }

  /** When a job was accepted, ms, with a fraction that keeps the order within the ms. */
  #timestamp({ enqueued_at }: HitJob): string {
    const order = enqueued_at === this.#last.ms ? Math.min(this.#last.order + 1, ORDERS_PER_MS - 1) : 0
    this.#last = { ms: enqueued_at, order }
    return String(enqueued_at + order / ORDERS_PER_MS)
  }

  /** The task that has this key, while it lives and for the hour after its end. */
  async holder(digest: string): Promise<string | undefined> {
    return (await this.#redis.get(`${this.#keys.deduplication}:${digest}`)) ?? undefined
  }

  /** The fields of a job, and when it ended, where it has; undefined where there is none. */
  async read(taskId: string): Promise<{ readonly fields: JobFields; readonly ended: boolean } | undefined> {
    const [finishedOn, ...fields] = await this.#redis.hmget(this.#keys.job(taskId), 'finishedOn', ...JOB_FIELDS)
    return typeof fields[0] === 'string' ? { fields, ended: typeof finishedOn === 'string' } : undefined
  }

  /** The `progress` of each of these jobs. */
  progressOf(taskIds: readonly string[]): Promise<(string | null)[]> {
    return Promise.all(taskIds.map((id) => this.#redis.hget(this.#keys.job(id), 'progress')))
  }

  /** How many wait: in line or for a time. */
  async waiting(): Promise<number> {
    return Number(await waitingScript.run(this.#redis, [this.#keys.wait, this.#keys.paused, this.#keys.delayed], []))
  }
}
