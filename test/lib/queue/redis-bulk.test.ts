import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { TestRedis } from '#test/_support/redis.ts'
import { completed, idsOf, newJob, until } from '#test/conformance/harness.ts'

const opened = (redis: TestRedis) =>
  openRedisHitQueue({ redis: { host: redis.host, port: redis.port, db: 0, queueDb: 1 }, logger: silentLogger, clock: systemClock })
const manyJobs = (count: number) => Array.from({ length: count }, (_, n) => newJob({ config_version: n }))

test('a bulk of several steps keeps its order, waits while the queue is paused, and leaves nothing that expires', { timeout: 60_000 }, async () => {
  await using server = await TestRedis.start()
  await using queue = await opened(server)
  const jobs = manyJobs(1203)
  const ids = jobs.map(({ task_id }) => task_id)
  await queue.pause()
  await queue.enqueueMany(jobs)
  const started: string[] = []
  queue.start(
    async ({ task_id }) => {
      started.push(task_id)
      return completed
    },
    { concurrency: 1 },
  )
  expect(await idsOf(queue, 'queued')).toEqual(ids)
  const redis = new Redis({ host: server.host, port: server.port, db: 1 })
  try {
    for (const id of [ids[0], ids[600], ids[1202]]) expect(await redis.ttl(`bull:hits:${id}`)).toBe(-1)
    expect(await redis.keys('bull:hits:bulk:*')).toEqual([])
  } finally {
    redis.disconnect()
  }
  expect(started).toEqual([])
  await queue.resume()
  await until('all have ended', async () => (await queue.counts()).completed === jobs.length)
  expect(started).toEqual(ids)
})

test('a bulk that is not laid out whole queues nothing, and what was laid out goes by itself', { timeout: 60_000 }, async () => {
  await using server = await TestRedis.start()
  await using queue = await opened(server)
  const redis = new Redis({ host: server.host, port: server.port, db: 1 })
  try {
    const jobs = manyJobs(10_000)
    const taking = queue.enqueueMany(jobs).catch((error: unknown) => error)
    const laid = await until('it is being laid out', async () => (await redis.keys('bull:hits:bulk:*')).find((key) => !key.endsWith('marker')))
    expect(await redis.ttl(laid)).toBeGreaterThan(0)
    await redis.del(laid)
    expect(await taking).toMatchObject({ name: 'QueueUnavailableError', outcome: 'refused' })
    expect(await queue.counts()).toMatchObject({ queued: 0, active: 0, delayed: 0 })
    const hashes = await redis.keys('bull:hits:*-*-*-*-*')
    expect(hashes.length).toBeGreaterThan(0)
    for (const key of hashes.filter((_, index) => index % 500 === 0)) expect(await redis.ttl(key)).toBeGreaterThan(0)
    // And the room that it asked for is free again.
    await queue.enqueueMany(jobs.slice(0, 10).map(() => newJob()))
    expect(await queue.counts()).toMatchObject({ queued: 10 })
  } finally {
    redis.disconnect()
  }
})
