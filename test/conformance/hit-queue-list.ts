import { expect, test } from 'vitest'
import { hitStatuses } from '#lib/contract/hit.ts'
import type { AttemptOutcome, HitQueue } from '#lib/queue/port.ts'
import { completed, enqueueMany, failed, finalOf, type HitQueueHarness, idsOf, listAll, newJob, retryIn, until } from './harness.ts'

/** Runs hits one at a time to the end that `endOf` names, and waits for all. */
async function endAll(queue: HitQueue, count: number, endOf: (index: number) => AttemptOutcome): Promise<string[]> {
  const jobs = await enqueueMany(queue, count)
  const ids = jobs.map(({ task_id }) => task_id)
  queue.start(async ({ task_id }) => endOf(ids.indexOf(task_id)), { concurrency: 1 })
  for (const id of ids) await finalOf(queue, id)
  return ids
}

/** What every engine lists. */
export function hitQueueList(makeHarness: () => Promise<HitQueueHarness>): void {
  test('queued hits are listed oldest first, page by page, as they were accepted and as they are found', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const jobs = Array.from({ length: 25 }, (_, n) => newJob({ config_version: n, request: { method: 'POST', headers: { a: `ü${n}` } } }))
    for (const job of jobs) await queue.enqueue(job)
    const first = await queue.list({ state: 'queued', limit: 10 })
    expect(first.hits.map(({ job }) => job)).toEqual(jobs.slice(0, 10))
    expect(first.next).toEqual(expect.any(String))
    const listed = await listAll(queue, 'queued', 10)
    expect(listed.map(({ job }) => job)).toEqual(jobs)
    for (const { job, result } of listed) expect(result).toEqual(await queue.find(job.task_id))
    for (const state of ['pending', 'completed', 'failed'] as const) expect(await queue.list({ state, limit: 10 })).toEqual({ hits: [] })
  })

  test('a last page that is full has no next one', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    await enqueueMany(queue, 6)
    const { next = '' } = await queue.list({ state: 'queued', limit: 3 })
    const last = await queue.list({ state: 'queued', limit: 3, cursor: next })
    expect(last.hits).toHaveLength(3)
    expect(last.next).toBeUndefined()
    expect((await queue.list({ state: 'queued', limit: 6 })).next).toBeUndefined()
  })

  test('ended hits are listed by their end, newest first, without the body of the answer', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const ids = await endAll(queue, 24, (index) => (index % 3 === 0 ? failed : completed))
    const failedIds = ids.filter((_, index) => index % 3 === 0).toReversed()
    const completedIds = ids.filter((_, index) => index % 3 !== 0).toReversed()
    for (const limit of [1, 5, 100]) {
      expect(await idsOf(queue, 'failed', limit)).toEqual(failedIds)
      expect(await idsOf(queue, 'completed', limit)).toEqual(completedIds)
    }
    for (const { job, result } of [...(await listAll(queue, 'failed')), ...(await listAll(queue, 'completed'))]) {
      const { body, ...rest } = (await queue.find(job.task_id)) ?? {}
      expect(result).toEqual(rest)
      expect(body).toBe(result.status === 'completed' ? 'hello' : undefined)
    }
  })

  test('each hit is listed in the state that it is found in: run, put off, given back to the line, never taken', { timeout: 30_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const [runs, putOff, alsoPutOff, givenBack] = await enqueueMany(queue, 4)
    const seen: string[] = []
    const gate = Promise.withResolvers<void>()
    queue.start(
      async ({ task_id }) => {
        seen.push(task_id)
        if (task_id === putOff?.task_id) return retryIn(60_000)
        if (task_id === alsoPutOff?.task_id) return retryIn(61_000)
        await gate.promise
        return task_id === givenBack?.task_id ? { kind: 'release', delay_ms: 0 } : completed
      },
      { concurrency: 2 },
    )
    await until('two run and two wait', () => seen.length === 4)
    await queue.pause()
    const fresh = await enqueueMany(queue, 2)
    const pending = () => idsOf(queue, 'pending', 1)
    const all = [runs, putOff, alsoPutOff, givenBack].map((job) => job?.task_id ?? '')
    await until('the delays are written', async () => (await queue.counts()).delayed === 2)
    expect((await pending()).toSorted()).toEqual(all.toSorted())
    expect((await pending()).filter((id) => id === putOff?.task_id || id === alsoPutOff?.task_id)).toEqual([putOff?.task_id, alsoPutOff?.task_id])
    gate.resolve()
    await finalOf(queue, runs?.task_id ?? '')
    await until('one is given back', async () => (await queue.counts()).queued === 3)
    expect((await pending()).toSorted()).toEqual(all.filter((id) => id !== runs?.task_id).toSorted())
    expect(await idsOf(queue, 'queued', 1)).toEqual(fresh.map(({ task_id }) => task_id))
    expect(await idsOf(queue, 'completed')).toEqual([runs?.task_id])
    for (const state of hitStatuses) for (const { job } of await listAll(queue, state)) expect(await queue.find(job.task_id)).toMatchObject({ status: state })
  })

  test('what is no cursor of this state is the beginning', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    await endAll(queue, 4, (index) => (index < 2 ? failed : completed))
    await queue.pause()
    await enqueueMany(queue, 2)
    const cursors = ['', 'x', '0', '-1', '../..', '{"seq":1}', '1.1', "' OR 1=1 --", '9'.repeat(150)]
    for (const state of ['queued', 'completed', 'failed'] as const) {
      const { next } = await queue.list({ state, limit: 1 })
      if (next === undefined) throw new Error(`the list of ${state} has no second page`)
      cursors.push(next)
    }
    for (const state of ['queued', 'completed', 'failed'] as const) {
      const [, second] = await idsOf(queue, state, 1)
      const beginning = await queue.list({ state, limit: 1 })
      for (const cursor of cursors) {
        const { hits } = await queue.list({ state, limit: 1, cursor })
        if (cursor === beginning.next) expect(hits.map(({ job }) => job.task_id)).toEqual([second])
        else expect(hits, cursor).toEqual(beginning.hits)
      }
    }
  })

  test('a hit that stays where it is is met once, while others come and go between the pages', { timeout: 30_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const jobs = await enqueueMany(queue, 60)
    let runs = 0
    await queue.pause()
    queue.start(
      async () => {
        runs += 1
        if (runs % 10 === 0) await queue.pause()
        return completed
      },
      { concurrency: 1 },
    )
    const met: string[] = []
    let cursor: string | undefined
    for (let page = 1; ; page += 1) {
      const { hits, next } = await queue.list({ state: 'queued', limit: 7, ...(cursor === undefined ? {} : { cursor }) })
      met.push(...hits.map(({ job }) => job.task_id))
      if (next === undefined) break
      cursor = next
      if (page > 3) continue
      await queue.resume()
      await until('ten more have run', async () => runs === page * 10 && (await queue.counts()).active === 0)
      await enqueueMany(queue, 3)
    }
    expect(met.length).toBe(new Set(met).size)
    const stayed = new Set(await idsOf(queue, 'queued'))
    expect(jobs.map(({ task_id }) => task_id).filter((id) => stayed.has(id) && !met.includes(id))).toEqual([])
  })
}
