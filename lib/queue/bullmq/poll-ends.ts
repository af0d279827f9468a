import type { Logger } from '../../observe/logger.ts'
import type { Clock } from '../../runtime/clock.ts'
import type { EndWaiters } from '../end-waiters.ts'
import type { HitFinder } from './find.ts'
import type { UnreadableResult } from './results.ts'

/** How often the ends of other workers are looked for; the port promises 250 ms. */
const POLL_MS = 200

/** What a poll works with. */
export interface EndPollOptions {
  readonly waiters: EndWaiters
  readonly finder: Pick<HitFinder, 'ends'>
  readonly logger: Logger
  readonly clock: Clock
  /** Aborted when the queue is closed. */
  readonly closed: AbortSignal
}

/**
 * Looks for the ends of tasks that run elsewhere: one command for all that are waited for, and none while
 * nobody waits.
 */
export class EndPoll {
  readonly #options: EndPollOptions
  #polling = false
  /** Tasks that are waited for, and whose result was said to be unreadable. */
  #told: ReadonlySet<string> = new Set()

  constructor(options: EndPollOptions) {
    this.#options = options
  }

  /** Called when somebody begins to wait. */
  ensure(): void {
    if (this.#polling) return
    this.#polling = true
    void this.#poll()
  }

  async #poll(): Promise<void> {
    const { waiters, finder, clock, closed } = this.#options
    for (;;) {
      await clock.sleep(POLL_MS, closed)
      const taskIds = waiters.taskIds
      if (taskIds.length === 0 || closed.aborted) {
        // In the same turn as the look: a wait that begins right after it starts the next poll.
        this.#polling = false
        return
      }
      try {
        const { found, unreadable } = await finder.ends(taskIds)
        for (const result of found) waiters.notify(result)
        this.#tell(unreadable)
      } catch {
        // Redis is away: they wait on, and their own last look says so.
      }
    }
  }

  /** Says once of each result that it cannot be read; whoever waits for it waits on, and their own last look fails with it. */
  #tell(unreadable: readonly UnreadableResult[]): void {
    for (const { task_id, error } of unreadable) {
      if (this.#told.has(task_id)) continue
      const reason = error instanceof Error ? error.message : String(error)
      this.#options.logger.error('bullmq', `the result of hit ${task_id} lies in Redis and cannot be read, so those who wait for it wait in vain`, { reason })
    }
    this.#told = new Set(unreadable.map(({ task_id }) => task_id))
  }
}
