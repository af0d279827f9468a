import type { Clock } from '#lib/runtime/clock.ts'

/** No two hits of a destination come back nearer to each other than this, in ms, unless the line is full. */
const MIN_STEP_MS = 5
/** The longest delay beyond the time at which the destination can be tried, in ms: a guess must not park hits for long. */
const MAX_DELAY_MS = 30_000
/**
 * Beyond that, where other destinations need the worker's slots, hits come back at this step, in ms, up to the longest delay of
 * all: a line of 10,000 then asks for a slot 33 times a second, and not 330 times.
 */
const LATE_STEP_MS = 30
const MAX_LATE_DELAY_MS = 5 * 60_000
/** A delay varies by this share, so that workers on one store do not come at the same time. */
const JITTER = 0.1

/**
 * Gives released hits places in a line that nobody keeps: each comes back a step after the one before (GCRA with no
 * burst), so that they meet their destination at the pace at which it takes them, and not all at once.
 */
export class WaitingLine {
  readonly #clock: Pick<Clock, 'random'>
  #last = 0

  constructor(clock: Pick<Clock, 'random'>) {
    this.#clock = clock
  }

  /**
   * The delay of the next released hit.
   * @param now monotonic ms
   * @param from when the first may come, monotonic ms
   * @param step how long the destination takes for one, ms
   * @param sparing whether others need the slots
   * @returns ms, at least 1
   */
  delay(now: number, from: number, step: number, sparing: boolean): number {
    const first = Math.max(now, from)
    const last = Math.max(this.#last, first)
    const honest = Math.max(step, MIN_STEP_MS)
    const place = last + (sparing && last - first >= MAX_DELAY_MS ? Math.min(honest, LATE_STEP_MS) : honest) - first
    const longest = sparing ? MAX_LATE_DELAY_MS : MAX_DELAY_MS
    const random = this.#clock.random()
    this.#last = first + Math.min(place, longest)
    // Beyond the end of the line there is no order: spread over its second half.
    const delay = place > longest ? longest * (1 - random / 2) : place * (1 + JITTER * (2 * random - 1))
    return Math.max(1, Math.round(first + delay - now))
  }
}
