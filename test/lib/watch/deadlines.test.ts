import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Deadlines } from '#lib/watch/deadlines.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('Deadlines', () => {
  it('expires each at its time, at most a fifth of a second early and not late', async () => {
    const deadlines = new Deadlines()
    const start = performance.now()
    const met = new Map<number, number>()
    for (const delay of [1, 199, 1000, 1001, 25_000, 60_000]) deadlines.add(delay, () => met.set(delay, performance.now() - start))
    await vi.advanceTimersByTimeAsync(61_000)
    expect([...met.keys()]).toEqual([1, 199, 1000, 1001, 25_000, 60_000])
    for (const [delay, at] of met) {
      expect(at).toBeGreaterThan(delay - 200)
      expect(at).toBeLessThanOrEqual(Math.max(delay, 100) + 100)
    }
  })

  it('expires none that was taken back, and leaves no timer when nobody waits', async () => {
    const deadlines = new Deadlines()
    let expired = 0
    const takeBack = deadlines.add(500, () => expired++)
    deadlines.add(800, () => expired++)
    takeBack()
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(2000)
    expect([expired, vi.getTimerCount()]).toEqual([1, 0])
    deadlines.add(300, () => expired++)
    await vi.advanceTimersByTimeAsync(1000)
    expect([expired, vi.getTimerCount()]).toEqual([2, 0])
  })
})
