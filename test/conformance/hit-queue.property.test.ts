import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import type { AttemptOutcome, HitProcessor } from '#lib/queue/port.ts'
import { openSqliteHitQueue } from '#lib/queue/sqlite/open.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { completed, newJob, retryIn } from './harness.ts'

/** What an attempt may answer before the last one. */
const outcomes = {
  retry: retryIn(3),
  'retry at once': retryIn(0),
  release: { kind: 'release', delay_ms: 0 },
  'release later': { kind: 'release', delay_ms: 3 },
} satisfies Record<string, AttemptOutcome>
type Step = keyof typeof outcomes

const steps = fc.array(fc.constantFrom<Step>('retry', 'retry at once', 'release', 'release later'), { maxLength: 5 })
const isRetry = (step: Step) => outcomes[step].kind === 'retry'

test('however attempts end, and whenever the worker is restarted: each hit ends once, and only retries are charged', { timeout: 120_000 }, async () => {
  const scenario = fc.asyncProperty(
    fc.array(steps, { minLength: 1, maxLength: 12 }),
    fc.integer({ min: 1, max: 5 }),
    fc.nat(25),
    async (scripts, concurrency, restartAfter) => {
      const folder = mkdtempSync(join(tmpdir(), 'dcm-hits-'))
      const open = () => openSqliteHitQueue({ path: join(folder, 'hits.db'), logger: silentLogger, clock: systemClock })
      try {
        const hits = new Map(scripts.map((script) => [newJob().task_id, { script, at: 0 }]))
        const ends: string[] = []
        let answers = 0
        const restart = Promise.withResolvers<void>()
        /** Answers by the script; from `restartAfter` answers on it hangs until it is aborted, if `cut` says so. */
        const process =
          (cut: boolean): HitProcessor =>
          async ({ task_id }, { attempt, signal }) => {
            const hit = hits.get(task_id)
            if (hit === undefined) throw new Error(`ran ${task_id}, which nobody enqueued`)
            expect(attempt).toBe(1 + hit.script.slice(0, hit.at).filter(isRetry).length)
            if (cut && answers >= restartAfter) {
              restart.resolve()
              await new Promise((resolve) => signal.addEventListener('abort', resolve))
              return { kind: 'release', delay_ms: 0 }
            }
            answers += 1
            const step = hit.script[hit.at]
            hit.at += 1
            if (step !== undefined) return outcomes[step]
            ends.push(task_id)
            return completed
          }

        const first = open()
        await Promise.all([...hits.keys()].map((task_id) => first.enqueue(newJob({ task_id }))))
        first.start(process(true), { concurrency })
        const all = Promise.all([...hits.keys()].map((id) => first.waitForEnd(id, AbortSignal.timeout(20_000))))
        await Promise.race([restart.promise, all])
        await first[Symbol.asyncDispose]()
        await all.catch(() => {})

        const second = open()
        second.start(process(false), { concurrency })
        for (const [task_id, { script }] of hits) {
          const end = await second.waitForEnd(task_id, AbortSignal.timeout(20_000))
          expect(end).toMatchObject({ status: 'completed', attempts: 1 + script.filter(isRetry).length })
        }
        expect(ends.toSorted()).toEqual([...hits.keys()].toSorted())
        expect((await second.health()).counts).toEqual({ queued: 0, active: 0, delayed: 0 })
        await second[Symbol.asyncDispose]()
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )
  await fc.assert(scenario, { numRuns: 40 })
})
