import type { Clock } from '#lib/runtime/clock.ts'

/** How often the controller is asked about a worker that holds something newer, in ms. */
const ASK_AGAIN_MS = 30_000

/**
 * Asks the controller itself what is latest, past whatever relays are between; what it names is delivered before this
 * resolves. False where it has no config; rejects where it cannot be asked.
 */
export type AskController = () => Promise<boolean>

/**
 * Whether a worker that accepted a newer version from somebody is taken back. The controller's own word outweighs that; a
 * cache's or a relay's does not.
 */
export class GoingBack {
  readonly #ask: AskController
  readonly #clock: Pick<Clock, 'monotonic'>
  /** By the monotonic clock. */
  #askAgainAt = 0

  constructor(ask: AskController, clock: Pick<Clock, 'monotonic'>) {
    this.#ask = ask
    this.#clock = clock
  }

  /** Whether it is time to ask again. */
  get isDue(): boolean {
    return this.#clock.monotonic() >= this.#askAgainAt
  }

  /** Why the worker keeps what it has; undefined where the controller itself says what it is to have. */
  async problem(): Promise<string | undefined> {
    try {
      return (await this.#ask()) ? undefined : 'the controller has no config'
    } catch (error) {
      return `the controller cannot be asked: ${error instanceof Error ? error.message : String(error)}`
    } finally {
      this.#askAgainAt = this.#clock.monotonic() + ASK_AGAIN_MS
    }
  }
}
