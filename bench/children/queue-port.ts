// Our queue at its port, without HTTP before it: either engine.
import { randomUUID } from 'node:crypto'
import { silentLogger } from '#lib/observe/logger.ts'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import type { HitQueue } from '#lib/queue/port.ts'
import { openSqliteHitQueue } from '#lib/queue/sqlite/open.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { answerCalls, on } from '../support/answer.ts'
import { closedLoop } from '../support/closed-loop.ts'
import { hitUrl } from '../support/payloads.ts'
import { addJobs, openQueue } from '../support/protocol.ts'

let queue: HitQueue | undefined
const common = { logger: silentLogger, clock: systemClock }

answerCalls(
  on(openQueue, async (options) => {
    queue =
      options.engine === 'redis'
        ? await openRedisHitQueue({ ...common, redis: { host: '127.0.0.1', port: options.port, db: 0, queueDb: 1 } })
        : openSqliteHitQueue({ ...common, path: options.path })
    return {}
  }),
  on(addJobs, async ({ jobs, concurrency }) => {
    if (!queue) throw new Error('the queue is not open')
    const { enqueue } = { enqueue: queue.enqueue.bind(queue) }
    const rate = await closedLoop(jobs, concurrency, () => enqueue({ task_id: randomUUID(), url: hitUrl, config_version: 7, enqueued_at: Date.now() }))
    const { counts } = await queue.health()
    return { ...rate, queued: counts?.queued ?? 0 }
  }),
)
