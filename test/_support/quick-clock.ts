import { type Clock, systemClock } from '#lib/runtime/clock.ts'

const TIMES = 10

/**
 * The machine's clock, ten times as fast: backoffs and poll intervals are waited out in a tenth of their time. For tests
 * in which nothing must be done within such a time: on a slow machine that would be ten times as hard.
 */
export const quickClock: Clock = {
  ...systemClock,
  monotonic: () => systemClock.monotonic() * TIMES,
  sleep: (ms, signal) => systemClock.sleep(ms / TIMES, signal),
}
