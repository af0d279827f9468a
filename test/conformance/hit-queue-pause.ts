import { expect, test } from 'vitest'
import { completeAll, completed, enqueueMany, finalOf, type HitQueueHarness, newJob, retryIn, until } from './harness.ts'

/**
 * What every engine does while it is paused.
 * @param options.shared whether two queues can be open on one store
 */
export function hitQueuePause(makeHarness: () => Promise<HitQueueHarness>, { shared }: { readonly shared: boolean }): void {
  test('a paused queue takes hits and begins none; what runs goes on', { timeout: 30_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    const first = newJob()
    const started: string[] = []
    const gate = Promise.withResolvers<void>()
    queue.start(
      async ({ task_id }, { attempt }) => {
        started.push(task_id)
        if (task_id !== first.task_id || attempt > 1) return completed
        await gate.promise
        return retryIn(1)
      },
      { concurrency: 2 },
    )
    await queue.enqueue(first)
    await until('it runs', () => started.length === 1)
    expect((await queue.counts()).paused).toBe(false)
    await queue.pause()
    await queue.pause()
    expect((await queue.counts()).paused).toBe(true)
    const rest = await enqueueMany(queue, 5)
    gate.resolve()
    // Due at once, and held back as well.
    await until('its first attempt has ended', async () => (await queue.find(first.task_id))?.attempts === 1)
    await until('it is due', async () => (await queue.counts()).delayed === 0)
    expect(started).toEqual([first.task_id])
    expect(await queue.counts()).toMatchObject({ queued: 6, active: 0, paused: true })
    await queue.resume()
    await queue.resume()
    for (const { task_id } of [first, ...rest]) expect(await finalOf(queue, task_id)).toMatchObject({ status: 'completed' })
    expect((await queue.counts()).paused).toBe(false)
    expect(started.filter((id) => id !== first.task_id)).toEqual(rest.map(({ task_id }) => task_id))
  })

  test('a pause holds through a restart, and so does its end', { timeout: 30_000 }, async () => {
    await using harness = await makeHarness()
    const job = newJob()
    {
      const queue = await harness.open()
      await queue.pause()
      await queue.enqueue(job)
      await queue[Symbol.asyncDispose]()
    }
    {
      const queue = await harness.open()
      expect((await queue.counts()).paused).toBe(true)
      const ran = completeAll(queue, 2)
      const more = await enqueueMany(queue, 20)
      expect(ran).toEqual([])
      await queue.resume()
      for (const { task_id } of [job, ...more]) expect(await finalOf(queue, task_id)).toMatchObject({ status: 'completed' })
      await queue[Symbol.asyncDispose]()
    }
    const queue = await harness.open()
    expect((await queue.counts()).paused).toBe(false)
    completeAll(queue, 1)
    const after = newJob()
    await queue.enqueue(after)
    expect(await finalOf(queue, after.task_id)).toMatchObject({ status: 'completed' })
  })

  test('no hit begins once a pause is answered, however busy the queue is', { timeout: 60_000 }, async () => {
    await using harness = await makeHarness()
    const queue = await harness.open()
    let begun = 0
    let ended = 0
    queue.start(
      async () => {
        begun += 1
        await new Promise((resolve) => setImmediate(resolve))
        ended += 1
        return completed
      },
      { concurrency: 4 },
    )
    await queue.enqueueMany(Array.from({ length: 400 }, () => newJob()))
    for (let round = 1; round <= 8; round += 1) {
      await until('some more have begun', () => begun >= round * 30)
      await queue.pause()
      const atPause = begun
      await until('what ran has ended', async () => begun === ended && (await queue.counts()).active === 0)
      await enqueueMany(queue, 2)
      expect(begun).toBe(atPause)
      await queue.resume()
    }
    await until('all have ended', async () => (await queue.counts()).completed === 416)
  })

  if (!shared) return
  test('a pause holds for every worker on the store', { timeout: 30_000 }, async () => {
    await using harness = await makeHarness()
    const [one, other] = [await harness.open(), await harness.open()]
    const ran = completeAll(one, 2)
    await other.pause()
    expect((await one.counts()).paused).toBe(true)
    const jobs = await enqueueMany(one, 10)
    const third = await harness.open()
    const ranThere = completeAll(third, 2)
    await enqueueMany(third, 5)
    expect([ran, ranThere]).toEqual([[], []])
    expect(await other.counts()).toMatchObject({ queued: 15, active: 0, paused: true })
    await third.resume()
    for (const { task_id } of jobs) expect(await finalOf(other, task_id)).toMatchObject({ status: 'completed' })
    await until('all have ended', async () => (await other.counts()).completed === 15)
    expect(ran.length + ranThere.length).toBe(15)
  })
}
