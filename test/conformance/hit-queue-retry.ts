import { expect, test } from 'vitest'
import { MAX_BULK_RETRY } from '#lib/contract/hits.ts'
import type { AttemptContext, AttemptOutcome, HitJob } from '#lib/queue/port.ts'
import { completed, enqueueMany, failed, finalOf, type HitQueueHarness, idsOf, newJob, retryIn, tried, until } from './harness.ts'

/** What every engine does when ended hits are to run again. */
export function hitQueueRetry(makeHarness: () => Promise<HitQueueHarness>): void {
  test('an ended hit runs again, as it was accepted, with all attempts before it and its history', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const job = newJob({ config_version: 3, request: { method: 'PUT', body: 'ü' } })
    const ran: { job: HitJob; attempt: number; again: boolean }[] = []
    queue.start(
      async (given, { attempt, again }) => {
        ran.push({ job: given, attempt, again })
        if (ran.length === 1) return retryIn(1, attempt)
        if (ran.length === 2) return { ...failed, tried: tried(attempt) }
        return ran.length === 3 ? retryIn(1, attempt) : { ...completed, tried: tried(attempt) }
      },
      { concurrency: 1 },
    )
    await queue.enqueue(job)
    const first = await finalOf(queue, job.task_id)
    expect(first).toMatchObject({ status: 'failed', attempts: 2 })
    expect(await queue.retry(job.task_id)).toBe('retried')
    const second = await until('it has completed', async () => {
      const found = await queue.find(job.task_id)
      expect(found).toBeDefined()
      return found?.status === 'completed' && found
    })
    expect(second).toMatchObject({ attempts: 2, config_version: 3, enqueued_at: new Date(job.enqueued_at).toISOString() })
    expect(second.history?.map(({ attempt }) => attempt)).toEqual([1, 2, 1, 2])
    expect(second.history?.slice(0, 2)).toEqual(first?.history)
    expect(second).not.toHaveProperty('error')
    expect(ran.map((run) => run.job)).toEqual([job, job, job, job])
    expect(ran.map(({ attempt, again }) => [attempt, again])).toEqual([
      [1, false],
      [2, true],
      [1, true],
      [2, true],
    ])
    expect(await idsOf(queue, 'failed')).toEqual([])
    expect(await idsOf(queue, 'completed')).toEqual([job.task_id])
    // A completed one too.
    expect(await queue.retry(job.task_id)).toBe('retried')
    await until('it ran once more', async () => ran.length === 5 && (await queue.find(job.task_id))?.history?.length === 5)
  })

  test('what has not ended, and what never was, is left alone', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const [runs, waits] = await enqueueMany(queue, 2)
    const gate = Promise.withResolvers<AttemptOutcome>()
    const started: string[] = []
    queue.start(
      async ({ task_id }) => {
        started.push(task_id)
        return task_id === waits?.task_id ? retryIn(60_000) : gate.promise
      },
      { concurrency: 2 },
    )
    await until('one runs, one waits', async () => started.length === 2 && (await queue.counts()).delayed === 1)
    await queue.pause()
    const queued = newJob()
    await queue.enqueue(queued)
    for (const job of [runs, waits, queued]) expect(await queue.retry(job?.task_id ?? '')).toBe('unfinished')
    for (const id of [newJob().task_id, 'meta', '', '*']) expect(await queue.retry(id)).toBe('unknown')
    expect(await queue.retryFailed(10)).toEqual({ retried: 0, remaining: false })
    gate.resolve(completed)
    await finalOf(queue, runs?.task_id ?? '')
    expect(started).toHaveLength(2)
  })

  test('it is queued at the end of the line, and not a second time', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const ran: string[] = []
    const fail = newJob()
    queue.start(
      async ({ task_id }) => {
        ran.push(task_id)
        return ran.length === 1 ? failed : completed
      },
      { concurrency: 1 },
    )
    await queue.enqueue(fail)
    await finalOf(queue, fail.task_id)
    await queue.pause()
    const rest = await enqueueMany(queue, 3)
    const answers = await Promise.all(Array.from({ length: 5 }, () => queue.retry(fail.task_id)))
    expect(answers.toSorted()).toEqual(['retried', 'unfinished', 'unfinished', 'unfinished', 'unfinished'])
    const waiting = await queue.find(fail.task_id)
    expect(['queued', 'pending', 'failed']).toContain(waiting?.status)
    expect((await queue.counts()).queued).toBe(4)
    await queue.resume()
    await until('all ran', () => ran.length === 5)
    expect(ran.slice(1)).toEqual([...rest, fail].map(({ task_id }) => task_id))
    await until('it has ended', async () => (await queue.find(fail.task_id))?.status === 'completed')
    expect(await queue.counts()).toMatchObject({ queued: 0, active: 0, delayed: 0 })
    expect(ran).toHaveLength(5)
  })

  test('its idempotency key means it before, meanwhile and afterwards', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const job = newJob()
    const key = { idempotencyKey: 'order 18' }
    let ran = 0
    queue.start(
      async () => {
        ran += 1
        return ran === 1 ? failed : completed
      },
      { concurrency: 1 },
    )
    const same = async () => expect(await queue.enqueue(newJob(), key)).toEqual({ task_id: job.task_id, duplicate: true })
    await queue.enqueue(job, key)
    await finalOf(queue, job.task_id)
    await same()
    await queue.pause()
    expect(await queue.retry(job.task_id)).toBe('retried')
    await same()
    await queue.resume()
    await until('it has completed', async () => (await queue.find(job.task_id))?.status === 'completed')
    await same()
    expect(await queue.retry(job.task_id)).toBe('retried')
    await until('it ran again', () => ran === 3)
    await until('it has ended', async () => (await queue.counts()).completed === 1)
    await same()
    expect(ran).toBe(3)
  })

  test('all that failed run again, the longest ended first, at most so many at a time', { timeout: 30_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const ran: string[] = []
    const jobs = await enqueueMany(queue, 9)
    queue.start(
      async ({ task_id }) => {
        ran.push(task_id)
        return ran.length > 9 || ran.length % 3 === 0 ? completed : failed
      },
      { concurrency: 1 },
    )
    for (const { task_id } of jobs) await finalOf(queue, task_id)
    const failedIds = jobs.filter((_, index) => index % 3 !== 2).map(({ task_id }) => task_id)
    expect(await idsOf(queue, 'failed')).toEqual(failedIds.toReversed())
    await queue.pause()
    expect(await queue.retryFailed(4)).toEqual({ retried: 4, remaining: true })
    expect(await idsOf(queue, 'failed')).toEqual(failedIds.slice(4).toReversed())
    expect(await queue.retryFailed(2)).toEqual({ retried: 2, remaining: false })
    expect(await queue.retryFailed(10)).toEqual({ retried: 0, remaining: false })
    await queue.resume()
    await until('they ran', () => ran.length === 15)
    expect(ran.slice(9)).toEqual(failedIds)
    await until('all have completed', async () => (await queue.counts()).completed === 9)
    expect(await idsOf(queue, 'failed')).toEqual([])
  })

  test('what fails again meanwhile is left to the next call', { timeout: 60_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const contexts: AttemptContext[] = []
    queue.start(
      async (_job, context) => {
        contexts.push(context)
        return failed
      },
      { concurrency: 20 },
    )
    await queue.enqueueMany(Array.from({ length: 250 }, () => newJob()))
    await until('all have failed', async () => (await queue.counts()).failed === 250)
    expect(await queue.retryFailed(MAX_BULK_RETRY)).toMatchObject({ retried: 250 })
    await until('all have failed again', async () => contexts.length >= 500 && (await queue.counts()).failed === 250)
    expect(contexts).toHaveLength(500)
  })
}
