import { LATE_MS } from './ticks.ts'

/** What the wall clock may be set by, in ms, before that is looked at as a step: a host that is put right by seconds has made those ticks. */
const STEP_MS = 10_000
/** How much faster or slower than the monotonic clock the wall's may go, as a share, without being set: slewing is far less. */
const DRIFT = 0.01
/** How many stretches of wall time are remembered. */
const MAX_STRETCHES = 16

/** A stretch of wall time that was gone through. */
interface Stretch {
  readonly from: number
  readonly to: number
}

/**
 * How far ticks have been dealt with by a wall clock that may be set. Put forward, it leaves out the ticks between: they
 * are missed. Put back, it goes through the same time again: those ticks are made again, or a schedule would stand still
 * until the clock has caught up. Moments are ms: `now` by the wall clock, `monotonic` by the one that cannot be set.
 */
export class WallTime {
  /** Where the stretch begins that is gone through now, and how far ticks in it are dealt with. */
  #from: number
  #to: number
  /** A moment at which both clocks were looked at. */
  #seen: { readonly now: number; readonly monotonic: number }
  /** The last look, and when a tick was dealt with last, monotonic. */
  #lookedAt: number
  #overAt = Number.NEGATIVE_INFINITY
  /** What was gone through before, oldest first. */
  #before: readonly Stretch[] = []

  /** Ticks up to `from` are over. */
  constructor(from: number, now: number, monotonic: number) {
    this.#from = this.#to = from
    this.#seen = { now, monotonic }
    this.#lookedAt = monotonic
  }

  /** Looks at the clocks: notices that the wall's was set. */
  look(now: number, monotonic: number): void {
    const sinceLook = monotonic - this.#lookedAt
    this.#lookedAt = monotonic
    const step = now - this.#seen.now - (monotonic - this.#seen.monotonic)
    if (Math.abs(step) < STEP_MS) {
      const drift = Math.min(Math.abs(step), DRIFT * sinceLook) * Math.sign(step)
      this.#seen = { ...this.#seen, now: this.#seen.now + drift }
      return
    }
    this.#before = [...this.#before, { from: this.#from, to: this.#to }].slice(-MAX_STRETCHES)
    this.#seen = { now, monotonic }
    if (step > 0) this.#from = Math.max(this.#to, now - LATE_MS)
    else this.#from = this.#to = now - sinceLook
  }

  /** Whether a tick has not been dealt with yet. */
  isNew(tick: number): boolean {
    return tick > this.#to
  }

  /** How often a tick was gone through before, by a clock that was put back since. */
  repeats(tick: number): number {
    return this.#before.filter(({ from, to }) => tick > from && tick <= to).length
  }

  /** How long ago a tick was dealt with last, in ms. */
  sinceLast(monotonic: number): number {
    return monotonic - this.#overAt
  }

  /** Notes that a tick was dealt with, at the moment of the last look. */
  over(tick: number, now: number, monotonic: number): void {
    this.#to = tick
    this.#seen = { now, monotonic }
    this.#overAt = monotonic
  }

  /** Notes that a tick is not to be made. */
  passOver(tick: number): void {
    this.#to = tick
  }
}
