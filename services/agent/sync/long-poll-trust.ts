/** Failures in a row, with plain fetches working in between, after which a long poll is given up for a while. */
const MAX_FAILURES = 3
/** Polls at the interval after which a long poll is tried again. */
const POLLS_BEFORE_RETRY = 10

/**
 * Whether long polls can be relied on. A proxy that answers them at once would make a hot loop of them, one
 * that cuts them off a string of failures: then the agent polls for a while, and climbs back later.
 */
export class LongPollTrust {
  #failures = 0
  #pollsLeft = 0

  /** Whether the next step may be a long poll. */
  get usable(): boolean {
    return this.#pollsLeft === 0
  }

  /**
   * A long poll came back without news after `elapsedMs` of the `heldMs` it was to be held.
   * @returns true where it came back so early that it was not held at all
   */
  cameBack(elapsedMs: number, heldMs: number): boolean {
    this.#failures = 0
    if (elapsedMs >= heldMs / 2) return false
    this.#pollsLeft = POLLS_BEFORE_RETRY
    return true
  }

  /** A long poll brought news. */
  worked(): void {
    this.#failures = 0
  }

  /**
   * A long poll failed.
   * @returns true where that was once too often
   */
  failed(): boolean {
    if (++this.#failures < MAX_FAILURES) return false
    this.#failures = 0
    this.#pollsLeft = POLLS_BEFORE_RETRY
    return true
  }

  /** A plain poll worked. */
  polled(): void {
    if (this.#pollsLeft > 0) this.#pollsLeft--
  }
}
