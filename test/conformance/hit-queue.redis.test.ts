import { describe } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import type { HitQueue } from '#lib/queue/port.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { TestRedis } from '../_support/redis.ts'
import { expireLeases } from './expire-leases.ts'
import type { HitQueueHarness } from './harness.ts'
import { hitQueueBehaviour } from './hit-queue.ts'
import { hitQueueBacklog } from './hit-queue-backlog.ts'
import { hitQueueBulk } from './hit-queue-bulk.ts'
import { hitQueueCounts } from './hit-queue-counts.ts'
import { hitQueueCrashes } from './hit-queue-crashes.ts'
import { hitQueueDrain } from './hit-queue-drain.ts'
import { hitQueueHistory } from './hit-queue-history.ts'
import { hitQueueKeys } from './hit-queue-keys.ts'
import { hitQueueList } from './hit-queue-list.ts'
import { hitQueueMixed } from './hit-queue-mixed.ts'
import { hitQueueOutages } from './hit-queue-outages.ts'
import { hitQueuePause } from './hit-queue-pause.ts'
import { hitQueueRetry } from './hit-queue-retry.ts'

async function makeHarness(): Promise<HitQueueHarness> {
  const redis = await TestRedis.start()
  const { host, port } = redis
  const open: HitQueue[] = []
  return {
    store: JSON.stringify({ host, port }),
    open: async ({ logger = silentLogger, clock = systemClock, maxBacklog } = {}) => {
      const queue = await openRedisHitQueue({ redis: { host, port, db: 0, queueDb: 1 }, logger, clock, ...(maxBacklog === undefined ? {} : { maxBacklog }) })
      open.push(queue)
      return queue
    },
    expireLeases: () => expireLeases(port),
    faults: [
      { name: 'Redis killed', outcome: 'refused', strike: () => redis.kill(), repair: () => redis.start() },
      { name: 'Redis hanging', outcome: 'unknown', strike: () => redis.hang(), repair: () => redis.wake() },
    ],
    async [Symbol.asyncDispose]() {
      for (const queue of open) await queue[Symbol.asyncDispose]()
      await redis[Symbol.asyncDispose]()
    },
  }
}

describe('HitQueue, Redis', () => {
  hitQueueBehaviour(makeHarness)
  hitQueueKeys(makeHarness)
  hitQueueDrain(makeHarness)
  hitQueueHistory(makeHarness)
  hitQueueList(makeHarness)
  hitQueueRetry(makeHarness)
  hitQueuePause(makeHarness, { shared: true })
  hitQueueBulk(makeHarness)
  hitQueueBacklog(makeHarness)
  hitQueueCounts(makeHarness)
  hitQueueMixed(makeHarness, { runs: 3 })
  hitQueueCrashes(makeHarness)
  hitQueueOutages(makeHarness, ['Redis killed', 'Redis hanging'])
})
