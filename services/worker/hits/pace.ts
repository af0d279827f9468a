/** The weight of the latest attempt in the smoothed duration. */
const WEIGHT = 0.3

/** How long attempts on one destination take: by those that ended, and by the age of those that run. Times are monotonic ms. */
export class Pace {
  #smoothed = 0
  #active = 0
  /** The sum of when those under way began: their mean age without a look at each. */
  #begins = 0
  #changed = 0

  /** Attempts under way. */
  get active(): number {
    return this.#active
  }

  began(now: number): void {
    this.#active += 1
    this.#begins += now
    this.#changed = now
  }

  /** @param counts whether its duration tells of the destination; a stopped attempt's does not */
  ended(began: number, now: number, counts: boolean): void {
    this.#active -= 1
    this.#begins = this.#active === 0 ? 0 : this.#begins - began
    this.#changed = now
    if (!counts) return
    const ms = now - began
    this.#smoothed = this.#smoothed === 0 ? ms : this.#smoothed + WEIGHT * (ms - this.#smoothed)
  }

  /** Forgets how long attempts took that have ended: the destination is not what it was. */
  restart(): void {
    this.#smoothed = 0
  }

  /** How long an attempt takes; at least as long as those under way have taken by now. */
  duration(now: number): number {
    return this.#active === 0 ? this.#smoothed : Math.max(this.#smoothed, now - this.#begins / this.#active)
  }

  /** How long nothing has begun or ended. */
  quiet(now: number): number {
    return now - this.#changed
  }
}
