import type { HitOutcome } from '#lib/contract/outcome.ts'
import type { Logger } from '#lib/observe/logger.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import type { WorkerLink } from './worker-link.ts'

/** How long a worker that tells nothing, as a Go worker, is not asked again, in ms. */
const RARELY_MS = 300_000

/** Asks the worker what became of its hits, where the agent looks at it anyway. */
export class WorkerOutcomes {
  readonly #link: Pick<WorkerLink, 'outcomes'>
  readonly #onOutcomes: (outcomes: readonly HitOutcome[]) => void
  readonly #logger: Logger
  readonly #clock: Pick<Clock, 'monotonic'>
  #askAt = Number.NEGATIVE_INFINITY

  constructor(options: {
    readonly link: Pick<WorkerLink, 'outcomes'>
    readonly onOutcomes: (outcomes: readonly HitOutcome[]) => void
    readonly logger: Logger
    readonly clock: Pick<Clock, 'monotonic'>
  }) {
    this.#link = options.link
    this.#onOutcomes = options.onOutcomes
    this.#logger = options.logger
    this.#clock = options.clock
  }

  /**
   * The agent has looked at the worker. Never rejects: what is known stays until it is too old.
   * @param isThere whether it answered
   */
  async looked(isThere: boolean, signal: AbortSignal): Promise<void> {
    // One that was away may be another by now, and be able to tell.
    if (!isThere) this.#askAt = Number.NEGATIVE_INFINITY
    if (!isThere || this.#clock.monotonic() < this.#askAt) return
    try {
      const outcomes = await this.#link.outcomes(signal)
      if (outcomes === undefined) this.#askAt = this.#clock.monotonic() + RARELY_MS
      this.#onOutcomes(outcomes ?? [])
    } catch (error) {
      if (!signal.aborted) this.#logger.debug('config', 'worker does not say what became of its hits', { err: error })
    }
  }
}
