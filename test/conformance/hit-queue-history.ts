import { expect, test } from 'vitest'
import { type HitAttempt, MAX_HISTORY } from '#lib/contract/hit.ts'
import { completed, failed, finalOf, type HitQueueHarness, newJob, TestChild, tried, until } from './harness.ts'

/** What every engine keeps of the attempts of a hit. */
export function hitQueueHistory(makeHarness: () => Promise<HitQueueHarness>): void {
  test('each charged attempt is kept, oldest first; what is released is not', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const job = newJob()
    const attempts: HitAttempt[] = [
      tried(1, { error_class: 'connection_refused', error: 'refused' }),
      tried(2, { status_code: 503, error_class: 'unexpected_status' }),
      { attempt: 3, started_at: new Date().toISOString(), total_ms: 0.25, status_code: 200 },
    ]
    const [first, second, third] = attempts
    if (first === undefined || second === undefined || third === undefined) throw new Error('three are needed')
    const agains: boolean[] = []
    const gate = Promise.withResolvers<void>()
    queue.start(
      async (_job, { attempt, again }) => {
        agains.push(again)
        if (agains.length === 2 || agains.length === 4) return { kind: 'release', delay_ms: agains.length === 2 ? 0 : 5 }
        if (attempt === 1) return { kind: 'retry', delay_ms: 1, tried: first }
        if (attempt === 2) return { kind: 'retry', delay_ms: 1, tried: second }
        await gate.promise
        return { ...completed, tried: third }
      },
      { concurrency: 1 },
    )
    await queue.enqueue(job)
    await until('the third attempt runs', () => agains.length === 5)
    expect(await queue.find(job.task_id)).toMatchObject({ status: 'pending', attempts: 2, history: [first, second] })
    gate.resolve()
    expect(await finalOf(queue, job.task_id)).toMatchObject({ status: 'completed', attempts: 3, history: attempts })
    expect(await queue.find(job.task_id)).toMatchObject({ attempts: 3, history: attempts })
    expect(agains).toEqual([false, true, true, true, true])
  })

  test('an end without a request adds nothing', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const job = newJob()
    await queue.enqueue(job)
    queue.start(async () => failed, { concurrency: 1 })
    expect(await finalOf(queue, job.task_id)).not.toHaveProperty('history')
  })

  test(`the last ${MAX_HISTORY} are kept`, { timeout: 60_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const job = newJob()
    const last = MAX_HISTORY + 3
    queue.start(async (_job, { attempt }) => (attempt < last ? { kind: 'retry', delay_ms: 0, tried: tried(attempt) } : { ...failed, tried: tried(attempt) }), {
      concurrency: 1,
    })
    await queue.enqueue(job)
    const result = await queue.waitForEnd(job.task_id, AbortSignal.timeout(50_000))
    expect(result).toMatchObject({ status: 'failed', attempts: last })
    expect(result?.history?.map(({ attempt }) => attempt)).toEqual(Array.from({ length: MAX_HISTORY }, (_, n) => n + 4))
  })

  test('it survives the death of the worker, and the next one is told that it runs again', { timeout: 60_000 }, async () => {
    await using harness = await makeHarness()
    const job = newJob()
    const first = tried(1, { status_code: 503 })
    {
      const queue = await harness.open()
      queue.start(async () => ({ kind: 'retry', delay_ms: 10, tried: first }), { concurrency: 1 })
      await queue.enqueue(job)
      await until('it was tried', async () => ((await queue.find(job.task_id))?.attempts ?? 0) > 0)
      await queue[Symbol.asyncDispose]()
    }
    const before = await (async () => {
      const queue = await harness.open()
      const found = await queue.find(job.task_id)
      await queue[Symbol.asyncDispose]()
      return found
    })()
    {
      await using child = new TestChild(harness.store, 'hang')
      await until('it runs', () => child.lines.length === 1)
      expect(child.lines).toEqual([`${job.task_id} ${1 + (before?.attempts ?? 0)}`])
      await child.kill()
    }
    await harness.expireLeases()
    const queue = await harness.open()
    const agains: boolean[] = []
    queue.start(
      async (_job, { attempt, again }) => {
        agains.push(again)
        return { ...completed, tried: tried(attempt) }
      },
      { concurrency: 1 },
    )
    const result = await queue.waitForEnd(job.task_id, AbortSignal.timeout(20_000))
    expect(result?.history).toEqual([...(before?.history ?? []), expect.objectContaining({ attempt: 1 + (before?.attempts ?? 0) })])
    expect(before?.history?.[0]).toEqual(first)
    expect(agains).toEqual([true])
  })
}
