import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import type { HitQueue } from '#lib/queue/port.ts'
import { openSqliteHitQueue } from '#lib/queue/sqlite/open.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { createDestinations } from '#services/worker/hits/destinations.ts'
import { createHitProcessor } from '#services/worker/hits/processor.ts'
import { createSignals } from '#services/worker/hits/signals.ts'
import { quickClock } from '#test/_support/quick-clock.ts'
import { plainAnswer, RawTarget } from '#test/_support/targets.ts'
import { TempFolder } from '#test/_support/temp.ts'
import { newJob, until } from '#test/conformance/harness.ts'
import { testExecutor } from './attempt.ts'

/** Makes hits of the healthy target, one after the other, 10 ms apart. @returns how long each took from accepted to its end, ms, in order of length */
async function healthyHits(queue: HitQueue, url: string, count: number): Promise<number[]> {
  const took: Promise<number>[] = []
  for (let n = 0; n < count; n += 1) {
    const job = newJob({ url })
    const started = performance.now()
    await queue.enqueue(job)
    took.push(
      queue.waitForEnd(job.task_id, AbortSignal.timeout(15_000)).then((result) => {
        if (result?.status !== 'completed') throw new Error(`the hit ended as ${JSON.stringify(result)}`)
        return performance.now() - started
      }),
    )
    await delay(10)
  }
  return (await Promise.all(took)).sort((a, b) => a - b)
}

const middle = (sorted: readonly number[]): number => sorted[sorted.length >> 1] ?? 0

describe('on the embedded engine', () => {
  test('1,000 hits for a dead destination leave those for a healthy one alone, and lose no attempt', async () => {
    using folder = new TempFolder()
    await using healthy = await RawTarget.open((socket) => socket.write(plainAnswer(200, 'hello')))
    await using dead = await RawTarget.open(() => {})
    const queue = openSqliteHitQueue({ path: folder.file('hits.db'), logger: silentLogger, clock: systemClock })
    await using executor = testExecutor({ timeoutMs: 30_000 })
    const destinations = createDestinations({ perHost: 8, clock: systemClock, logger: silentLogger })
    const signals = createSignals({ clock: systemClock })
    queue.start(createHitProcessor({ executor, destinations, signals, retryMax: 3, logger: silentLogger, clock: systemClock }), { concurrency: 10 })
    try {
      const alone = await healthyHits(queue, healthy.url(), 100)
      const jobs = Array.from({ length: 1000 }, () => newJob({ url: dead.url() }))
      await queue.enqueueMany(jobs)
      const atOnce = await healthyHits(queue, healthy.url(), 1)
      expect(atOnce[0]).toBeLessThan(3000)
      await until('the hits of the dead one have left the line', async () => (await queue.counts()).queued === 0)
      const beside = await healthyHits(queue, healthy.url(), 100)
      expect(middle(beside)).toBeLessThan(3 * middle(alone) + 20)
      expect(dead.requests.length).toBeLessThanOrEqual(2)
      expect(destinations.list()).toMatchObject([{ origin: new URL(dead.url()).origin, active: 2, circuit: 'closed' }])
      const { queued, active, delayed, failed } = await queue.counts()
      expect([queued + active + delayed, failed]).toEqual([1000, 0])
      expect(await queue.find(jobs[999]?.task_id ?? '')).toMatchObject({ status: 'pending', attempts: 0 })
    } finally {
      await queue.drain(AbortSignal.abort())
      await queue[Symbol.asyncDispose]()
    }
  })

  test('a destination that does not take connections is tried by one hit at a time, and all others wait uncharged', async () => {
    using folder = new TempFolder()
    await using dead = await RawTarget.open((socket) => socket.resetAndDestroy())
    const queue = openSqliteHitQueue({ path: folder.file('hits.db'), logger: silentLogger, clock: quickClock })
    await using executor = testExecutor()
    const destinations = createDestinations({ perHost: 8, clock: quickClock, logger: silentLogger })
    const signals = createSignals({ clock: quickClock })
    queue.start(createHitProcessor({ executor, destinations, signals, retryMax: 100, logger: silentLogger, clock: quickClock }), { concurrency: 10 })
    try {
      await queue.enqueueMany(Array.from({ length: 20 }, () => newJob({ url: dead.url() })))
      await until('the circuit is open', () => destinations.list().some(({ circuit, active }) => circuit === 'open' && active === 0))
      const before = dead.requests.length
      await until('it is half open', () => destinations.list().some(({ circuit }) => circuit === 'half_open' || dead.requests.length > before))
      await until('it is open again', () => destinations.list().some(({ circuit }) => circuit === 'open'))
      expect(dead.requests.length).toBe(before + 1)
    } finally {
      await queue.drain(AbortSignal.abort())
      await queue[Symbol.asyncDispose]()
    }
  })
})
