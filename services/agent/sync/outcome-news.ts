import { isDeepStrictEqual } from 'node:util'
import { type HitOutcome, OUTCOME_WINDOW_SECONDS } from '#lib/contract/outcome.ts'

/**
 * What became of the worker's hits, and whether its controller is to be told. Told where it has changed, and no more often
 * than the gap says; where the worker has had none for a while, or has not said so for as long, that is told too, so that
 * nothing old stands for ever. Moments are monotonic ms.
 */
export class OutcomeNews {
  readonly #gapMs: number
  #newest: readonly HitOutcome[] = []
  /** Until when that holds. */
  #until = Number.NEGATIVE_INFINITY
  /** What the controller has, for sure, and when it was told. */
  #told: readonly HitOutcome[] = []
  #toldAt = Number.NEGATIVE_INFINITY
  /** Whether the controller has refused a report that held them. */
  #refused = false

  /** @param gapMs between two reports that only these are a reason for */
  constructor(gapMs: number) {
    this.#gapMs = gapMs
  }

  /** The worker says so. */
  set(outcomes: readonly HitOutcome[], now: number): void {
    this.#newest = outcomes
    this.#until = now + OUTCOME_WINDOW_SECONDS * 1000
  }

  /** What a report says at this moment. */
  at(now: number): readonly HitOutcome[] {
    return this.#refused || now >= this.#until ? [] : this.#newest
  }

  /** In how many ms a report is due for these alone; infinite where there is nothing to tell. */
  dueInMs(now: number): number {
    if (!isDeepStrictEqual(this.at(now), this.#told)) return Math.max(0, this.#toldAt + this.#gapMs - now)
    return this.#told.length === 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.#until - now)
  }

  /** A report that says this was taken. */
  told(outcomes: readonly HitOutcome[], now: number): void {
    // A report that says nothing of hits, as before, does not keep the first of them waiting.
    if (outcomes.length > 0 || this.#told.length > 0) this.#toldAt = now
    this.#told = outcomes
  }

  /** The controller takes no report that holds outcomes: it is of another version. Until the next registration there are none. */
  refused(): void {
    this.#refused = true
  }

  /** The controller may be another by now, and is told anew with the state. */
  startAnew(): void {
    this.#refused = false
    this.#told = []
  }
}
