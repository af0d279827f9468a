import { expect, test } from 'vitest'
import type { AttemptOutcome, Unqueued } from '#lib/queue/port.ts'
import { QueueUnavailableError } from '#lib/queue/port.ts'
import { completed, type HitQueueHarness, newJob, recordingLogger, until } from './harness.ts'

/** As `error` in pino's lines. */
const ERROR = 50

/**
 * What every engine does while its store is away.
 * @param faults names of the harness's faults
 */
export function hitQueueOutages(makeHarness: () => Promise<HitQueueHarness>, faults: readonly string[]): void {
  test.each(faults)('%s: hits are refused within about a second, with one log line, and taken again afterwards', { timeout: 60_000 }, async (name) => {
    await using harness = await makeHarness()
    const fault = harness.faults.find((one) => one.name === name)
    if (fault === undefined) throw new Error(`the harness has no fault ${name}`)
    const { logger, lines } = recordingLogger()
    const queue = await harness.open({ logger })
    const ran = new Set<string>()
    let outcome = Promise.withResolvers<AttemptOutcome>()
    queue.start(
      async ({ task_id }) => {
        ran.add(task_id)
        return outcome.promise
      },
      { concurrency: 1 },
    )
    const during = newJob()
    await queue.enqueue(during)
    await until('a hit runs', () => ran.has(during.task_id))

    await fault.strike()
    const outcomes = new Map<string, Unqueued>()
    for (let time = 0; time < 4; time += 1) {
      const start = performance.now()
      const job = newJob({ request: { body: 'x'.repeat(20_000) } })
      const error = await queue.enqueue(job).catch((error: unknown) => error)
      if (!(error instanceof QueueUnavailableError)) throw new Error(`enqueue answered ${String(error)}`)
      outcomes.set(job.task_id, error.outcome)
      expect(performance.now() - start).toBeLessThan(1500)
    }
    // The first may have been under way when the store went.
    expect([...outcomes.values()].slice(1)).toEqual([fault.outcome, fault.outcome, fault.outcome])
    // A hit ends while its result cannot be written.
    outcome.resolve(completed)
    await expect(queue.enqueue(newJob())).rejects.toBeInstanceOf(QueueUnavailableError)
    await fault.repair()

    // By itself: what ended meanwhile has its result, and new hits are taken and run.
    expect(
      await until('its result is there', () =>
        queue.find(during.task_id).then(
          (hit) => hit?.status === 'completed' && hit,
          () => false,
        ),
      ),
    ).toMatchObject({ attempts: 1 })
    outcome = Promise.withResolvers()
    outcome.resolve(completed)
    const after = newJob()
    await until('a hit is taken', () =>
      queue.enqueue(after).then(
        () => true,
        () => false,
      ),
    )
    await until('it ran', () => ran.has(after.task_id))
    // Said to be refused, so it is not there: neither run nor queued. Of the others nothing was said.
    for (const [taskId, said] of outcomes) {
      if (said === 'unknown') continue
      expect(ran).not.toContain(taskId)
      expect(await queue.find(taskId)).toBeUndefined()
    }
    expect((await queue.health()).ok).toBe(true)
    await until('the recovery is logged', () => lines.some(({ msg }) => msg.includes('is back after')))
    expect(lines.filter(({ level }) => level >= ERROR).map(({ msg }) => msg)).toEqual([expect.stringContaining('cannot be used')])
    expect(lines.filter(({ msg }) => msg.includes('is back after'))).toHaveLength(1)
  })
}
