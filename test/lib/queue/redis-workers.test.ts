import { expect, test } from 'vitest'
import { hitStatuses } from '#lib/contract/hit.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import type { AttemptOutcome, HitQueue } from '#lib/queue/port.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { TestRedis } from '../../_support/redis.ts'
import { completed, failed, idsOf, newJob, retryIn, until } from '../../conformance/harness.ts'

const HITS = 600

test('three workers on one Redis: a pause stops all, what they list and count agrees, and each hit ends once', { timeout: 60_000 }, async () => {
  await using redis = await TestRedis.start()
  const { host, port } = redis
  const open = (): Promise<HitQueue> => openRedisHitQueue({ redis: { host, port, db: 0, queueDb: 1 }, logger: silentLogger, clock: systemClock })
  await using one = await open()
  await using two = await open()
  await using three = await open()
  const workers = [one, two, three]
  const jobs = Array.from({ length: HITS }, () => newJob())
  const number = new Map(jobs.map(({ task_id }, index) => [task_id, index]))
  const attempts: string[] = []
  const outcomeOf = (taskId: string, attempt: number): AttemptOutcome => {
    const index = number.get(taskId) ?? 0
    if (index % 5 === 0 && attempt === 1) return retryIn(1)
    return index % 3 === 0 ? failed : completed
  }
  await Promise.all(workers.map((worker, index) => worker.enqueueMany(jobs.filter((_, job) => job % 3 === index))))
  for (const worker of workers)
    worker.start(
      async ({ task_id }, { attempt }) => {
        attempts.push(`${task_id} ${attempt}`)
        await systemClock.sleep(1)
        return outcomeOf(task_id, attempt)
      },
      { concurrency: 4 },
    )

  await until('some have run', () => attempts.length > 60)
  await two.pause()
  const counts = () => Promise.all(workers.map((worker) => worker.counts()))
  await until('what ran has ended', async () => (await counts()).every(({ active }) => active === 0))
  const begun = attempts.length
  expect(begun).toBeLessThan(HITS)
  const [first, ...others] = await counts()
  expect(first).toMatchObject({ paused: true })
  for (const other of others) expect(other).toEqual(first)
  const { queued = 0, delayed = 0, completed: good = 0, failed: bad = 0 } = first ?? {}
  expect(queued + delayed + good + bad).toBe(HITS)
  for (const state of hitStatuses) {
    const [listed = [], ...elsewhere] = await Promise.all(workers.map((worker) => idsOf(worker, state, 70)))
    for (const other of elsewhere) expect(other).toEqual(listed)
    expect(new Set(listed).size).toBe(listed.length)
    if (state === 'completed') expect(listed).toHaveLength(good)
    if (state === 'failed') expect(listed).toHaveLength(bad)
    for (const id of listed.slice(0, 3)) expect(await three.find(id)).toMatchObject({ status: state })
  }
  expect(attempts).toHaveLength(begun)

  await three.resume()
  await until('all have ended', async () => (await counts()).every(({ completed: good, failed: bad }) => good + bad === HITS), 30_000)
  // Each attempt was made once, by whichever worker.
  expect(new Set(attempts).size).toBe(attempts.length)
  expect(attempts).toHaveLength(HITS + HITS / 5)
  for (const worker of workers) {
    expect(await worker.counts()).toEqual({ queued: 0, active: 0, delayed: 0, completed: (HITS * 2) / 3, failed: HITS / 3, paused: false })
    expect((await idsOf(worker, 'failed', 100)).toSorted()).toEqual(
      jobs
        .filter((_, index) => index % 3 === 0)
        .map(({ task_id }) => task_id)
        .toSorted(),
    )
  }

  // Retried by one, run by all, and no more than once.
  await one.pause()
  const again = await Promise.all(workers.map((worker) => worker.retryFailed(HITS)))
  expect(again.reduce((sum, { retried }) => sum + retried, 0)).toBe(HITS / 3)
  expect(await one.counts()).toMatchObject({ queued: HITS / 3, failed: 0 })
  await one.resume()
  await until('they have failed again', async () => (await two.counts()).failed === HITS / 3)
})
