import { afterEach, expect, it, vi } from 'vitest'
import { Alarm } from '#lib/runtime/alarm.ts'

afterEach(() => void vi.useRealTimers())

/** A wall clock that may be set beside the time that passes. */
function heldTime() {
  vi.useFakeTimers()
  let offset = 0
  const rings: number[] = []
  const clock = { now: () => Date.now() + offset }
  return {
    clock,
    rings,
    alarm: new Alarm(clock, () => rings.push(clock.now())),
    set: (ms: number) => {
      offset += ms
    },
  }
}

it('rings at its moment, once, though that is years away and no timer waits so long', () => {
  const { clock, rings, alarm } = heldTime()
  const years = 3 * 365 * 86_400_000
  const at = clock.now() + years
  alarm.set(at)
  expect(vi.getTimerCount()).toBe(1)
  vi.advanceTimersByTime(60_000)
  expect([rings, vi.getTimerCount()]).toEqual([[], 1])
  vi.setSystemTime(at - 10_000)
  vi.advanceTimersByTime(30_000)
  expect(rings).toHaveLength(1)
  vi.advanceTimersByTime(120_000)
  expect([rings.length, vi.getTimerCount()]).toEqual([1, 0])
})

it('rings to the millisecond where it is near, and not before', () => {
  const { clock, rings, alarm } = heldTime()
  const at = clock.now() + 1234
  alarm.set(at)
  vi.advanceTimersByTime(1233)
  expect(rings).toEqual([])
  vi.advanceTimersByTime(1)
  expect(rings).toEqual([at])
})

it('notices within half a minute that the clock was set forward, and waits on where it was set back', () => {
  const { clock, rings, alarm, set } = heldTime()
  alarm.set(clock.now() + 3_600_000)
  set(3_600_000)
  vi.advanceTimersByTime(30_000)
  expect(rings).toHaveLength(1)
  alarm.set(clock.now() + 10_000)
  set(-60_000)
  vi.advanceTimersByTime(10_000)
  expect(rings).toHaveLength(1)
  vi.advanceTimersByTime(60_000)
  expect(rings).toHaveLength(2)
})

it('rings at the last moment that was set, and never where that is taken back', () => {
  const { clock, rings, alarm } = heldTime()
  alarm.set(clock.now() + 1000)
  alarm.set(clock.now() + 5000)
  vi.advanceTimersByTime(4000)
  expect(rings).toEqual([])
  alarm.set(Number.POSITIVE_INFINITY)
  vi.advanceTimersByTime(60_000)
  expect([rings.length, vi.getTimerCount()]).toEqual([0, 0])
  // One that is over already rings in a moment.
  alarm.set(clock.now() - 5)
  vi.advanceTimersByTime(1)
  expect(rings).toHaveLength(1)
})
