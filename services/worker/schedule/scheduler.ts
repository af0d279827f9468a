import { isDeepStrictEqual } from 'node:util'
import { isFinalStatus } from '#lib/contract/hit.ts'
import type { Schedule } from '#lib/contract/schedule.ts'
import { ApiError } from '#lib/http/errors.ts'
import type { Logger } from '#lib/observe/logger.ts'
import { BacklogFullError, type HitQueue, QueueUnavailableError } from '#lib/queue/port.ts'
import type { Clock } from '#lib/runtime/clock.ts'
import { Wakeup } from '#lib/runtime/wakeup.ts'
import { LATE_MS, type Ticks, ticksOf } from './ticks.ts'
import { WallTime } from './wall-time.ts'

/** The longest sleep, in ms: that the wall clock was set is seen after it, and no timer of Node's takes more than 24 days. */
const LOOK_MS = 10_000
/** How much less than an interval may lie between two hits where the clock was put back, in ms. */
const EARLY_MS = 1000
/** How long a queue that is away is left alone, in ms. */
const RETRY_MS = 1000

/** The config as far as a schedule goes. */
export interface Scheduled {
  readonly schedule: Schedule | undefined
  /** What the hits are made from: another one makes other hits. */
  readonly config: unknown
}

/** What a scheduler stands on. */
export interface SchedulerOptions {
  /** The config held at this moment. */
  readonly scheduled: () => Scheduled
  /**
   * Queues a hit of the config held.
   * @throws ApiError where there is nothing to hit; what {@link HitQueue} does
   */
  readonly enqueue: (idempotencyKey: string) => Promise<{ readonly task_id: string }>
  readonly queue: Pick<HitQueue, 'counts' | 'find'>
  readonly logger: Logger
  readonly clock: Clock
}

/** How a schedule stands, as `/health` shows it. */
export interface ScheduleStatus {
  readonly schedule: Schedule
  readonly next_at: string | null
  /** The last tick that was dealt with, and the hit that was made for the last that was not skipped, here or by another worker. */
  readonly last_tick_at: string | null
  readonly last_task_id: string | null
  /** Why there was no hit for the last tick; null where there was one. */
  readonly skipped: string | null
}

const shown = (moment: number | undefined): string | null => (moment === undefined ? null : new Date(moment).toISOString())

/**
 * Makes the worker hit by itself, once a tick. Each worker reckons the ticks for itself and asks the queue for a hit under
 * the tick's own key, so that it is made once however many workers share the queue, and whatever their clocks differ by.
 * What is missed is not made up: the tick of a moment may be made a little late, and no other. Nothing piles up: while the
 * queue is paused, or the last hit of the schedule has not ended, ticks are skipped.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #wakeup = new Wakeup()
  #scheduled: Scheduled
  #ticks: Ticks | undefined
  #wall: WallTime
  #lastTick: number | undefined
  #lastTask: string | undefined
  #skipped: string | undefined

  /** Takes over what the config says; a tick that has just come may still be made. */
  constructor(options: SchedulerOptions) {
    this.#options = options
    this.#logger = options.logger
    this.#clock = options.clock
    this.#scheduled = options.scheduled()
    this.#ticks = this.#scheduled.schedule && ticksOf(this.#scheduled.schedule)
    this.#wall = this.#wallFrom(this.#clock.now() - LATE_MS)
  }

  /** How the schedule stands; undefined where there is none. */
  get status(): ScheduleStatus | undefined {
    const { schedule } = this.#scheduled
    if (schedule === undefined) return undefined
    return {
      schedule,
      next_at: shown(this.#ticks?.after(this.#clock.now())),
      last_tick_at: shown(this.#lastTick),
      last_task_id: this.#lastTask ?? null,
      skipped: this.#skipped ?? null,
    }
  }

  /** The config has changed: ticks from now on are those of the new one. */
  configChanged(): void {
    const { schedule, config } = this.#options.scheduled()
    // An agent hands its config over again when the worker was away: the schedule goes on then.
    if (isDeepStrictEqual(config, this.#scheduled.config)) return
    const goesOn = isDeepStrictEqual(schedule, this.#scheduled.schedule)
    this.#scheduled = { schedule, config }
    this.#lastTask = undefined
    this.#skipped = undefined
    if (goesOn) return
    this.#ticks = schedule && ticksOf(schedule)
    this.#wall = this.#wallFrom(this.#clock.now())
    this.#lastTick = undefined
    this.#logger.info('config', schedule ? 'the config has a schedule' : 'the config has no schedule any more', { schedule })
    this.#wakeup.wake()
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = await this.#step()
      if (waitMs > 0) await this.#wakeup.sleep(waitMs, this.#clock, signal)
    }
  }

  #wallFrom(moment: number): WallTime {
    return new WallTime(moment, this.#clock.now(), this.#clock.monotonic())
  }

  /** Makes the tick that is due, where there is one. @returns in how many ms to look again */
  async #step(): Promise<number> {
    const [ticks, wall] = [this.#ticks, this.#wall]
    if (ticks === undefined) return LOOK_MS
    const [now, monotonic] = [this.#clock.now(), this.#clock.monotonic()]
    wall.look(now, monotonic)
    const tick = ticks.at(now)
    if (tick === undefined || !wall.isNew(tick)) return Math.min(LOOK_MS, (ticks.after(now) ?? Number.POSITIVE_INFINITY) - now)
    const repeats = wall.repeats(tick)
    // The clock was put back. Where its interval has not passed since the last one, the tick counts as made.
    if (repeats > 0 && wall.sinceLast(monotonic) < tick - ticks.before(tick) - EARLY_MS) {
      wall.passOver(tick)
      return 0
    }
    // It holds a space, so nobody's own key can be the same.
    const isOver = await this.#make(tick, `schedule ${tick}${repeats > 0 ? ` again ${repeats}` : ''}`, ticks)
    if (!isOver) return RETRY_MS
    wall.over(tick, now, monotonic)
    return 0
  }

  /** Makes the hit of a tick, or skips it. @returns whether that is settled; false: to be tried again while the tick is young */
  async #make(tick: number, key: string, ticks: Ticks): Promise<boolean> {
    let problem: string | undefined
    try {
      problem = await this.#obstacle()
      // Another schedule came while the queue was asked.
      if (this.#ticks !== ticks) return true
      if (problem === undefined) {
        const { task_id } = await this.#options.enqueue(key)
        this.#logger.debug('enqueue', 'a scheduled hit is queued', { task_id, tick: shown(tick) })
        if (this.#ticks === ticks) this.#lastTask = task_id
      }
    } catch (error) {
      if (error instanceof QueueUnavailableError) {
        this.#logger.debug('enqueue', 'a scheduled hit cannot be queued yet', { tick: shown(tick), reason: error.message })
        return false
      }
      const foreseen = error instanceof BacklogFullError || error instanceof ApiError
      if (!foreseen) this.#logger.error('enqueue', 'a scheduled hit failed unexpectedly', { tick: shown(tick), err: error })
      problem = foreseen ? error.message : 'something unforeseen happened; the log has it'
    }
    if (problem !== undefined) this.#logger.debug('enqueue', 'a scheduled hit was skipped', { tick: shown(tick), reason: problem })
    if (this.#ticks === ticks) {
      this.#lastTick = tick
      this.#skipped = problem
    }
    return true
  }

  /** Why there is to be no hit now. */
  async #obstacle(): Promise<string | undefined> {
    const { queue } = this.#options
    const { paused } = await queue.counts()
    if (paused) return 'the queue is paused'
    if (this.#lastTask === undefined) return undefined
    const last = await queue.find(this.#lastTask)
    return last === undefined || isFinalStatus(last.status) ? undefined : `the hit before, ${this.#lastTask}, has not ended`
  }
}
