import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { TestSentinels } from '../../_support/redis-sentinels.ts'
import { completed, newJob, recordingLogger, until } from '../../conformance/harness.ts'

/** As `error` in pino's lines. */
const ERROR = 50

test.each(['kill', 'hang'] as const)(
  'by Sentinel, %s of the master: hits are taken and performed on without a restart, and none that was replicated is lost',
  { timeout: 60_000 },
  async (how) => {
    await using sentinels = await TestSentinels.start()
    const { url, password, servers } = sentinels
    const [master, replica] = servers
    const { logger, lines } = recordingLogger()
    await using queue = await openRedisHitQueue({ redis: { url, password, host: '', port: 0, db: 0, queueDb: 1 }, logger, clock: systemClock })
    const [before, held] = [newJob(), newJob()]
    const ran: string[] = []
    const gate = Promise.withResolvers<void>()
    queue.start(
      async ({ task_id }) => {
        ran.push(task_id)
        if (task_id === held.task_id) await gate.promise
        return completed
      },
      { concurrency: 2 },
    )
    await queue.enqueue(before)
    expect(await queue.waitForEnd(before.task_id, AbortSignal.timeout(5000))).toMatchObject({ status: 'completed' })
    expect(await queue.health()).toMatchObject({ ok: true, warnings: [], appendfsync: 'everysec' })

    // One runs and the others have not begun, when the master goes.
    await queue.enqueue(held)
    await until('it runs', () => ran.includes(held.task_id))
    await queue.pause()
    const waiting = Array.from({ length: 20 }, () => newJob())
    await queue.enqueueMany(waiting)
    const client = new Redis({ host: master.host, port: master.port, password })
    expect(await client.wait(1, 5000)).toBe(1)
    client.disconnect()
    await master[how]()
    await expect(queue.enqueue(newJob())).rejects.toThrow('Redis test-master of the sentinels at 127.0.0.1:')

    const after = newJob()
    await until(
      'hits are taken again',
      async () =>
        (await queue.health()).ok &&
        queue.enqueue(after).then(
          () => true,
          () => false,
        ),
      30_000,
    )
    expect(await queue.find(before.task_id)).toMatchObject({ status: 'completed' })
    gate.resolve()
    await queue.resume()
    for (const { task_id } of [held, ...waiting, after])
      expect(await queue.waitForEnd(task_id, AbortSignal.timeout(15_000))).toMatchObject({ status: 'completed' })
    expect(ran.toSorted()).toEqual([before, held, ...waiting, after].map(({ task_id }) => task_id).toSorted())
    const promoted = new Redis({ host: replica.host, port: replica.port, password })
    expect(await promoted.info('replication')).toContain('role:master')
    promoted.disconnect()
    expect(lines.filter(({ level }) => level >= ERROR).map(({ msg }) => msg)).toEqual([
      expect.stringMatching(/^\[bullmq\] Redis test-master of the sentinels at .* cannot be used/),
    ])
    await until('its return is logged', () => lines.some(({ msg }) => msg.includes('is back after')))
    expect(lines.filter(({ msg }) => msg.includes('is back after'))).toHaveLength(1)
    for (const { msg } of lines) for (const secret of [password, 'entinel/s']) expect(msg).not.toContain(secret)
  },
)
