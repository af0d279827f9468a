import type { Clock } from '../../runtime/clock.ts'
import type { EndWaiters } from '../end-waiters.ts'
import type { RedisResults } from './results.ts'

/** How often the ends of other workers are looked for; the port promises 250 ms. */
const POLL_MS = 200

/**
 * Looks for the ends of tasks that run elsewhere: one command for all that are waited for, and none while
 * nobody waits.
 */
export class EndPoll {
  readonly #waiters: EndWaiters
  readonly #results: RedisResults
  readonly #clock: Clock
  readonly #closed: AbortSignal
  #polling = false

  constructor(waiters: EndWaiters, results: RedisResults, clock: Clock, closed: AbortSignal) {
    this.#waiters = waiters
    this.#results = results
    this.#clock = clock
    this.#closed = closed
  }

  /** Called when somebody begins to wait. */
  ensure(): void {
    if (this.#polling) return
    this.#polling = true
    void this.#poll().finally(() => {
      this.#polling = false
    })
  }

  async #poll(): Promise<void> {
    for (;;) {
      await this.#clock.sleep(POLL_MS, this.#closed)
      const taskIds = this.#waiters.taskIds
      if (taskIds.length === 0 || this.#closed.aborted) return
      try {
        for (const result of await this.#results.readMany(taskIds)) this.#waiters.notify(result)
      } catch {
        // Redis is away: they wait on, and their own last look says so.
      }
    }
  }
}
