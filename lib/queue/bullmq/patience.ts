import { DelayedError } from 'bullmq'
import { backoffDelay } from '../../runtime/backoff.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { Outage } from '../outage.ts'
import { awayReason, isAway } from './away.ts'

/** Between tries while Redis is away. */
const backoff = { base_ms: 100, max_ms: 1000, jitter: 0.2 }

/** What patience needs. */
export interface PatienceOptions {
  readonly outage: Outage
  readonly clock: Clock
  /** Aborted when the queue is closed. */
  readonly closed: AbortSignal
}

/** Tries until Redis answers: what became of a hit must not be lost while this process lives. */
export class Patience {
  readonly #options: PatienceOptions

  constructor(options: PatienceOptions) {
    this.#options = options
  }

  /**
   * @throws what does not mean that Redis is away, since it would come again each time; DelayedError once the queue is closed,
   *   which makes BullMQ's worker leave the job where it is: it comes back when its lock has run out
   */
  async until<T>(command: () => Promise<T>): Promise<T> {
    const { outage, clock, closed } = this.#options
    for (let failures = 1; ; failures += 1) {
      const began = clock.monotonic()
      try {
        return await command()
      } catch (error) {
        if (!isAway(error)) throw error
        if (closed.aborted) throw new DelayedError()
        outage.down(awayReason(error), began)
        await clock.sleep(backoffDelay(failures, backoff, clock), closed)
      }
    }
  }
}
