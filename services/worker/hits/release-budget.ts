/** Releases that may come at once: a destination that died with as many hits in line leaves it within a second or two. */
const BURST = 2000
/** Releases a second from then on, where other destinations need the slots: each costs the engine two writes. */
const PER_SECOND = 1000
/** The same where no other destination is known: a backlog of a million for a slow one must not go round for ever. */
const LONE_PER_SECOND = 100

/** A token bucket over the hits that are given back since their destination is full. */
export class ReleaseBudget {
  #tokens = BURST
  #at: number

  /** @param now monotonic ms */
  constructor(now: number) {
    this.#at = now
  }

  /**
   * Takes a token.
   * @param sparing whether others need the slots
   * @returns false where there is none
   */
  take(now: number, sparing: boolean): boolean {
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#at) * (sparing ? PER_SECOND : LONE_PER_SECOND)) / 1000)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
