import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '#lib/runtime/clock.ts'

/** How long one turn of a pass may hold the event loop, in ms. */
const SLICE_MS = 5
/** How many agents are looked at between two looks at the clock. */
const STRIDE = 256

/** Parts a pass over the fleet into turns, so that two hundred thousand agents do not hold up those who wait for a config. */
export class Slices {
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #turn: () => Promise<void>
  #began: number
  #steps = 0

  /** @param turn resolves where this pass may go on */
  constructor(clock: Pick<Clock, 'monotonic'>, turn: () => Promise<void>) {
    this.#clock = clock
    this.#turn = turn
    this.#began = clock.monotonic()
  }

  /** Counts a step, and says whether this turn has lasted long enough. */
  due(): boolean {
    return ++this.#steps % STRIDE === 0 && this.#clock.monotonic() - this.#began >= SLICE_MS
  }

  /** Lets the event loop turn, and the other passes that wait. */
  async next(): Promise<void> {
    await this.#turn()
    this.#began = this.#clock.monotonic()
  }
}

/**
 * All passes over one fleet: in one turn of the event loop at most one of them goes on, so that a hundred who ask for the
 * inventory at once hold it no longer than one does.
 */
export class Passes {
  readonly #clock: Pick<Clock, 'monotonic'>
  /** Resolves in the last turn that was given away. */
  #last: Promise<void> = Promise.resolve()

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  /** Waits for the first turn of a pass: also what it does before it yields counts. */
  async begin(): Promise<Slices> {
    const slices = new Slices(this.#clock, () => this.#turn())
    await slices.next()
    return slices
  }

  #turn(): Promise<void> {
    this.#last = this.#last.then(() => turn())
    return this.#last
  }
}

/** The turns of work that is no pass over a fleet, and that nobody else waits for. */
export const slicesOf = (clock: Pick<Clock, 'monotonic'>): Slices => new Slices(clock, () => turn())
