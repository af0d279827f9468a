import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import type { HitResult } from '#lib/contract/hit.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import { EndPoll } from '#lib/queue/bullmq/poll-ends.ts'
import { EndWaiters } from '#lib/queue/end-waiters.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { TestRedis } from '../../_support/redis.ts'
import { newJob, recordingLogger, until } from '../../conformance/harness.ts'

test('a wait that begins in the moment in which the poll sees nobody is polled for', async () => {
  const { task_id } = newJob()
  const pending: HitResult = { task_id, status: 'pending' }
  const ended: HitResult = { task_id, status: 'completed' }
  /** Begins a wait right after the poll has seen that nobody waits. */
  class Late extends EndWaiters {
    readonly begun = Promise.withResolvers<Promise<HitResult | undefined>>()
    #looks = 0
    override get taskIds(): string[] {
      this.#looks += 1
      if (this.#looks === 1) queueMicrotask(() => this.#begin())
      return super.taskIds
    }
    #begin() {
      const end = this.wait(task_id, AbortSignal.timeout(5000), async () => pending)
      poll.ensure()
      this.begun.resolve(end)
    }
  }
  const finder = { ends: async (taskIds: readonly string[]) => ({ found: taskIds.includes(task_id) ? [ended] : [], unreadable: [] }) }
  const waiters = new Late()
  const closed = new AbortController()
  const poll = new EndPoll({
    waiters,
    finder,
    logger: silentLogger,
    clock: { ...systemClock, sleep: () => systemClock.sleep(1) },
    closed: closed.signal,
  })
  poll.ensure()
  expect(await waiters.begun.promise).toEqual(ended)
  closed.abort()
})

test('one result that cannot be read is told once, and does not keep the others from their ends', async () => {
  await using redis = await TestRedis.start()
  const { host, port } = redis
  const { logger, lines } = recordingLogger()
  await using queue = await openRedisHitQueue({ redis: { host, port, db: 0, queueDb: 1 }, logger, clock: systemClock })
  const results = new Redis({ port })
  try {
    const jobs = [newJob(), newJob(), newJob()]
    const [broken, ...others] = jobs
    for (const job of jobs) await queue.enqueue(job)
    const leave = new AbortController()
    const waits = new Map(jobs.map(({ task_id }) => [task_id, queue.waitForEnd(task_id, leave.signal)]))
    const unreadable = expect(waits.get(broken?.task_id ?? '')).rejects.toThrow()
    // A round trip: all of them have looked, and wait.
    await queue.health()
    await results.set(`worker:hit:result:${broken?.task_id}`, 'no result')
    for (const { task_id } of others) {
      await results.set(`worker:hit:result:${task_id}`, JSON.stringify({ task_id, status: 'completed' }))
      expect(await waits.get(task_id)).toMatchObject({ status: 'completed' })
    }
    await until('it is told', () => lines.length > 0)
    expect(lines.map(({ msg }) => msg)).toEqual([expect.stringContaining(`the result of hit ${broken?.task_id} lies in Redis and cannot be read`)])
    leave.abort()
    await unreadable
  } finally {
    await results.quit()
  }
})
