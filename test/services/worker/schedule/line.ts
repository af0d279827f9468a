import type { HitResult } from '#lib/contract/hit.ts'
import type { Schedule } from '#lib/contract/schedule.ts'
import { ApiError } from '#lib/http/errors.ts'
import { silentLogger } from '#lib/observe/logger.ts'
import { BacklogFullError, QueueUnavailableError, RESULT_TTL_SECONDS } from '#lib/queue/port.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { Scheduler } from '#services/worker/schedule/scheduler.ts'

/** A hit as the line took it, by the clock that the line has for itself. */
interface Taken {
  readonly key: string
  readonly task_id: string
  readonly at: number
  ended: boolean
}

/** A queue as far as schedules go: one hit a key until an hour after its end. */
export class Line {
  readonly taken: Taken[] = []
  paused = false
  /** Whether hits end at once. */
  quick = true
  /** What an enqueue fails with. */
  failing: 'away' | 'full' | 'nothing to hit' | undefined
  readonly #time: () => number

  /** @param time in ms; never goes back */
  constructor(time: () => number) {
    this.#time = time
  }

  /** A scheduler on this line; it runs until the signal aborts. */
  scheduler(clock: Clock, scheduled: () => Schedule | undefined, signal: AbortSignal, config: () => unknown = scheduled): Scheduler {
    const scheduler = new Scheduler({
      scheduled: () => ({ schedule: scheduled(), config: config() }),
      enqueue: async (key) => this.#take(key, clock.uuid()),
      queue: {
        counts: async () => {
          if (this.failing === 'away') throw new QueueUnavailableError('away', 'refused')
          return { queued: 0, active: 0, delayed: 0, completed: 0, failed: 0, paused: this.paused }
        },
        find: async (taskId) => this.#find(taskId),
      },
      logger: silentLogger,
      clock,
    })
    void scheduler.run(signal)
    return scheduler
  }

  /** Ends all that was taken. */
  endAll(): void {
    for (const one of this.taken) one.ended = true
  }

  #take(key: string, taskId: string): { task_id: string } {
    if (this.failing === 'full') throw new BacklogFullError(7, 7)
    if (this.failing === 'nothing to hit') throw new ApiError('ENQUEUE_FAILED', 'no url configured')
    const at = this.#time()
    const known = this.taken.findLast((one) => one.key === key && (!one.ended || at - one.at < RESULT_TTL_SECONDS * 1000))
    if (known) return { task_id: known.task_id }
    this.taken.push({ key, task_id: taskId, at, ended: this.quick })
    return { task_id: taskId }
  }

  #find(taskId: string): HitResult | undefined {
    const one = this.taken.find(({ task_id }) => task_id === taskId)
    return one && { task_id: taskId, status: one.ended ? 'completed' : 'pending' }
  }
}
