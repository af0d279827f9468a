import { expect, test } from 'vitest'
import { BacklogFullError, type HitQueue } from '#lib/queue/port.ts'
import { completed, enqueueMany, failed, finalOf, type HitQueueHarness, newJob, retryIn, until } from './harness.ts'

const isFull = async (queue: HitQueue): Promise<boolean> => {
  const answer = await queue.enqueue(newJob()).catch((error: unknown) => error)
  if (answer instanceof Error && !(answer instanceof BacklogFullError)) throw answer
  return answer instanceof BacklogFullError
}

/** What every engine does where as many hits wait as may. What it counts may be half a second old. */
export function hitQueueBacklog(makeHarness: () => Promise<HitQueueHarness>): void {
  test('no more hits are taken than may wait, and again once there is room', { timeout: 30_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open({ maxBacklog: 10 })
    await enqueueMany(queue, 10)
    await until('it is full', () => isFull(queue))
    const { queued } = await queue.counts()
    const refused = newJob()
    await expect(queue.enqueue(refused)).rejects.toThrow(/^\d+ hits wait, and at most 10 may$/)
    await expect(queue.enqueue(refused, { idempotencyKey: 'k' })).rejects.toBeInstanceOf(BacklogFullError)
    expect(await queue.find(refused.task_id)).toBeUndefined()
    expect((await queue.counts()).queued).toBe(queued)
    queue.start(async () => completed, { concurrency: 2 })
    // Neither the hit nor its key was taken.
    const taken = await until('there is room', () => queue.enqueue(refused, { idempotencyKey: 'k' }).catch(() => undefined))
    expect(taken).toEqual({ task_id: refused.task_id, duplicate: false })
    expect(await finalOf(queue, refused.task_id)).toMatchObject({ status: 'completed' })
  })

  test('hits that run do not wait; those that wait for a time do', { timeout: 30_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open({ maxBacklog: 2 })
    const gate = Promise.withResolvers<void>()
    let runs = 0
    queue.start(
      async () => {
        runs += 1
        if (runs > 2) return retryIn(60_000)
        await gate.promise
        return completed
      },
      { concurrency: 3 },
    )
    for (let hit = 1; hit <= 3; hit += 1) await until(`hit ${hit} is taken`, async () => !(await isFull(queue)))
    await until('two run and one waits for its next attempt', async () => {
      const { active, delayed } = await queue.counts()
      return active === 2 && delayed === 1
    })
    await until('one more is taken', async () => !(await isFull(queue)))
    await until('that one waits too', async () => (await queue.counts()).delayed === 2)
    await until('now it is full', () => isFull(queue))
    gate.resolve()
  })

  test('a key that was seen gives its task though it is full, and ended hits may be queued again', { timeout: 30_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open({ maxBacklog: 3 })
    const [ended, keyed] = [newJob(), newJob()]
    await queue.enqueue(ended)
    queue.start(async () => failed, { concurrency: 1 })
    await finalOf(queue, ended.task_id)
    await queue.pause()
    await until('one is taken', () => queue.enqueue(keyed, { idempotencyKey: 'k' }).catch(() => undefined))
    await until('it is full', () => isFull(queue))
    expect(await queue.enqueue(newJob(), { idempotencyKey: 'k' })).toEqual({ task_id: keyed.task_id, duplicate: true })
    expect(await queue.retry(ended.task_id)).toBe('retried')
  })
}
