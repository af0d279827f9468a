import type { Clock } from '#lib/runtime/clock.ts'

/**
 * Runs something for whoever asks, one run at a time: all who ask while one is under way share the next. A run that
 * began before the question is never the answer to it, since what it found may be older.
 */
export class SharedFlight<T> {
  readonly #work: () => Promise<T>
  readonly #gapMs: number
  readonly #clock: Pick<Clock, 'monotonic' | 'sleep'>
  #running: Promise<T> | undefined
  #next: Promise<T> | undefined
  #endedAt = Number.NEGATIVE_INFINITY

  /** @param options.gapMs how long after the end of a run the next begins at the earliest */
  constructor(work: () => Promise<T>, options: { readonly gapMs: number; readonly clock: Pick<Clock, 'monotonic' | 'sleep'> }) {
    this.#work = work
    this.#gapMs = options.gapMs
    this.#clock = options.clock
  }

  /** What a run gives that begins after this call; rejects as the run does. */
  join(): Promise<T> {
    this.#next ??= this.#take()
    return this.#next
  }

  async #take(): Promise<T> {
    // How the one under way ends is for those who wait for it.
    await this.#running?.catch(() => {})
    const waitMs = this.#endedAt + this.#gapMs - this.#clock.monotonic()
    if (waitMs > 0) await this.#clock.sleep(waitMs)
    this.#next = undefined
    this.#running = this.#work().finally(() => {
      this.#endedAt = this.#clock.monotonic()
    })
    return this.#running
  }
}
