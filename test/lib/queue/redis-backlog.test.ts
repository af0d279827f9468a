import { expect, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import { Backlog } from '#lib/queue/bullmq/backlog.ts'
import { openRedisHitQueue } from '#lib/queue/bullmq/open.ts'
import { BacklogFullError } from '#lib/queue/port.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { TestRedis } from '../../_support/redis.ts'
import { newJob, until } from '../../conformance/harness.ts'

/** A clock that stands until the test moves it. */
function heldClock() {
  let time = 0
  let sleeping: { readonly due: number; readonly wake: () => void }[] = []
  return {
    clock: { ...systemClock, monotonic: () => time, sleep: (ms: number) => new Promise<void>((wake) => void sleeping.push({ due: time + ms, wake })) },
    /** Moves it on, and lets what was due happen. */
    pass: async (ms: number) => {
      time += ms
      const due = sleeping.filter((one) => one.due <= time)
      sleeping = sleeping.filter((one) => one.due > time)
      for (const { wake } of due) wake()
      await new Promise((resolve) => setImmediate(resolve))
    },
    sleepers: () => sleeping.length,
  }
}

function backlogOf(most: number, waiting: () => number) {
  const held = heldClock()
  let counts = 0
  const closed = new AbortController()
  const count = async () => {
    counts += 1
    return waiting()
  }
  return { ...held, backlog: new Backlog({ most, count, clock: held.clock, closed: closed.signal }), counts: () => counts }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

test('Redis is asked twice a second while hits are taken, whatever their number, and not at all before and afterwards', async () => {
  let waiting = 0
  const { backlog, counts, pass, sleepers } = backlogOf(1_000_000, () => waiting)
  await pass(5000)
  expect(counts()).toBe(0)
  for (let tick = 1; tick <= 10; tick += 1) {
    for (let hit = 1; hit <= 100; hit += 1) await backlog.take(1)
    waiting += 100
    await settled()
    await pass(500)
  }
  expect(counts()).toBeLessThanOrEqual(12)
  // One more count, which sees that none was taken since.
  await pass(500)
  const idle = counts()
  await pass(500)
  await pass(60_000)
  expect(counts()).toBe(idle)
  expect(sleepers()).toBe(0)
})

test('what was taken since the count is added, and what is given back is not', async () => {
  const { backlog, counts } = backlogOf(5, () => 0)
  await settled()
  await backlog.take(4)
  // Counted at once: none of the four was there yet.
  await settled()
  await backlog.take(1)
  backlog.giveBack(1)
  await backlog.take(1)
  expect(counts()).toBeLessThanOrEqual(2)
})

test('where it seems full Redis is asked first, once for all who ask, and at most so often', async () => {
  let waiting = 10
  const { backlog, counts, pass } = backlogOf(10, () => waiting)
  const full = () => expect(backlog.take(1)).rejects.toBeInstanceOf(BacklogFullError)
  // Nothing is known at the beginning, so that the first goes through.
  await backlog.take(1)
  await settled()
  await pass(100)
  const before = counts()
  await Promise.all(Array.from({ length: 50 }, full))
  expect(counts()).toBe(before + 1)
  await full()
  expect(counts()).toBe(before + 1)
  waiting = 4
  await pass(100)
  await Promise.all(Array.from({ length: 5 }, () => backlog.take(1)))
})

test('many are taken as a whole or not at all', async () => {
  const { backlog, pass } = backlogOf(10, () => 0)
  await backlog.take(8)
  await pass(100)
  // Of the count nothing is there any more.
  await backlog.take(10)
  await expect(backlog.take(11)).rejects.toThrow('hits wait, and at most 10 may')
})

test('a worker knows of the hits that others have queued, and of those that were there before it', async () => {
  await using redis = await TestRedis.start()
  const { host, port } = redis
  const open = () => openRedisHitQueue({ redis: { host, port, db: 0, queueDb: 1 }, maxBacklog: 5, logger: silentLogger, clock: systemClock })
  await using one = await open()
  await using other = await open()
  await one.enqueueMany(Array.from({ length: 5 }, () => newJob()))
  await until('the other one knows', () =>
    other.enqueue(newJob()).then(
      () => false,
      (error: unknown) => error instanceof BacklogFullError,
    ),
  )
  await using later = await open()
  await expect(later.enqueue(newJob())).rejects.toBeInstanceOf(BacklogFullError)
})
