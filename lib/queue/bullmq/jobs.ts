import { type JobsOptions, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { z } from 'zod'
import type { HitResult } from '../../contract/hit.ts'
import { readJob, unfinishedResult } from '../final-result.ts'
import type { HitJob, HitOutcomeResult } from '../port.ts'
import { HitJobSchema } from '../stored-job.ts'
import { didNothing, isAway, MaybeQueuedError } from './away.ts'
import type { RedisResults } from './results.ts'

/** BullMQ's queue; its keys begin `bull:hits:`. */
export const QUEUE_NAME = 'hits'

/** The name of every job. */
export const JOB_NAME = 'worker:hit:execute'

/** Events that BullMQ keeps in its stream; nobody here reads them. */
const EVENTS_KEPT = 1000

/** What a BullMQ job holds. */
export const JobDataSchema = z.object({ job: HitJobSchema, key: z.string().optional() })
export type JobData = z.infer<typeof JobDataSchema>

/** Reads what a job holds; `unreadable` is how it ends where it cannot be read. */
export function readJobData(taskId: string, data: unknown): { readonly job: HitJob; readonly key?: string; readonly unreadable?: HitOutcomeResult } {
  const parsed = JobDataSchema.safeParse(data)
  return parsed.success
    ? parsed.data
    : readJob(taskId, () => {
        throw parsed.error
      })
}

/** The queue's side of enqueue and find: jobs by their task's id. Methods reject with what ioredis and BullMQ reject with, or with {@link MaybeQueuedError}. */
export class RedisJobs {
  readonly queue: Queue<JobData, void>
  readonly #redis: Redis
  readonly #results: RedisResults
  /** How often the connection was lost. */
  #losses = 0

  constructor(redis: Redis, results: RedisResults) {
    this.#redis = redis
    this.#results = results
    redis.on('close', () => {
      this.#losses += 1
    })
    this.queue = new Queue(QUEUE_NAME, {
      connection: redis,
      // Without both a queue that is made while Redis is away would wait for it, or stay broken for good.
      skipWaitingForReady: true,
      skipVersionCheck: true,
      // BullMQ writes this note once, when it is made; where Redis is away then it would be missing for good.
      skipMetasUpdate: true,
      streams: { events: { maxLen: EVENTS_KEPT } },
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
    })
  }

  /**
   * Adds a hit: one command, which BullMQ's script makes atomic, and which takes the same task once.
   * @throws MaybeQueuedError where its answer is missing
   */
  async add(job: HitJob): Promise<void> {
    await this.#send({ job }, {})
  }

  /**
   * Adds a hit unless its key was seen. While the first task lives, BullMQ's script holds the key: taken in the
   * same step that adds the job, so no crash can leave one without the other. From its end on the key lies
   * beside the result for an hour, written before the job goes. A task that ends between the look at the ended
   * ones and the add is met by the second look: what was added then is taken out again, and a worker that is
   * quicker leaves it alone (see `HitWorker`).
   * @returns the id of the task that has the key
   * @throws MaybeQueuedError where the answer to the add is missing, or the look after it failed
   */
  async addOnce(job: HitJob, key: string): Promise<string> {
    const ended = await this.#results.endedHolder(key)
    if (ended !== undefined) return ended
    const id = await this.#send({ job, key }, { deduplication: { id: key } })
    if (id !== undefined && id !== job.task_id) return id
    try {
      const endedMeanwhile = await this.#results.endedHolder(key)
      if (endedMeanwhile === undefined || endedMeanwhile === job.task_id) return job.task_id
      await this.queue.remove(job.task_id)
      return endedMeanwhile
    } catch (error) {
      // Whatever it says, and even if it refused: what was added lies there.
      throw isAway(error) ? new MaybeQueuedError(error) : error
    }
  }

  /** @returns the id of the task that BullMQ's script answers with */
  async #send(data: JobData, options: JobsOptions): Promise<string | undefined> {
    const losses = this.#losses
    try {
      const { id } = await this.queue.add(JOB_NAME, data, { ...options, jobId: data.job.task_id })
      return id
    } catch (error) {
      throw isAway(error) && !didNothing(error, losses === this.#losses) ? new MaybeQueuedError(error) : error
    }
  }

  /** What is known of a job that is in the queue. */
  async find(taskId: string): Promise<HitResult | undefined> {
    // `ats` counts starts, `atm` the attempts that were charged: BullMQ's names in the job's hash.
    const [data, starts, attempts] = await this.#redis.hmget(this.queue.toKey(taskId), 'data', 'ats', 'atm')
    if (typeof data !== 'string') return undefined
    const { job } = readJobData(taskId, JSON.parse(data))
    return unfinishedResult(job, Number(starts ?? 0) > 0, Number(attempts ?? 0))
  }

  async counts(): Promise<{ queued: number; active: number; delayed: number }> {
    const { waiting = 0, active = 0, delayed = 0 } = await this.queue.getJobCounts('waiting', 'active', 'delayed')
    return { queued: waiting, active, delayed }
  }
}
