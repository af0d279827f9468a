import type { HitJob, HitOutcomeResult } from '#lib/queue/port.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { createExecutor, type Executor, type ExecutorOptions } from '#services/worker/hits/execute.ts'
import { createGuard } from '#services/worker/hits/guard.ts'

/** An executor that takes any target and gives up after two seconds; it is closed with the test's scope. */
export function testExecutor(options: Partial<ExecutorOptions> = {}): Executor & AsyncDisposable {
  const guard = createGuard({ targets: 'any', ownListeners: () => [] })
  const executor = createExecutor({ guard, clock: systemClock, timeoutMs: 2000, ...options })
  return { ...executor, [Symbol.asyncDispose]: () => executor.close() }
}

/** A job for a URL. */
export const jobFor = (url: string, request?: HitJob['request']): HitJob => ({
  task_id: '0d4f6f0e-0f9e-4f4e-8d6e-5b1d3b0f1a10',
  url,
  ...(request ? { request } : {}),
  config_version: 1,
  enqueued_at: 0,
})

/** A signal that never aborts. */
export const noStop = (): AbortSignal => new AbortController().signal

/** Makes one attempt and gives its result; fails the test where the attempt was stopped. */
export async function hit(executor: Executor, url: string, request?: HitJob['request']): Promise<HitOutcomeResult> {
  const outcome = await executor.execute(jobFor(url, request), noStop())
  if (outcome.kind === 'stopped') throw new Error(`the attempt was ${outcome.kind}`)
  return outcome.result
}
