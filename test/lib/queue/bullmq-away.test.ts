import { Redis, ReplyError } from 'ioredis'
import { expect, test } from 'vitest'
import { ZodError } from 'zod'
import { silentLogger } from '#lib/observe/logger.ts'
import { didNothing, isAway } from '#lib/queue/bullmq/away.ts'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import type { HitQueue } from '#lib/queue/port.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { TestRedis } from '../../_support/redis.ts'
import { completeAll, completed, newJob, recordingLogger, retryIn, until } from '../../conformance/harness.ts'

const openOn = ({ host, port }: TestRedis, logger = silentLogger): Promise<HitQueue> =>
  openRedisHitQueue({ redis: { host, port, db: 0, queueDb: 1 }, logger, clock: systemClock })

/** A client of the test's own; quits at the end. */
async function client(redis: TestRedis, db: number) {
  const connection = new Redis({ port: redis.port, db, maxRetriesPerRequest: null })
  return { redis: connection, [Symbol.asyncDispose]: async () => void (await connection.quit()) }
}

test.each([
  'LOADING Redis is loading the dataset in memory',
  "OOM command not allowed when used memory > 'maxmemory'. script: 1f, on @user_script:12.",
  "ERR Error running script (call to f_1f): @user_script:12: -OOM command not allowed when used memory > 'maxmemory'.",
  "READONLY You can't write against a read only replica.",
  'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
  'CLUSTERDOWN Hash slot not served',
  'MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.',
  'BUSY Redis is busy running a script.',
  'NOAUTH Authentication required.',
  'ERR max number of clients reached',
])('Redis is away that answers %j, and did nothing', (answer) => {
  const error = new ReplyError(answer)
  expect(isAway(error)).toBe(true)
  expect(didNothing(error, true)).toBe(true)
  // It may be the answer to the second sending of what the first one did.
  expect(didNothing(error, false)).toBe(false)
})

test.each([
  'Connection is closed.',
  'Command timed out',
  "Socket timeout. Expecting data, but didn't receive any in 5000ms.",
  'Reached the max retries per request limit (which is 1). Refer to "maxRetriesPerRequest" option for details.',
  'Command aborted due to connection close',
  'All sentinels are unreachable. Retrying from scratch after 10ms.',
  'Failed to refresh slots cache.',
  'Too many Cluster redirections. Last error: Error: Connection is closed.',
])('Redis is away where ioredis says %j, and nobody knows what it did', (message) => {
  expect(isAway(new Error(message))).toBe(true)
  expect(didNothing(new Error(message), true)).toBe(false)
})

test('Redis is away where a command was not sent, a socket failed, or a transaction was not begun', () => {
  const unsent = new Error("Stream isn't writeable and enableOfflineQueue options is false")
  expect(isAway(unsent)).toBe(true)
  expect(didNothing(unsent, false)).toBe(true)
  expect(isAway(Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' }))).toBe(true)
  const transaction = new ReplyError('EXECABORT Transaction discarded because of previous errors.')
  expect(isAway(transaction)).toBe(false)
  expect(isAway(Object.assign(transaction, { previousErrors: [new ReplyError('OOM command not allowed')] }))).toBe(true)
})

test.each([
  new ReplyError('WRONGTYPE Operation against a key holding the wrong kind of value'),
  new ReplyError("ERR unknown command 'FOO'"),
  new ReplyError('BUSYGROUP Consumer Group name already exists'),
  new ZodError([]),
  new SyntaxError('Unexpected token'),
  new TypeError('x is not a function'),
  new Error('Missing lock for job 1. moveToFinished'),
  'Connection is closed',
])('%s is no outage', (error) => expect(isAway(error)).toBe(false))

test('a hit whose reply timed out: nobody says that nothing was queued, it runs, and a retry with its key gives the same task', async () => {
  await using redis = await TestRedis.start()
  await using queue = await openOn(redis)
  await using admin = await client(redis, 1)
  const ran = completeAll(queue, 2)
  const [first, plain, keyed] = [newJob(), newJob(), newJob()]
  await queue.enqueue(first)
  await admin.redis.client('PAUSE', 1500, 'WRITE')
  const unknown = { name: 'QueueUnavailableError', outcome: 'unknown', message: expect.stringContaining('Command timed out') }
  await Promise.all([
    expect(queue.enqueue(plain)).rejects.toMatchObject(unknown),
    expect(queue.enqueue(keyed, { idempotencyKey: 'k' })).rejects.toMatchObject(unknown),
  ])
  await until('all ran', () => ran.length === 3)
  expect(new Set(ran)).toEqual(new Set([first.task_id, plain.task_id, keyed.task_id]))
  const retried = () => queue.enqueue(newJob(), { idempotencyKey: 'k' }).catch(() => undefined)
  expect(await until('it is taken', retried)).toEqual({ task_id: keyed.task_id, duplicate: true })
})

test('a key of another type is a fault, and no outage', async () => {
  await using redis = await TestRedis.start()
  const { logger, lines } = recordingLogger()
  await using queue = await openOn(redis, logger)
  await using results = await client(redis, 0)
  const { task_id } = newJob()
  await results.redis.lpush(`worker:hit:result:${task_id}`, 'x')
  await expect(queue.find(task_id)).rejects.toThrow(/^WRONGTYPE/)
  expect(lines).toEqual([])
})

test('a result that stands and cannot be read: the hit ends, its slot is free, and no outage is told', async () => {
  await using redis = await TestRedis.start()
  const { logger, lines } = recordingLogger()
  await using queue = await openOn(redis, logger)
  await using results = await client(redis, 0)
  await using jobs = await client(redis, 1)
  const [broken, next] = [newJob(), newJob()]
  const ran: string[] = []
  await queue.enqueue(broken)
  await queue.enqueue(next)
  queue.start(
    async ({ task_id }) => {
      ran.push(task_id)
      if (task_id === broken.task_id) await results.redis.set(`worker:hit:result:${task_id}`, '{"of":"another version"}')
      return completed
    },
    { concurrency: 1 },
  )
  expect(await queue.waitForEnd(next.task_id, AbortSignal.timeout(5000))).toMatchObject({ status: 'completed' })
  await until('both have ended', async () => (await jobs.redis.exists(`bull:hits:${broken.task_id}:lock`, `bull:hits:${next.task_id}:lock`)) === 0)
  expect(await queue.counts()).toMatchObject({ queued: 0, active: 0, delayed: 0 })
  expect(ran).toEqual([broken.task_id, next.task_id])
  expect(await results.redis.get(`worker:hit:result:${broken.task_id}`)).toBe('{"of":"another version"}')
  expect(lines.map(({ msg }) => msg)).toEqual([expect.stringContaining(`hit ${broken.task_id} ends: what Redis holds of it cannot be used`)])
})

test('a job whose result is a key of another type ends, its slot is free, and what lies there stays', async () => {
  await using redis = await TestRedis.start()
  const { logger, lines } = recordingLogger()
  await using queue = await openOn(redis, logger)
  await using results = await client(redis, 0)
  const [broken, next] = [newJob(), newJob()]
  await results.redis.lpush(`worker:hit:result:${broken.task_id}`, 'x')
  await queue.enqueue(broken)
  await queue.enqueue(next)
  const ran = completeAll(queue, 1)
  expect(await queue.waitForEnd(next.task_id, AbortSignal.timeout(5000))).toMatchObject({ status: 'completed' })
  expect(ran).toEqual([broken.task_id, next.task_id])
  expect(await queue.counts()).toMatchObject({ queued: 0, active: 0, delayed: 0, completed: 1, failed: 1 })
  expect(await results.redis.lrange(`worker:hit:result:${broken.task_id}`, 0, -1)).toEqual(['x'])
  expect(lines.map(({ msg }) => msg)).toEqual([expect.stringContaining('cannot be used')])
})

test('a full Redis while a hit ends: the end waits until there is room, and nothing is lost', { timeout: 30_000 }, async () => {
  await using redis = await TestRedis.start()
  const { logger, lines } = recordingLogger()
  await using queue = await openOn(redis, logger)
  await using admin = await client(redis, 1)
  const [ends, retries] = [newJob(), newJob()]
  const gate = Promise.withResolvers<void>()
  let runs = 0
  queue.start(
    async ({ task_id }, { attempt }) => {
      runs += 1
      await gate.promise
      return task_id === retries.task_id && attempt === 1 ? retryIn(1) : completed
    },
    { concurrency: 2 },
  )
  await queue.enqueue(ends)
  await queue.enqueue(retries)
  await until('both run', () => runs === 2)
  await admin.redis.config('SET', 'maxmemory', '1')
  gate.resolve()
  await until('it is told', () => lines.some(({ msg }) => msg.includes('cannot be used')))
  await expect(queue.enqueue(newJob())).rejects.toMatchObject({ outcome: 'refused' })
  expect(await queue.find(ends.task_id)).toMatchObject({ status: 'pending' })
  await admin.redis.config('SET', 'maxmemory', '0')
  for (const { task_id } of [ends, retries]) expect(await queue.waitForEnd(task_id, AbortSignal.timeout(15_000))).toMatchObject({ status: 'completed' })
  expect(await queue.find(retries.task_id)).toMatchObject({ attempts: 2, history: [expect.anything()] })
})

test('the time of a retry is that of the clock it was given', async () => {
  await using redis = await TestRedis.start()
  const { host, port } = redis
  const clock = { ...systemClock, now: () => 1_900_000_000_000 }
  await using queue = await openRedisHitQueue({ redis: { host, port, db: 0, queueDb: 1 }, logger: silentLogger, clock })
  await using jobs = await client(redis, 1)
  const job = newJob()
  await queue.enqueue(job)
  queue.start(async () => retryIn(5000), { concurrency: 1 })
  // BullMQ orders by time × 4096, and the rest counts jobs of the same ms.
  const score = await until('it waits', async () => (await jobs.redis.zscore('bull:hits:delayed', job.task_id)) ?? undefined)
  expect(Math.floor(Number(score) / 4096)).toBe(1_900_000_005_000)
})
