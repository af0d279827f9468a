import { expect, test } from 'vitest'
import { MAX_CRASHES } from '#lib/queue/port.ts'
import { completeAll, completed, type HitQueueHarness, newJob, TestChild, until } from './harness.ts'

/** What every engine keeps through the death of its process, and of its store. */
export function hitQueueCrashes(makeHarness: () => Promise<HitQueueHarness>): void {
  test('what was acknowledged is there after kill -9', { timeout: 60_000 }, async () => {
    await using harness = await makeHarness()
    await using child = new TestChild(harness.store, 'enqueue')
    await until('some are acknowledged', () => child.lines.length >= 200)
    await child.kill()
    const queue = await harness.open()
    // The last line may be cut short by the kill.
    const acknowledged = child.lines.filter((line) => line.length === 36)
    const found = await Promise.all(acknowledged.map((id) => queue.find(id)))
    expect(found.filter((hit) => hit?.status !== 'queued')).toEqual([])
  })

  test("a killed worker's hit is run again within 15 s, twice in a row, and no attempt is charged", { timeout: 90_000 }, async () => {
    await using harness = await makeHarness()
    const job = newJob()
    {
      const queue = await harness.open()
      await queue.enqueue(job)
      await queue[Symbol.asyncDispose]()
    }
    for (const kill of [1, 2]) {
      await using child = new TestChild(harness.store, 'hang')
      await until(`it runs, ${kill}`, () => child.lines.length === 1)
      expect(child.lines).toEqual([`${job.task_id} 1`])
      await child.kill()
    }
    const killed = performance.now()
    const queue = await harness.open()
    expect(await queue.find(job.task_id)).toMatchObject({ status: 'pending', attempts: 0 })
    queue.start(async () => completed, { concurrency: 1 })
    expect(await queue.waitForEnd(job.task_id, AbortSignal.timeout(20_000))).toMatchObject({ status: 'completed', attempts: 1 })
    expect(performance.now() - killed).toBeLessThan(15_000)
  })

  test(`a hit that takes its worker down ${MAX_CRASHES} times ends failed, class internal`, { timeout: 90_000 }, async () => {
    await using harness = await makeHarness()
    const job = newJob()
    {
      const queue = await harness.open()
      await queue.enqueue(job, { idempotencyKey: 'a deadly one' })
      await queue[Symbol.asyncDispose]()
    }
    for (let crash = 1; crash <= MAX_CRASHES; crash += 1) {
      await using child = new TestChild(harness.store, 'die')
      await until(`worker ${crash} is down`, () => child.ended)
      await harness.expireLeases()
    }
    const queue = await harness.open()
    const ran = completeAll(queue, 1)
    expect(await queue.waitForEnd(job.task_id, AbortSignal.timeout(15_000))).toMatchObject({ status: 'failed', error_class: 'internal', attempts: 0 })
    expect(ran).toEqual([])
    expect(await queue.enqueue(newJob(), { idempotencyKey: 'a deadly one' })).toEqual({ task_id: job.task_id, duplicate: true })
  })
}
