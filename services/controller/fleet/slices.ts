import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '#lib/runtime/clock.ts'

/** How long one turn of a pass may hold the event loop, in ms. */
const SLICE_MS = 5
/** How many agents are looked at between two looks at the clock. */
const STRIDE = 256

/** Parts a pass over the fleet into turns, so that two hundred thousand agents do not hold up those who wait for a config. */
export class Slices {
  readonly #clock: Pick<Clock, 'monotonic'>
  #began: number
  #steps = 0

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
    this.#began = clock.monotonic()
  }

  /** Counts a step, and says whether this turn has lasted long enough. */
  due(): boolean {
    return ++this.#steps % STRIDE === 0 && this.#clock.monotonic() - this.#began >= SLICE_MS
  }

  /** Lets the event loop turn. */
  async next(): Promise<void> {
    await turn()
    this.#began = this.#clock.monotonic()
  }
}
