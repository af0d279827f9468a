import { expect, test } from 'vitest'
import { completeAll, completed, finalOf, type HitQueueHarness, newJob, until } from './harness.ts'

/** What every engine does with idempotency keys. */
export function hitQueueKeys(makeHarness: () => Promise<HitQueueHarness>): void {
  test('one idempotency key gives one task, at the same time and after its end', async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const key = { idempotencyKey: 'order 17' }
    const answers = await Promise.all(Array.from({ length: 20 }, () => queue.enqueue(newJob(), key)))
    const ids = new Set(answers.map(({ task_id }) => task_id))
    expect(ids.size).toBe(1)
    expect(answers.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
    const [taskId = ''] = ids

    const ran = completeAll(queue, 5)
    await finalOf(queue, taskId)
    expect(await queue.enqueue(newJob(), key)).toEqual({ task_id: taskId, duplicate: true })
    expect(ran).toEqual([taskId])
  })

  test('no moment lets a second task in under one idempotency key', { timeout: 30_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const ran = new Set<string>()
    queue.start(
      async ({ task_id }) => {
        ran.add(task_id)
        return completed
      },
      { concurrency: 5 },
    )
    const tasks = new Set<string>()
    for (let round = 0; round < 20; round += 1) {
      const key = { idempotencyKey: `order ${round}` }
      const ids = new Set<string>()
      // Asked for all the time, by several at a time, while it is taken, runs and ends.
      const ask = async () => {
        for (;;) {
          const { task_id } = await queue.enqueue(newJob(), key)
          ids.add(task_id)
          if ((await queue.find(task_id))?.status === 'completed') return
        }
      }
      await Promise.all(Array.from({ length: 12 }, ask))
      expect(ids.size).toBe(1)
      for (const id of ids) tasks.add(id)
    }
    await until('nothing is left', async () => (await queue.health()).counts?.queued === 0)
    expect(ran).toEqual(tasks)
  })
}
