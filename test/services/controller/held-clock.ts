import { type Clock, systemClock } from '#lib/runtime/clock.ts'

/** A clock that a test holds: time passes where the test says so. */
export class HeldClock implements Clock {
  wall = Date.parse('2026-11-24T09:00:00.000Z')
  #steady = 1_000_000
  readonly sleep = systemClock.sleep
  readonly random = systemClock.random
  readonly uuid = systemClock.uuid

  now(): number {
    return this.wall
  }

  monotonic(): number {
    return this.#steady
  }

  /** Lets time pass on both clocks. */
  pass(ms: number): void {
    this.wall += ms
    this.#steady += ms
  }
}
