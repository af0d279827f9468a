// Our queue at its port, without HTTP before it: either engine.
import { randomUUID } from 'node:crypto'
import { silentLogger } from '#lib/observe/logger.ts'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import type { HitJob, HitQueue } from '#lib/queue/port.ts'
import { openSqliteHitQueue } from '#lib/queue/sqlite/open.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { answerCalls, on } from '../support/answer.ts'
import { closedLoop } from '../support/closed-loop.ts'
import { hitUrl } from '../support/payloads.ts'
import { addJobs, fillQueue, openQueue } from '../support/protocol.ts'

/** Hits that are queued in one go. */
const BATCH = 1000

/** Above what any scenario queues. */
const MAX_BACKLOG = 10_000_000

let queue: HitQueue | undefined
const newJob = (url: string): HitJob => ({ task_id: randomUUID(), url, config_version: 7, enqueued_at: Date.now() })
const common = { maxBacklog: MAX_BACKLOG, logger: silentLogger, clock: systemClock }

answerCalls(
  on(openQueue, async (options) => {
    queue =
      options.engine === 'redis'
        ? await openRedisHitQueue({ ...common, redis: { host: '127.0.0.1', port: options.port, db: 0, queueDb: 1 } })
        : openSqliteHitQueue({ ...common, path: options.path })
    return {}
  }),
  on(fillQueue, async ({ jobs, url }) => {
    if (!queue) throw new Error('the queue is not open')
    const start = performance.now()
    for (let queued = 0; queued < jobs; queued += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, jobs - queued) }, () => newJob(url))
      await queue.enqueueMany(batch)
    }
    return { count: jobs, seconds: (performance.now() - start) / 1000 }
  }),
  on(addJobs, async ({ jobs, concurrency }) => {
    if (!queue) throw new Error('the queue is not open')
    const { enqueue } = { enqueue: queue.enqueue.bind(queue) }
    const rate = await closedLoop(jobs, concurrency, () => enqueue(newJob(hitUrl)))
    const { counts } = await queue.health()
    return { ...rate, queued: counts?.queued ?? 0 }
  }),
)
