/** Failures in a row, with plain fetches working in between, after which a transport is given up for a while. */
const MAX_FAILURES = 3
/** Steps by a lesser transport after which the better one is tried again. */
const STEPS_BEFORE_RETRY = 10

/**
 * Whether a way of following can be relied on. A proxy that answers long polls at once would make a hot loop of
 * them, one that buffers or cuts streams a string of failures: then the agent follows by the next best way for a
 * while, and climbs back later.
 */
export class TransportTrust {
  #failures = 0
  #stepsLeft = 0

  /** Whether the next step may go this way. */
  get usable(): boolean {
    return this.#stepsLeft === 0
  }

  /**
   * A held request came back without news after `elapsedMs` of the `heldMs` it was to be held.
   * @returns true where it came back so early that it was not held at all
   */
  cameBack(elapsedMs: number, heldMs: number): boolean {
    this.#failures = 0
    if (elapsedMs >= heldMs / 2) return false
    this.#stepsLeft = STEPS_BEFORE_RETRY
    return true
  }

  /** It brought news, or held as it should. */
  worked(): void {
    this.#failures = 0
  }

  /**
   * It failed.
   * @returns true where that was once too often
   */
  failed(): boolean {
    if (++this.#failures < MAX_FAILURES) return false
    this.#failures = 0
    this.#stepsLeft = STEPS_BEFORE_RETRY
    return true
  }

  /** A step by a lesser transport worked. */
  steppedWithout(): void {
    if (this.#stepsLeft > 0) this.#stepsLeft--
  }
}
