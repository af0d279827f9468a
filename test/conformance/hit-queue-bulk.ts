import { expect, test } from 'vitest'
import { MAX_BULK_HITS } from '#lib/contract/hits.ts'
import { BacklogFullError, type HitJob } from '#lib/queue/port.ts'
import { completeAll, completed, enqueueMany, failed, type HitQueueHarness, idsOf, listAll, newJob, until } from './harness.ts'

/** What every engine does with many hits at once. */
export function hitQueueBulk(makeHarness: () => Promise<HitQueueHarness>): void {
  test('many hits are taken in one go, in their order, and run', { timeout: 30_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const [before] = await enqueueMany(queue, 1)
    const jobs = Array.from({ length: 500 }, (_, n) => newJob({ config_version: n, request: { body: `ü${n}` } }))
    await queue.enqueueMany(jobs)
    const [after] = await enqueueMany(queue, 1)
    expect((await queue.counts()).queued).toBe(502)
    for (const { task_id } of [jobs[0], jobs[499]].map((job) => job ?? newJob())) expect(await queue.find(task_id)).toMatchObject({ status: 'queued' })
    const order = [before, ...jobs, after].map((job) => job?.task_id)
    expect(await idsOf(queue, 'queued')).toEqual(order)
    const started: string[] = []
    queue.start(
      async (job) => {
        started.push(job.task_id)
        const n = started.length - 2
        if (n >= 0 && n < 500) expect(job).toEqual(jobs[n])
        return completed
      },
      { concurrency: 1 },
    )
    await until('all have ended', async () => (await queue.counts()).completed === 502)
    expect(started).toEqual(order)
  })

  test("whose request it was, and its trace, are each hit's own: to its processor, its result and the lists, queued again too", {
    timeout: 30_000,
  }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    // All alike but for that.
    const common = { config_version: 1, enqueued_at: Date.now() }
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const origins = [
      { request_id: 'one' },
      { request_id: 'two' },
      { request_id: 'two', traceparent },
      { request_id: 'two', traceparent, tracestate: 'a=1' },
      {},
    ]
    const jobs = origins.map((origin) => newJob({ ...common, ...origin }))
    await queue.enqueueMany(jobs)
    expect((await queue.find(jobs[1]?.task_id ?? ''))?.request_id).toBe('two')
    const seen: HitJob[] = []
    queue.start(
      async (job) => {
        seen.push(job)
        return failed
      },
      { concurrency: 1 },
    )
    await until('all have ended', async () => (await queue.counts()).failed === jobs.length)
    expect(seen).toEqual(jobs)
    expect((await listAll(queue, 'failed')).map(({ job, result }) => [job.task_id, result.request_id]).sort()).toEqual(
      jobs.map(({ task_id, request_id }) => [task_id, request_id]).sort(),
    )
    await queue.retryFailed(jobs.length)
    await until('all have run again', () => seen.length === 2 * jobs.length)
    expect(seen.slice(jobs.length)).toEqual(jobs)
  })

  test('none is nothing', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    await queue.enqueueMany([])
    expect(await queue.counts()).toMatchObject({ queued: 0 })
  })

  test(`${MAX_BULK_HITS} are taken in one go`, { timeout: 60_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const jobs = Array.from({ length: MAX_BULK_HITS }, () => newJob())
    await queue.enqueueMany(jobs)
    expect((await queue.counts()).queued).toBe(MAX_BULK_HITS)
    const { hits } = await queue.list({ state: 'queued', limit: 1000 })
    expect(hits.map(({ job }) => job)).toEqual(jobs.slice(0, 1000))
  })

  test('where not all of them may wait, none is taken', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open({ maxBacklog: 5 })
    let jobs: HitJob[] = []
    let before = 0
    const answer = await until('it knows how many wait', async () => {
      jobs = Array.from({ length: 3 }, () => newJob())
      before = (await queue.counts()).queued
      return queue.enqueueMany(jobs).catch((error: unknown) => error)
    })
    expect(answer).toBeInstanceOf(BacklogFullError)
    expect((await queue.counts()).queued).toBe(before)
    for (const { task_id } of jobs) expect(await queue.find(task_id)).toBeUndefined()
    completeAll(queue, 1)
    await until('there is room', () =>
      queue.enqueueMany(jobs).then(
        () => true,
        () => false,
      ),
    )
    await until('all have ended', async () => (await queue.counts()).completed === before + jobs.length)
  })
}
