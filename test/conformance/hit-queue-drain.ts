import { expect, test } from 'vitest'
import type { AttemptContext } from '#lib/queue/port.ts'
import { completed, enqueueMany, type HitQueueHarness, newJob, until } from './harness.ts'

/** How every engine ends its work. */
export function hitQueueDrain(makeHarness: () => Promise<HitQueueHarness>): void {
  test('a drain lets what runs end, and takes no more', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const first = newJob()
    const gate = Promise.withResolvers<void>()
    const started: string[] = []
    queue.start(
      async ({ task_id }) => {
        started.push(task_id)
        await gate.promise
        return completed
      },
      // A slot is free, and must not be filled.
      { concurrency: 2 },
    )
    await queue.enqueue(first)
    await until('the first runs', () => started.length === 1)
    const drained = queue.drain(AbortSignal.timeout(30_000))
    const rest = await enqueueMany(queue, 20)
    gate.resolve()
    await drained
    expect(await queue.find(first.task_id)).toMatchObject({ status: 'completed' })
    expect(started).toEqual([first.task_id])
    for (const { task_id } of rest) expect(await queue.find(task_id)).toMatchObject({ attempts: 0 })
    expect((await queue.health()).counts).toMatchObject({ active: 0 })
  })

  test('at the deadline of a drain what runs is aborted and given back uncharged, heeding its signal or not', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const jobs = await enqueueMany(queue, 2)
    const contexts: AttemptContext[] = []
    queue.start(
      (_job, context) => {
        contexts.push(context)
        const heeds = contexts.length === 1
        return new Promise((resolve) => {
          if (heeds) context.signal.addEventListener('abort', () => resolve({ kind: 'release', delay_ms: 0 }))
        })
      },
      { concurrency: 2 },
    )
    await until('both run', () => contexts.length === 2)
    const deadline = new AbortController()
    const drained = queue.drain(deadline.signal)
    expect(contexts.map(({ signal }) => signal.aborted)).toEqual([false, false])
    const start = performance.now()
    deadline.abort()
    await drained
    expect(performance.now() - start).toBeLessThan(1500)
    expect(contexts.map(({ signal }) => signal.aborted)).toEqual([true, true])
    await queue[Symbol.asyncDispose]()

    const next = await harness.open()
    const attempts: number[] = []
    next.start(
      async (_job, { attempt }) => {
        attempts.push(attempt)
        return completed
      },
      { concurrency: 2 },
    )
    // At once: given back, not left to its lease.
    for (const { task_id } of jobs) expect(await next.waitForEnd(task_id, AbortSignal.timeout(3000))).toMatchObject({ status: 'completed', attempts: 1 })
    expect(attempts).toEqual([1, 1])
  })
}
