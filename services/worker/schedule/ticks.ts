import { parseCron, type Schedule } from '#lib/contract/schedule.ts'

/** How late a tick may be made, in ms; later it is a missed one. Less than a minute, so that a cron has at most one tick in it. */
export const LATE_MS = 30_000

/** When a schedule is due, in ms of wall time since the epoch: the same moments on every host. */
export interface Ticks {
  /** The first tick behind a moment; undefined where there is none. */
  after(moment: number): number | undefined
  /** The last tick before a moment. */
  before(moment: number): number
  /** The tick that may be made at a moment: the last one, unless that is {@link LATE_MS} ago or longer. */
  at(moment: number): number | undefined
}

/** Multiples of an interval since the epoch: workers that share a queue need not have been started together. */
function everyTicks(intervalMs: number): Ticks {
  const last = (moment: number) => Math.floor(moment / intervalMs) * intervalMs
  return {
    after: (moment) => last(moment) + intervalMs,
    before: (moment) => last(moment - 1),
    at: (moment) => (moment - last(moment) < LATE_MS ? last(moment) : undefined),
  }
}

function cronTicks(cron: string, timezone: string): Ticks {
  const parsed = parseCron(cron, timezone)
  const after = (moment: number) => parsed.nextRun(new Date(moment))?.getTime()
  return {
    after,
    // One that never came before is as good as one that came long ago.
    before: (moment) => parsed.previousRuns(1, new Date(moment))[0]?.getTime() ?? Number.NEGATIVE_INFINITY,
    at: (moment) => {
      const tick = after(moment - LATE_MS)
      return tick !== undefined && tick <= moment ? tick : undefined
    },
  }
}

/** The ticks of a schedule. */
export const ticksOf = (schedule: Schedule): Ticks =>
  'cron' in schedule ? cronTicks(schedule.cron, schedule.timezone) : everyTicks(schedule.every_seconds * 1000)
