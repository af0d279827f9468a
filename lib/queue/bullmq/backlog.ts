import type { Clock } from '../../runtime/clock.ts'
import { BacklogFullError } from '../port.ts'

/** How often is counted while hits are being taken. */
const COUNT_EVERY_MS = 500

/** A count of this age is taken as it is where it says that no more may wait; an older one is made anew first. */
const FRESH_MS = 50

/** What a backlog needs. */
export interface BacklogOptions {
  /** How many may wait. */
  readonly most: number
  /** How many wait; a command to Redis. */
  readonly count: () => Promise<number>
  readonly clock: Clock
  /** Aborted when the queue is closed. */
  readonly closed: AbortSignal
}

/**
 * Says whether another hit may wait. Redis is asked twice a second while hits are taken, and what was taken since is added: no
 * hit pays for a round trip, and an idle queue asks nothing. Only where that says that no more may wait is Redis asked first,
 * together for all who ask at that moment.
 */
export class Backlog {
  readonly #options: BacklogOptions
  #counted = 0
  /** When the last count was made, monotonic ms. */
  #countedAt = Number.NEGATIVE_INFINITY
  /** Taken here since that count was asked for. */
  #taken = 0
  #counting: Promise<void> | undefined
  #watching = false

  constructor(options: BacklogOptions) {
    this.#options = options
  }

  /**
   * Takes room for hits that are about to be queued.
   * @throws BacklogFullError where there is none
   */
  async take(hits: number): Promise<void> {
    if (this.#fits(hits)) return
    const { clock, most } = this.#options
    // One that is under way may have been asked before the last hits ended, and is no older than a round trip.
    if (this.#counting !== undefined || clock.monotonic() - this.#countedAt > FRESH_MS) await this.look()
    if (!this.#fits(hits)) throw new BacklogFullError(this.#counted + this.#taken, most)
  }

  /** Gives back room of hits that were not queued. */
  giveBack(hits: number): void {
    this.#taken = Math.max(0, this.#taken - hits)
  }

  /** Counts, or waits for the count that is under way. Where Redis is away, what was known stands: enqueues fail by themselves. */
  look(): Promise<void> {
    this.#counting ??= this.#ask().finally(() => {
      this.#counting = undefined
    })
    return this.#counting
  }

  #fits(hits: number): boolean {
    if (this.#counted + this.#taken + hits > this.#options.most) return false
    this.#taken += hits
    this.#watch()
    return true
  }

  #watch(): void {
    if (this.#watching) return
    this.#watching = true
    void this.#countWhileTaken()
  }

  async #countWhileTaken(): Promise<void> {
    const { clock, closed } = this.#options
    // At once too: after a pause nothing is known of what others have queued.
    do {
      await this.look()
      await clock.sleep(COUNT_EVERY_MS, closed)
    } while (this.#taken > 0 && !closed.aborted)
    this.#watching = false
  }

  async #ask(): Promise<void> {
    const { count, clock } = this.#options
    const before = this.#taken
    try {
      this.#counted = await count()
      this.#countedAt = clock.monotonic()
      this.#taken = Math.max(0, this.#taken - before)
    } catch {
      // Redis is away.
    }
  }
}
