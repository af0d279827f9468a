import { Cluster } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import type { HitQueue } from '#lib/queue/port.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { TestCluster } from '../../_support/redis-cluster.ts'
import type { HitQueueHarness } from '../../conformance/harness.ts'
import { hitQueueBehaviour } from '../../conformance/hit-queue.ts'
import { hitQueueBacklog } from '../../conformance/hit-queue-backlog.ts'
import { hitQueueBulk } from '../../conformance/hit-queue-bulk.ts'
import { hitQueueCounts } from '../../conformance/hit-queue-counts.ts'
import { hitQueueDrain } from '../../conformance/hit-queue-drain.ts'
import { hitQueueHistory } from '../../conformance/hit-queue-history.ts'
import { hitQueueKeys } from '../../conformance/hit-queue-keys.ts'
import { hitQueueList } from '../../conformance/hit-queue-list.ts'
import { hitQueueOutages } from '../../conformance/hit-queue-outages.ts'
import { hitQueuePause } from '../../conformance/hit-queue-pause.ts'
import { hitQueueRetry } from '../../conformance/hit-queue-retry.ts'

let cluster: TestCluster
beforeAll(async () => {
  cluster = await TestCluster.start()
})
afterAll(() => cluster[Symbol.asyncDispose]())

const target = () => ({ url: cluster.url, host: '', port: 0, db: 0, queueDb: 0 })

async function expireLeases(): Promise<void> {
  const client = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })))
  const active = await client.lrange('{bull}:hits:active', 0, -1)
  await client.del('{bull}:hits:stalled-check', ...active.map((id) => `{bull}:hits:${id}:lock`))
  if (active.length > 0) await client.sadd('{bull}:hits:stalled', ...active)
  client.disconnect()
}

/** The same Cluster for all, emptied. */
async function makeHarness(): Promise<HitQueueHarness> {
  await cluster.flush()
  const open: HitQueue[] = []
  return {
    store: JSON.stringify({ host: '', port: 0, url: cluster.url }),
    open: async ({ logger = silentLogger, clock = systemClock, maxBacklog } = {}) => {
      const queue = await openRedisHitQueue({ redis: target(), logger, clock, ...(maxBacklog === undefined ? {} : { maxBacklog }) })
      open.push(queue)
      return queue
    },
    expireLeases,
    faults: [
      {
        name: 'the node of the queue killed',
        outcome: 'unknown',
        strike: () => cluster.queueNode.kill(),
        repair: () => cluster.queueNode.start(),
      },
    ],
    async [Symbol.asyncDispose]() {
      for (const queue of open) await queue[Symbol.asyncDispose]()
    },
  }
}

describe('HitQueue, Redis Cluster', () => {
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
  hitQueueOutages(makeHarness, ['the node of the queue killed'])
})

test('health warns of each node that keeps nothing or evicts, and says how the least careful one writes', async () => {
  await cluster.flush()
  await using queue = await openRedisHitQueue({ redis: target(), logger: silentLogger, clock: systemClock })
  const [careful, loose, evicting] = cluster.nodes
  expect(await queue.health()).toMatchObject({ ok: true, warnings: [], appendfsync: 'everysec' })
  await careful?.config('appendfsync', 'always')
  await loose?.config('appendonly', 'no')
  await evicting?.config('maxmemory-policy', 'allkeys-lru')
  const { warnings, appendfsync } = await queue.health()
  expect(warnings.toSorted()).toEqual(
    [
      `Redis at ${loose?.host}:${loose?.port} keeps nothing on disk (neither AOF nor RDB): its restart loses every queued hit. Set appendonly yes`,
      `Redis at ${evicting?.host}:${evicting?.port} may evict queued hits: its maxmemory-policy is allkeys-lru. Set it to noeviction`,
    ].toSorted(),
  )
  expect(appendfsync).toBe('everysec')
})
