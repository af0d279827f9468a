import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import { type AttemptOutcome, type HitQueue, QueueUnavailableError, RESULT_TTL_SECONDS } from '#lib/queue/port.ts'
import { digestKey } from '#lib/queue/stored-job.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { TestRedis } from '../../_support/redis.ts'
import { expireLeases } from '../../conformance/expire-leases.ts'
import { completeAll, completed, failed, newJob, retryIn, TestChild, tried, until } from '../../conformance/harness.ts'

const openOn = ({ host, port }: TestRedis): Promise<HitQueue> =>
  openRedisHitQueue({ redis: { host, port, db: 0, queueDb: 1 }, logger: silentLogger, clock: systemClock })

/** A client of the test's own; quits at the end. */
async function client(redis: TestRedis, db: number) {
  const connection = new Redis({ port: redis.port, db, maxRetriesPerRequest: null })
  return { redis: connection, [Symbol.asyncDispose]: async () => void (await connection.quit()) }
}

/** All keys of a database but those of the probe and of BullMQ itself, each with the seconds that it has to live; -1 for ever. */
async function lifetimes(redis: Redis): Promise<Map<string, number>> {
  const own = /^(worker:hit:probe|bull:hits:(meta|id|marker|stalled-check))$/
  const names = (await redis.keys('*')).filter((name) => !own.test(name))
  return new Map(await Promise.all(names.map(async (name) => [name, await redis.ttl(name)] as const)))
}

test('the result lies where the Go system has it, for an hour, and beside it the ended job and its key; nothing stays longer', async () => {
  await using redis = await TestRedis.start()
  await using queue = await openOn(redis)
  await using results = await client(redis, 0)
  await using jobs = await client(redis, 1)
  const job = newJob()
  await queue.enqueue(job, { idempotencyKey: 'k' })
  expect(await jobs.redis.hget(`bull:hits:${job.task_id}`, 'name')).toBe('worker:hit:execute')
  queue.start(async (_job, { attempt }) => (attempt === 1 ? retryIn(1) : completed), { concurrency: 1 })
  const result = await queue.waitForEnd(job.task_id, AbortSignal.timeout(5000))
  const key = `worker:hit:result:${job.task_id}`
  expect(JSON.parse((await results.redis.get(key)) ?? '')).toEqual(result)
  expect([...(await lifetimes(results.redis)).keys()]).toEqual([key])
  expect([...(await lifetimes(jobs.redis)).keys()].toSorted()).toEqual(
    [`bull:hits:${job.task_id}`, 'bull:hits:completed', `bull:hits:de:${digestKey('k')}`].toSorted(),
  )
  for (const { redis: store } of [results, jobs]) {
    const kept = await lifetimes(store)
    for (const seconds of kept.values()) expect(seconds).toSatisfy((ttl: number) => ttl > RESULT_TTL_SECONDS - 10 && ttl <= RESULT_TTL_SECONDS)
    // What expires an hour from now.
    await store.del(...kept.keys())
  }
  expect(await queue.find(job.task_id)).toBeUndefined()
  expect(await queue.retry(job.task_id)).toBe('unknown')
  expect(await queue.counts()).toMatchObject({ queued: 0, active: 0, delayed: 0, completed: 0, failed: 0 })
  expect((await queue.enqueue(newJob(), { idempotencyKey: 'k' })).duplicate).toBe(false)
})

test('what ended longer than an hour ago is listed and counted no more, and leaves the lists', async () => {
  await using redis = await TestRedis.start()
  await using queue = await openOn(redis)
  await using jobs = await client(redis, 1)
  const [old, next] = [newJob(), newJob()]
  queue.start(async () => failed, { concurrency: 1 })
  await queue.enqueue(old)
  await queue.waitForEnd(old.task_id, AbortSignal.timeout(5000))
  expect((await queue.list({ state: 'failed', limit: 5 })).hits).toHaveLength(1)
  await jobs.redis.zadd('bull:hits:failed', String(Date.now() - RESULT_TTL_SECONDS * 1000 - 1000), old.task_id)
  expect((await queue.list({ state: 'failed', limit: 5 })).hits).toEqual([])
  expect(await queue.counts()).toMatchObject({ failed: 0 })
  expect(await queue.retryFailed(5)).toEqual({ retried: 0, remaining: false })
  await queue.enqueue(next)
  await queue.waitForEnd(next.task_id, AbortSignal.timeout(5000))
  expect(await jobs.redis.zrange('bull:hits:failed', '0', '-1')).toEqual([next.task_id])
})

test('a list leaves out bodies, whatever is in them and beside them, and the whole result is there', { timeout: 30_000 }, async () => {
  await using redis = await TestRedis.start()
  await using queue = await openOn(redis)
  await using results = await client(redis, 0)
  const tricky = 'a ,"body":"x" and "finished_at":"never" \\'
  const answer = { status: 'completed', status_code: 200, truncated: false } as const
  const ends = new Map<string, AttemptOutcome>()
  for (const body of ['', 'ü', tricky.repeat(20), 'x'.repeat(9000), tricky.repeat(8000), 'ü"\\'.repeat(50_000)])
    ends.set(newJob().task_id, { kind: 'final', result: { ...answer, body, size_bytes: body.length }, tried: tried(1, { error: tricky }) })
  const long: AttemptOutcome = { kind: 'final', result: { ...answer, error: tricky.repeat(500), body: tricky.repeat(500) } }
  ends.set(newJob().task_id, long)
  queue.start(async ({ task_id }) => ends.get(task_id) ?? completed, { concurrency: 1 })
  await queue.enqueueMany([...ends.keys()].map((task_id) => newJob({ task_id })))
  await until('all have ended', async () => (await queue.counts()).completed === ends.size)
  const { hits } = await queue.list({ state: 'completed', limit: 100 })
  expect(hits).toHaveLength(ends.size)
  for (const { job, result } of hits) {
    const { body, ...rest } = (await queue.find(job.task_id)) ?? {}
    const end = ends.get(job.task_id)
    expect(body).toBe(end?.kind === 'final' ? end.result.body : undefined)
    expect(result).toEqual(rest)
    expect(JSON.parse((await results.redis.get(`worker:hit:result:${job.task_id}`)) ?? '')).toEqual({ ...rest, body })
  }
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

test('a result that another worker stored: the hit ends as that says, and is not run again', async () => {
  await using redis = await TestRedis.start()
  await using queue = await openOn(redis)
  await using results = await client(redis, 0)
  const job = newJob()
  await queue.enqueue(job)
  {
    await using child = new TestChild(JSON.stringify({ host: redis.host, port: redis.port }), 'hang')
    await until('it runs', () => child.lines.length === 1)
  }
  const stored = { task_id: job.task_id, status: 'failed', error: 'the first', finished_at: new Date().toISOString() }
  await results.redis.set(`worker:hit:result:${job.task_id}`, JSON.stringify(stored), 'EX', 3600)
  expect(await queue.find(job.task_id)).toEqual(stored)
  await expireLeases(redis.port)
  const ran = completeAll(queue, 1)
  await until('it has ended', async () => (await queue.counts()).failed === 1)
  expect(ran).toEqual([])
  expect(await queue.find(job.task_id)).toEqual(stored)
  expect((await queue.list({ state: 'failed', limit: 5 })).hits).toEqual([{ job, result: stored }])
})

test('a worker that lost its lease ends the hit all the same, and the end of the next one changes nothing', async () => {
  await using redis = await TestRedis.start()
  await using slow = await openOn(redis)
  await using quick = await openOn(redis)
  const job = newJob()
  const [slowGate, quickGate] = [Promise.withResolvers<AttemptOutcome>(), Promise.withResolvers<AttemptOutcome>()]
  const ran: string[] = []
  const run = (name: string, gate: Promise<AttemptOutcome>) => async () => {
    ran.push(name)
    return gate
  }
  slow.start(run('slow', slowGate.promise), { concurrency: 1 })
  await slow.enqueue(job)
  await until('it runs', () => ran.length === 1)
  await expireLeases(redis.port)
  quick.start(run('quick', quickGate.promise), { concurrency: 1 })
  await until('it runs elsewhere too', () => ran.length === 2)
  slowGate.resolve(failed)
  expect(await slow.waitForEnd(job.task_id, AbortSignal.timeout(5000))).toMatchObject({ status: 'failed' })
  expect(await quick.find(job.task_id)).toMatchObject({ status: 'failed' })
  quickGate.resolve(completed)
  await until('both have ended', async () => (await quick.counts()).active === 0)
  expect(await quick.find(job.task_id)).toMatchObject({ status: 'failed', error: 'no answer' })
  expect(await quick.counts()).toMatchObject({ completed: 0, failed: 1 })
  expect(ran).toEqual(['slow', 'quick'])
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
  expect(await other.health()).not.toHaveProperty('appendfsync')
})

test('health says how the append-only file is written', async () => {
  await using redis = await TestRedis.start(['--appendfsync', 'always'])
  await using queue = await openOn(redis)
  expect(await queue.health()).toMatchObject({ ok: true, warnings: [], appendfsync: 'always' })
})

test('a full Redis refuses hits', async () => {
  await using redis = await TestRedis.start(['--maxmemory', '1'])
  await using queue = await openOn(redis)
  await expect(queue.enqueue(newJob())).rejects.toMatchObject({ name: 'QueueUnavailableError', outcome: 'refused', message: expect.stringContaining('OOM') })
  expect(await queue.health()).toMatchObject({ ok: false })
})
