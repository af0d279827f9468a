import type { Logger, LogPart } from '../observe/logger.ts'
import type { Clock } from '../runtime/clock.ts'

/** What an outage is told about, and in whose name. */
export interface OutageOptions {
  readonly logger: Logger
  readonly clock: Clock
  readonly part: LogPart
  /** The store, as the log names it: `Redis at 127.0.0.1:6379`, or a file. */
  readonly store: string
  /** Called once when an outage begins. */
  readonly onDown?: () => void
  /** From its abort on, nothing is an outage: what fails then was closed. */
  readonly closed: AbortSignal
}

/** Whether the store is away. Says so once when it goes and once when it is back, however often it is asked in between. */
export class Outage {
  readonly #options: OutageOptions
  #since: number | undefined
  #reason: string | undefined
  /** When it was back the last time, by the monotonic clock. */
  #backAt = Number.NEGATIVE_INFINITY

  constructor(options: OutageOptions) {
    this.#options = options
  }

  get isDown(): boolean {
    return this.#since !== undefined
  }

  /** Why the store is away, as the first failure said; undefined while it is there. */
  get reason(): string | undefined {
    return this.#reason
  }

  /**
   * Something failed since the store is away.
   * @param began when it began, by the monotonic clock, where it took its time: what began before the store was back says nothing of now
   */
  down(error: unknown, began = Number.POSITIVE_INFINITY): void {
    const { logger, clock, part, store, onDown, closed } = this.#options
    if (this.#since !== undefined || closed.aborted || began < this.#backAt) return
    this.#since = clock.monotonic()
    const reason = error instanceof Error ? error.message || error.name : String(error)
    this.#reason = reason
    logger.error(part, `${store} cannot be used: ${reason}. Hits are refused until it is back; this line is not repeated`)
    onDown?.()
  }

  up(): void {
    if (this.#since === undefined) return
    const { logger, clock, part, store } = this.#options
    const seconds = (clock.monotonic() - this.#since) / 1000
    this.#since = undefined
    this.#reason = undefined
    this.#backAt = clock.monotonic()
    logger.info(part, `${store} is back after ${seconds.toFixed(1)} s`)
  }
}
