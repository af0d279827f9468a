import type { Clock } from './clock.ts'

/**
 * The longest single wait, in ms. A timer takes no more than 2^31 - 1 (25 days), and counts by the monotonic clock: a
 * wall clock that was set meanwhile is noticed within this time.
 */
const LOOK_MS = 30_000

/** Rings at a moment of the wall clock, however many years away that is. Holds no process up. */
export class Alarm {
  readonly #clock: Pick<Clock, 'now'>
  readonly #ring: () => void
  #at = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  /** @param ring called once for each moment that was set and has come */
  constructor(clock: Pick<Clock, 'now'>, ring: () => void) {
    this.#clock = clock
    this.#ring = ring
  }

  /** @param at ms since the epoch; infinite: it does not ring. What was set before is forgotten */
  set(at: number): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#at = at
    if (at === Number.POSITIVE_INFINITY) return
    this.#timer = setTimeout(() => this.#look(), Math.min(Math.max(1, at - this.#clock.now()), LOOK_MS)).unref()
  }

  #look(): void {
    if (this.#clock.now() < this.#at) this.set(this.#at)
    else {
      this.set(Number.POSITIVE_INFINITY)
      this.#ring()
    }
  }
}
