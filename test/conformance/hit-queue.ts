import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import type { HitJob } from '#lib/queue/port.ts'
import { completed, enqueueMany, finalOf, type HitQueueHarness, newJob, recordingLogger, retryIn, until } from './harness.ts'

/** What every engine does with hits, one test after the other on an empty store. */
export function hitQueueBehaviour(makeHarness: () => Promise<HitQueueHarness>): void {
  test('a hit is queued, runs, and has its result', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const job = newJob({ request: { method: 'POST', headers: { a: 'ü' } } })
    expect(await queue.enqueue(job)).toEqual({ task_id: job.task_id, duplicate: false })
    const enqueued_at = new Date(job.enqueued_at).toISOString()
    expect(await queue.find(job.task_id)).toEqual({ task_id: job.task_id, status: 'queued', attempts: 0, config_version: 7, enqueued_at })
    expect((await queue.health()).counts).toEqual({ queued: 1, active: 0, delayed: 0 })

    const seen: HitJob[] = []
    queue.start(
      async (given) => {
        seen.push(given)
        expect(await queue.find(job.task_id)).toMatchObject({ status: 'pending' })
        return completed
      },
      { concurrency: 1 },
    )
    const result = await finalOf(queue, job.task_id)
    expect(seen).toEqual([job])
    expect(result).toMatchObject({ task_id: job.task_id, status: 'completed', status_code: 200, body: 'hello', attempts: 1, config_version: 7, enqueued_at })
    expect(Date.parse(result?.finished_at ?? '')).toBeGreaterThanOrEqual(job.enqueued_at)
    expect(await queue.find(job.task_id)).toEqual(result)
    await until('the queue is empty', async () => (await queue.health()).counts?.active === 0)
    expect(await queue.health()).toMatchObject({ engine: queue.engine, ok: true, warnings: [], counts: { queued: 0, active: 0, delayed: 0 } })
  })

  test('hits start in the order they were taken', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const jobs = await enqueueMany(queue, 30)
    const started: string[] = []
    queue.start(
      async ({ task_id }) => {
        started.push(task_id)
        return completed
      },
      { concurrency: 1 },
    )
    await until('all have started', () => started.length === jobs.length)
    expect(started).toEqual(jobs.map(({ task_id }) => task_id))
  })

  test('no more attempts run at a time than asked for, and no fewer', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const jobs = await enqueueMany(queue, 12)
    let running = 0
    let most = 0
    let ended = 0
    const gate = Promise.withResolvers<void>()
    queue.start(
      async () => {
        running += 1
        most = Math.max(most, running)
        if (running === 4) gate.resolve()
        await gate.promise
        await new Promise((resolve) => setTimeout(resolve, 5))
        running -= 1
        ended += 1
        return completed
      },
      { concurrency: 4 },
    )
    await until('all have ended', () => ended === jobs.length)
    expect(most).toBe(4)
  })

  test('a retry waits for its delay, is pending meanwhile, and is charged', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const job = newJob()
    const at: number[] = []
    const attempts: number[] = []
    queue.start(
      async (_job, { attempt }) => {
        at.push(performance.now())
        attempts.push(attempt)
        return attempt < 3 ? retryIn(300, attempt) : completed
      },
      { concurrency: 2 },
    )
    await queue.enqueue(job)
    await until('it waits for its second attempt', async () => (await queue.find(job.task_id))?.attempts === 1)
    expect(await queue.find(job.task_id)).toMatchObject({ status: 'pending' })
    expect(await finalOf(queue, job.task_id)).toMatchObject({ status: 'completed', attempts: 3 })
    expect(attempts).toEqual([1, 2, 3])
    for (const [index, time] of at.slice(1).entries()) expect(time - (at[index] ?? 0)).toBeGreaterThan(290)
  })

  test('a release is not charged, with a delay and without', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const job = newJob()
    const attempts: number[] = []
    queue.start(
      async (_job, { attempt }) => {
        attempts.push(attempt)
        if (attempts.length > 12) return completed
        return { kind: 'release', delay_ms: attempts.length % 2 === 0 ? 0 : 20 }
      },
      { concurrency: 1 },
    )
    await queue.enqueue(job)
    expect(await finalOf(queue, job.task_id)).toMatchObject({ status: 'completed', attempts: 1 })
    expect(new Set(attempts)).toEqual(new Set([1]))
  })

  test('what the processor throws ends the hit failed, class internal', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const job = newJob()
    await queue.enqueue(job)
    queue.start(
      async () => {
        throw new Error('a fault of ours')
      },
      { concurrency: 1 },
    )
    expect(await finalOf(queue, job.task_id)).toMatchObject({
      status: 'failed',
      error_class: 'internal',
      attempts: 1,
      error: expect.stringContaining('a fault of ours'),
    })
  })

  test('an unknown task is undefined, and nobody waits for it', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const { task_id } = newJob()
    expect(await queue.find(task_id)).toBeUndefined()
    expect(await queue.waitForEnd(task_id, new AbortController().signal)).toBeUndefined()
  })

  test('what is no UUID is no task, whatever the store keeps under that name', async () => {
    await using harness = await makeHarness()
    const { logger, lines } = recordingLogger()
    const queue = await harness.open({ logger })
    queue.start(async () => completed, { concurrency: 1 })
    const job = newJob()
    await queue.enqueue(job, { idempotencyKey: 'k' })
    await finalOf(queue, job.task_id)
    await enqueueMany(queue, 2)
    const { task_id } = job
    for (const id of ['events', 'id', 'stalled-check', 'meta', 'wait', 'active', 'de:k', '', '*', `${task_id}:lock`, `{${task_id}}`, `${task_id}\n`]) {
      expect(await queue.find(id)).toBeUndefined()
      expect(await queue.waitForEnd(id, new AbortController().signal)).toBeUndefined()
    }
    expect(await queue.find(task_id)).toMatchObject({ status: 'completed' })
    expect(lines).toEqual([])
  })

  test('a wait ends with its signal, says what is known then, and leaves no listener', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const job = newJob()
    await queue.enqueue(job)
    const waiting = new AbortController()
    const waits = Promise.all([queue.waitForEnd(job.task_id, waiting.signal), queue.waitForEnd(job.task_id, waiting.signal)])
    await until('both wait', () => getEventListeners(waiting.signal, 'abort').length === 2)
    waiting.abort()
    expect(await waits).toMatchObject([{ status: 'queued' }, { status: 'queued' }])
    expect(getEventListeners(waiting.signal, 'abort')).toEqual([])
  })
}
