import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffDelay } from '#lib/runtime/backoff.ts'
import { type Clock, systemClock } from '#lib/runtime/clock.ts'
import { Wakeup } from '#lib/runtime/wakeup.ts'

const options = { base_ms: 1000, max_ms: 10_000, jitter: 0.2 }

/** A clock whose sleeps end only by their signal, and which tells how many sleep. */
function heldClock() {
  let sleeping = 0
  const clock: Pick<Clock, 'sleep'> = {
    sleep: (_, signal) => {
      sleeping++
      return new Promise((resolve) =>
        signal?.addEventListener('abort', () => {
          sleeping--
          resolve()
        }),
      )
    },
  }
  return { clock, sleeping: () => sleeping }
}

describe('backoffDelay', () => {
  it('stays within its bounds for any attempt and any chance', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, chance) => {
        const delay = backoffDelay(attempt, options, { random: () => chance })
        const middle = Math.min(1000 * 2 ** (attempt - 1), 10_000)
        expect(delay).toBeGreaterThanOrEqual(Math.floor(middle * 0.8))
        expect(delay).toBeLessThanOrEqual(Math.ceil(middle * 1.2))
        expect(Number.isInteger(delay)).toBe(true)
      }),
    )
  })

  it('doubles to its cap', () => {
    expect([1, 2, 3, 4, 5, 6].map((attempt) => backoffDelay(attempt, options, { random: () => 0.5 }))).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000])
  })

  it('is spread out by the jitter, and not without it', () => {
    expect([backoffDelay(1, options, { random: () => 0 }), backoffDelay(1, options, { random: () => 1 })]).toEqual([800, 1200])
    expect(backoffDelay(1, { ...options, jitter: 0 }, { random: () => 0 })).toBe(1000)
    expect(backoffDelay(1, { ...options, jitter: 2 }, { random: () => 0 })).toBe(0)
  })
})

describe('systemClock', () => {
  it('sleeps its time, and less where the signal aborts', async () => {
    const start = systemClock.monotonic()
    await systemClock.sleep(20)
    expect(systemClock.monotonic() - start).toBeGreaterThan(18)
    await systemClock.sleep(60_000, AbortSignal.abort())
    await systemClock.sleep(60_000, AbortSignal.timeout(1))
  })
})

describe('Wakeup', () => {
  const { signal } = new AbortController()

  it('ends the sleep under way', async () => {
    const { clock, sleeping } = heldClock()
    const wakeup = new Wakeup()
    const slept = wakeup.sleep(60_000, clock, signal)
    expect(sleeping()).toBe(1)
    wakeup.wake()
    await slept
    expect(sleeping()).toBe(0)
  })

  it('remembers one wake-up for the next sleep, and only for that', async () => {
    const { clock, sleeping } = heldClock()
    const wakeup = new Wakeup()
    wakeup.wake()
    wakeup.wake()
    await wakeup.sleep(60_000, clock, signal)
    const slept = wakeup.sleep(60_000, clock, signal)
    expect(sleeping()).toBe(1)
    wakeup.wake()
    await slept
  })

  it('ends with the signal, before the sleep and during it', async () => {
    const { clock, sleeping } = heldClock()
    await new Wakeup().sleep(60_000, clock, AbortSignal.abort())
    expect(sleeping()).toBe(0)
    const stop = new AbortController()
    const slept = new Wakeup().sleep(60_000, clock, stop.signal)
    stop.abort()
    await slept
    expect(sleeping()).toBe(0)
  })

  it('ends with its time', async () => {
    await new Wakeup().sleep(5, systemClock, signal)
  })
})
