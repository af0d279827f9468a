import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import { type AttemptOutcome, LEASE_MS } from '#lib/queue/port.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { TestRedis } from '../../_support/redis.ts'
import { completed, newJob, recordingLogger, until } from '../../conformance/harness.ts'

/** As `warn` in pino's lines. */
const WARN = 40

test('Redis comes back empty: the worker goes on, what it held is lost and said to be unknown, and nothing runs in circles', { timeout: 60_000 }, async () => {
  await using redis = await TestRedis.start()
  const { host, port } = redis
  const { logger, lines } = recordingLogger()
  await using queue = await openRedisHitQueue({ redis: { host, port, db: 0, queueDb: 1 }, logger, clock: systemClock })
  const [ended, running, waiting, later] = [newJob(), newJob(), newJob(), newJob()]
  const gate = Promise.withResolvers<AttemptOutcome>()
  const ran: string[] = []
  queue.start(
    async ({ task_id }) => {
      ran.push(task_id)
      if (task_id === running.task_id) return gate.promise
      return completed
    },
    { concurrency: 1 },
  )
  await queue.enqueue(ended, { idempotencyKey: 'k' })
  expect(await queue.waitForEnd(ended.task_id, AbortSignal.timeout(5000))).toMatchObject({ status: 'completed' })
  await queue.enqueue(running)
  await until('one runs', () => ran.includes(running.task_id))
  await queue.enqueue(waiting)
  await redis.forget()
  await until('its absence is noticed', () => lines.some(({ msg }) => msg.includes('cannot be used')))
  await redis.start()

  await until('hits are taken again', () =>
    queue.enqueue(later).then(
      () => true,
      () => false,
    ),
  )
  for (const { task_id } of [ended, waiting]) expect(await queue.find(task_id)).toBeUndefined()
  for (const { task_id } of [ended, running, waiting]) expect(await queue.retry(task_id)).toBe('unknown')
  // Its request was made: the result is kept, though its job is gone.
  gate.resolve(completed)
  expect(await queue.waitForEnd(later.task_id, AbortSignal.timeout(3 * LEASE_MS))).toMatchObject({ status: 'completed' })
  expect(await queue.find(running.task_id)).toMatchObject({ status: 'completed' })
  expect((await queue.enqueue(newJob(), { idempotencyKey: 'k' })).duplicate).toBe(false)
  expect(ran.filter((id) => id === running.task_id || id === waiting.task_id)).toEqual([running.task_id])
  await until('nothing is left', async () => {
    const { queued, active } = await queue.counts()
    return queued === 0 && active === 0
  })

  // Idle now: BullMQ waits for a hit and looks for dead workers, and nothing else happens.
  const client = new Redis({ port })
  const commands = async () => Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))?.[1])
  const before = await commands()
  await systemClock.sleep(1000)
  expect((await commands()) - before).toBeLessThan(30)
  client.disconnect()
  expect(lines.filter(({ level }) => level > WARN).map(({ msg }) => msg)).toEqual([expect.stringContaining('cannot be used')])
  expect(lines.filter(({ msg }) => msg.includes('is back after'))).toHaveLength(1)
})
