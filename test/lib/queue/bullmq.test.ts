import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { RedisJobs } from '#lib/queue/bullmq/jobs.ts'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import { RedisResults } from '#lib/queue/bullmq/results.ts'
import { type HitQueue, QueueUnavailableError, RESULT_TTL_SECONDS } from '#lib/queue/port.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { TestRedis } from '../../_support/redis.ts'
import { expireLeases } from '../../conformance/expire-leases.ts'
import { completeAll, completed, newJob, TestChild, until } from '../../conformance/harness.ts'

const openOn = ({ host, port }: TestRedis): Promise<HitQueue> =>
  openRedisHitQueue({ redis: { host, port, db: 0, queueDb: 1 }, logger: silentLogger, clock: systemClock })

/** A client of the test's own; quits at the end. */
async function client(redis: TestRedis, db: number) {
  const connection = new Redis({ port: redis.port, db, maxRetriesPerRequest: null })
  return { redis: connection, [Symbol.asyncDispose]: async () => void (await connection.quit()) }
}

test('the result lies where the Go system has it, for an hour; nothing else stays', async () => {
  await using redis = await TestRedis.start()
  await using queue = await openOn(redis)
  await using results = await client(redis, 0)
  await using jobs = await client(redis, 1)
  const job = newJob()
  await queue.enqueue(job, { idempotencyKey: 'k' })
  expect(await jobs.redis.hget(`bull:hits:${job.task_id}`, 'name')).toBe('worker:hit:execute')
  queue.start(async () => completed, { concurrency: 1 })
  const result = await queue.waitForEnd(job.task_id, AbortSignal.timeout(5000))
  const key = `worker:hit:result:${job.task_id}`
  expect(JSON.parse((await results.redis.get(key)) ?? '')).toEqual(result)
  const keys = (await results.redis.keys('*')).filter((name) => name !== 'worker:hit:probe')
  expect(keys).toHaveLength(2)
  for (const name of keys) expect(await results.redis.ttl(name)).toSatisfy((ttl: number) => ttl > RESULT_TTL_SECONDS - 5 && ttl <= RESULT_TTL_SECONDS)
  await until('the job is gone', async () => (await jobs.redis.keys(`*${job.task_id}*`)).length === 0)
  // Once both have expired, so has the task.
  await results.redis.del(...keys)
  expect(await queue.find(job.task_id)).toBeUndefined()
  expect((await queue.enqueue(newJob(), { idempotencyKey: 'k' })).duplicate).toBe(false)
})

test('two workers share the work, and none runs a hit twice; each sees the ends of the other', async () => {
  await using redis = await TestRedis.start()
  await using first = await openOn(redis)
  await using second = await openOn(redis)
  const ran = new Map<string, string[]>()
  const process =
    (worker: string) =>
    async ({ task_id }: { task_id: string }) => {
      ran.set(task_id, [...(ran.get(task_id) ?? []), worker])
      await new Promise((resolve) => setTimeout(resolve, 2))
      return completed
    }
  const jobs = Array.from({ length: 200 }, () => newJob())
  await Promise.all(jobs.map((job) => first.enqueue(job)))
  first.start(process('first'), { concurrency: 3 })
  second.start(process('second'), { concurrency: 3 })
  for (const queue of [first, second]) {
    const ends = await Promise.all(jobs.map(({ task_id }) => queue.waitForEnd(task_id, AbortSignal.timeout(15_000))))
    expect(ends.every((end) => end?.status === 'completed')).toBe(true)
  }
  expect([...ran.values()].every((workers) => workers.length === 1)).toBe(true)
  expect(new Set([...ran.values()].flat())).toEqual(new Set(['first', 'second']))
})

test('the end of a hit that another process runs is seen within 250 ms', async () => {
  await using redis = await TestRedis.start()
  await using queue = await openOn(redis)
  await using results = await client(redis, 0)
  await using _child = new TestChild(JSON.stringify({ host: redis.host, port: redis.port }), 'work')
  for (let time = 0; time < 5; time += 1) {
    const job = newJob()
    await queue.enqueue(job)
    const end = queue.waitForEnd(job.task_id, AbortSignal.timeout(15_000))
    const stored = until('the result is stored', () => results.redis.exists(`worker:hit:result:${job.task_id}`).then((n) => n === 1)).then(() =>
      performance.now(),
    )
    const [ended, at] = [await end.then((result) => ({ result, at: performance.now() })), await stored]
    expect(ended.result).toMatchObject({ status: 'completed' })
    expect(ended.at - at).toBeLessThan(350)
  }
})

test('a worker that died after it stored the result: the hit ends, and is not run again', async () => {
  await using redis = await TestRedis.start()
  await using queue = await openOn(redis)
  await using results = await client(redis, 0)
  await using jobs = await client(redis, 1)
  const job = newJob()
  await queue.enqueue(job)
  {
    await using child = new TestChild(JSON.stringify({ host: redis.host, port: redis.port }), 'hang')
    await until('it runs', () => child.lines.length === 1)
  }
  await results.redis.set(`worker:hit:result:${job.task_id}`, JSON.stringify({ task_id: job.task_id, status: 'completed', body: 'the first' }), 'EX', 3600)
  await expireLeases(redis.port)
  const ran = completeAll(queue, 1)
  await until('the job is gone', async () => (await jobs.redis.exists(`bull:hits:${job.task_id}`)) === 0)
  expect(ran).toEqual([])
  expect(await queue.find(job.task_id)).toMatchObject({ body: 'the first' })
})

test('a task that ends while its key is asked for a second time keeps the key', async () => {
  await using redis = await TestRedis.start()
  await using results = await client(redis, 0)
  await using jobs = await client(redis, 1)
  const [first, second] = [newJob(), newJob()]
  const ended = new RedisResults(results.redis)
  /** Ends the first task right after it was not found among the ended ones. */
  class Late extends RedisResults {
    #asked = 0
    override async endedHolder(key: string): Promise<string | undefined> {
      const found = await super.endedHolder(key)
      this.#asked += 1
      if (this.#asked === 1) await ended.store({ task_id: first.task_id, status: 'completed' }, key)
      return found
    }
  }
  const late = new RedisJobs(jobs.redis, new Late(results.redis))
  expect(await late.addOnce(second, 'k')).toBe(first.task_id)
  expect(await late.find(second.task_id)).toBeUndefined()
  expect(await late.counts()).toMatchObject({ queued: 0 })
})

test('a job that cannot be read ends failed, class internal', async () => {
  await using redis = await TestRedis.start()
  await using queue = await openOn(redis)
  await using jobs = await client(redis, 1)
  const job = newJob()
  await queue.enqueue(job)
  await jobs.redis.hset(`bull:hits:${job.task_id}`, 'data', '{"job":{"of":"another version"}}')
  queue.start(async () => completed, { concurrency: 1 })
  expect(await queue.waitForEnd(job.task_id, AbortSignal.timeout(5000))).toMatchObject({ task_id: job.task_id, status: 'failed', error_class: 'internal' })
})

test('without Redis it opens, refuses, drains and closes within a second each; and works once Redis is there', { timeout: 30_000 }, async () => {
  await using redis = await TestRedis.prepare()
  const timed = async <T>(work: PromiseLike<T>): Promise<T> => {
    const start = performance.now()
    try {
      return await work
    } finally {
      expect(performance.now() - start).toBeLessThan(1500)
    }
  }
  {
    const never = await timed(openOn(redis))
    never.start(async () => completed, { concurrency: 1 })
    await timed(expect(never.enqueue(newJob())).rejects.toThrow(QueueUnavailableError))
    await timed(expect(never.enqueue(newJob(), { idempotencyKey: 'k' })).rejects.toThrow(QueueUnavailableError))
    await timed(expect(never.find(newJob().task_id)).rejects.toThrow(QueueUnavailableError))
    await timed(expect(never.waitForEnd(newJob().task_id, new AbortController().signal)).rejects.toThrow(QueueUnavailableError))
    expect(await timed(never.health())).toMatchObject({ engine: 'redis', ok: false, warnings: [expect.stringContaining('cannot be used')] })
    await timed(never.drain(AbortSignal.abort()))
    await timed(never[Symbol.asyncDispose]())
  }
  await using queue = await openOn(redis)
  queue.start(async () => completed, { concurrency: 1 })
  await expect(queue.enqueue(newJob())).rejects.toThrow(QueueUnavailableError)
  await redis.start()
  const job = newJob()
  await until('a hit is taken', () =>
    queue.enqueue(job).then(
      () => true,
      () => false,
    ),
  )
  expect(await queue.waitForEnd(job.task_id, AbortSignal.timeout(10_000))).toMatchObject({ status: 'completed' })
})

test('health warns of a Redis that keeps nothing or evicts, and passes over one that does not let itself be asked', async () => {
  await using loose = await TestRedis.start(['--appendonly', 'no', '--maxmemory-policy', 'allkeys-lru'])
  await using queue = await openOn(loose)
  expect(await queue.health()).toMatchObject({ ok: true, warnings: [expect.stringContaining('keeps nothing on disk'), expect.stringContaining('allkeys-lru')] })
  await using strict = await TestRedis.start(['--rename-command', 'CONFIG', ''])
  await using other = await openOn(strict)
  expect(await other.health()).toMatchObject({ ok: true, warnings: [] })
})

test('a full Redis refuses hits', async () => {
  await using redis = await TestRedis.start(['--maxmemory', '1'])
  await using queue = await openOn(redis)
  await expect(queue.enqueue(newJob())).rejects.toMatchObject({ name: 'QueueUnavailableError', outcome: 'refused', message: expect.stringContaining('OOM') })
  expect(await queue.health()).toMatchObject({ ok: false })
})
