import { expect, test } from 'vitest'
import type { AttemptOutcome } from '#lib/queue/port.ts'
import { completed, enqueueMany, failed, finalOf, type HitQueueHarness, newJob, retryIn, until } from './harness.ts'

/** What every engine counts. */
export function hitQueueCounts(makeHarness: () => Promise<HitQueueHarness>): void {
  test('each hit is counted where it stands, after a restart too', { timeout: 60_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const none = { queued: 0, active: 0, delayed: 0, completed: 0, failed: 0, paused: false }
    expect(await queue.counts()).toEqual(none)
    const outcomes: AttemptOutcome[] = [completed, failed, completed, retryIn(120_000), { kind: 'release', delay_ms: 120_000 }, retryIn(121_000)]
    const gate = Promise.withResolvers<AttemptOutcome>()
    queue.start(async () => outcomes.shift() ?? gate.promise, { concurrency: 2 })
    await enqueueMany(queue, 6)
    await until('six have had their attempt', async () => {
      const { completed, failed, delayed } = await queue.counts()
      return completed === 2 && failed === 1 && delayed === 3
    })
    const [first, second] = await enqueueMany(queue, 2)
    await until('two run', async () => (await queue.counts()).active === 2)
    const old = newJob({ enqueued_at: Date.now() - 5000 })
    await queue.enqueue(old)
    await enqueueMany(queue, 3)
    expect(await queue.counts()).toEqual({ queued: 4, active: 2, delayed: 3, completed: 2, failed: 1, paused: false, oldest_queued_at: old.enqueued_at })
    expect((await queue.health()).counts).toEqual({ queued: 4, active: 2, delayed: 3 })

    await queue.pause()
    gate.resolve({ kind: 'release', delay_ms: 0 })
    // Given back to the front of the line.
    await until('both are given back', async () => (await queue.counts()).active === 0)
    const after = await queue.counts()
    expect(after).toMatchObject({ queued: 6, active: 0, delayed: 3, completed: 2, failed: 1, paused: true })
    expect([first?.enqueued_at, second?.enqueued_at]).toContain(after.oldest_queued_at)
    await queue[Symbol.asyncDispose]()
    const next = await harness.open()
    expect(await next.counts()).toEqual(after)
  })

  test('a hit that is queued again is counted once', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const job = newJob()
    queue.start(async () => failed, { concurrency: 1 })
    await queue.enqueue(job)
    await finalOf(queue, job.task_id)
    await until('it is counted', async () => (await queue.counts()).failed === 1)
    await queue.pause()
    await queue.retry(job.task_id)
    expect(await queue.counts()).toEqual({ queued: 1, active: 0, delayed: 0, completed: 0, failed: 0, paused: true, oldest_queued_at: job.enqueued_at })
    await queue.resume()
    await until('it has failed again', async () => (await queue.counts()).failed === 1)
    expect(await queue.counts()).toMatchObject({ queued: 0, active: 0, completed: 0, failed: 1 })
  })
}
