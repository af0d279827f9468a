import type { Clock } from '#lib/runtime/clock.ts'
import { AttemptStopped, HitFailure } from './failure.ts'

/** The one signal that everything in an attempt listens to. */
export interface Deadline extends Disposable {
  /** Aborts with a HitFailure `timeout` when the time is over, with {@link AttemptStopped} when told to stop. */
  readonly signal: AbortSignal
}

/**
 * Starts the one deadline of an attempt: it covers resolving, connecting, redirects and the body.
 * @param stops abort it from outside: the drain, the end of the executor
 */
export function startDeadline(timeoutMs: number, stops: readonly AbortSignal[], clock: Pick<Clock, 'sleep'>): Deadline {
  const controller = new AbortController()
  const over = new AbortController()
  const onStop = () => controller.abort(new AttemptStopped('the attempt was stopped'))
  for (const stop of stops) {
    if (stop.aborted) onStop()
    else stop.addEventListener('abort', onStop, { once: true })
  }
  void clock.sleep(timeoutMs, over.signal).then(() => {
    if (!over.signal.aborted) controller.abort(new HitFailure('timeout', `no complete answer within ${timeoutMs / 1000} s`))
  })
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      over.abort()
      for (const stop of stops) stop.removeEventListener('abort', onStop)
    },
  }
}
