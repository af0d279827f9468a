import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import type { AttemptOutcome, HitJob, HitQueue } from '#lib/queue/port.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { TestRedis } from '../../_support/redis.ts'
import { expireLeases } from '../../conformance/expire-leases.ts'
import { completed, failed, finalOf, idsOf, newJob, TestChild, tried, until } from '../../conformance/harness.ts'

const openOn = ({ host, port }: TestRedis): Promise<HitQueue> =>
  openRedisHitQueue({ redis: { host, port, db: 0, queueDb: 1 }, logger: silentLogger, clock: systemClock })

/** A queue on which these hits have failed. */
async function withFailed(redis: TestRedis, count: number): Promise<{ readonly jobs: readonly HitJob[] }> {
  await using queue = await openOn(redis)
  const jobs = Array.from({ length: count }, () => newJob())
  await queue.enqueueMany(jobs)
  queue.start(async (_job, { attempt }) => ({ ...failed, tried: tried(attempt) }), { concurrency: 5 })
  for (const { task_id } of jobs) await finalOf(queue, task_id)
  await until('all are listed', async () => (await queue.counts()).failed === count)
  return { jobs }
}

test('queued again, its old result lies there and is neither found nor waited for; the new one takes its place', async () => {
  await using redis = await TestRedis.start()
  const { jobs } = await withFailed(redis, 1)
  const [job = newJob()] = jobs
  await using queue = await openOn(redis)
  await using other = await openOn(redis)
  await using store = { client: new Redis({ port: redis.port }), [Symbol.asyncDispose]: async () => void store.client.disconnect() }
  const stored = async () => JSON.parse((await store.client.get(`worker:hit:result:${job.task_id}`)) ?? 'null')
  const old = await queue.find(job.task_id)
  expect(old).toMatchObject({ status: 'failed', attempts: 1, history: [{ attempt: 1 }] })
  expect(await queue.retry(job.task_id)).toBe('retried')
  // Those who read it themselves see the old one until there is another.
  expect(await stored()).toEqual(old)
  for (const one of [queue, other]) expect(await one.find(job.task_id)).toMatchObject({ status: 'queued', attempts: 0, history: [{ attempt: 1 }] })
  const [here, elsewhere] = [queue.waitForEnd(job.task_id, AbortSignal.timeout(15_000)), other.waitForEnd(job.task_id, AbortSignal.timeout(15_000))]
  const seen: unknown[] = []
  const gate = Promise.withResolvers<AttemptOutcome>()
  queue.start(
    async (given, context) => {
      seen.push(given, { attempt: context.attempt, again: context.again })
      return gate.promise
    },
    { concurrency: 1 },
  )
  await until('it runs', () => seen.length === 2)
  expect(seen).toEqual([job, { attempt: 1, again: true }])
  expect(await queue.find(job.task_id)).toMatchObject({ status: 'pending' })
  expect(await stored()).toEqual(old)
  const end = { ...completed, tried: tried(1) }
  gate.resolve(end)
  const ends = await Promise.all([here, elsewhere])
  for (const end of ends) expect(end).toMatchObject({ status: 'completed', attempts: 1, history: [{ attempt: 1 }, { attempt: 1 }] })
  expect(await stored()).toEqual(ends[0])
  expect(await store.client.ttl(`worker:hit:result:${job.task_id}`)).toBeGreaterThan(3590)
})

test('kill -9 of the worker that runs it again: it comes back, with what it had behind it', { timeout: 30_000 }, async () => {
  await using redis = await TestRedis.start()
  const { jobs } = await withFailed(redis, 1)
  const [job = newJob()] = jobs
  await using queue = await openOn(redis)
  expect(await queue.retry(job.task_id)).toBe('retried')
  {
    await using child = new TestChild(JSON.stringify({ host: redis.host, port: redis.port }), 'hang')
    await until('it runs', () => child.lines.length === 1)
    expect(child.lines).toEqual([`${job.task_id} 1`])
  }
  expect(await queue.find(job.task_id)).toMatchObject({ status: 'pending', attempts: 0 })
  await expireLeases(redis.port)
  queue.start(async (_job, { attempt }) => ({ ...completed, tried: tried(attempt) }), { concurrency: 1 })
  expect(await finalOf(queue, job.task_id)).toMatchObject({ status: 'completed', attempts: 1, history: [{ attempt: 1 }, { attempt: 1 }] })
})

test('a hit that took its worker down for the last time may try again as often', async () => {
  await using redis = await TestRedis.start()
  await using queue = await openOn(redis)
  const client = new Redis({ port: redis.port, db: 1 })
  const job = newJob()
  await queue.enqueue(job)
  await client.hset(`bull:hits:${job.task_id}`, 'stc', 6)
  client.disconnect()
  queue.start(async () => completed, { concurrency: 1 })
  expect(await finalOf(queue, job.task_id)).toMatchObject({ status: 'failed', error_class: 'internal', attempts: 0 })
  expect(await queue.retry(job.task_id)).toBe('retried')
  expect(await finalOf(queue, job.task_id)).toMatchObject({ status: 'completed', attempts: 1 })
})

test.each([0, 4, 10])(
  'kill -9 of Redis %i ms after hits begin to be queued again: each is there once, with its old result or in line',
  { timeout: 30_000 },
  async (after) => {
    await using redis = await TestRedis.start(['--appendfsync', 'always'])
    const { jobs } = await withFailed(redis, 150)
    await using queue = await openOn(redis)
    // One by one, so that the kill comes in the midst of them.
    const answers = Promise.allSettled(jobs.map(({ task_id }) => queue.retry(task_id)))
    await systemClock.sleep(after)
    await redis.kill()
    const said = (await answers).filter((answer) => answer.status === 'fulfilled' && answer.value === 'retried').length
    await redis.start()
    await until('it is back', async () => (await queue.health()).ok)
    const { queued, failed: left } = await queue.counts()
    expect(queued + left).toBe(jobs.length)
    expect(queued).toBeGreaterThanOrEqual(said)
    const [inLine, ended] = [new Set(await idsOf(queue, 'queued')), new Set(await idsOf(queue, 'failed'))]
    for (const { task_id } of jobs) {
      expect(inLine.has(task_id)).toBe(!ended.has(task_id))
      expect(await queue.find(task_id)).toMatchObject({ status: inLine.has(task_id) ? 'queued' : 'failed', history: [{ attempt: 1 }] })
    }
    const ran: string[] = []
    queue.start(
      async ({ task_id }) => {
        ran.push(task_id)
        return completed
      },
      { concurrency: 10 },
    )
    await until('those in line have ended', async () => (await queue.counts()).completed === queued)
    expect(ran.toSorted()).toEqual([...inLine].toSorted())
  },
)
