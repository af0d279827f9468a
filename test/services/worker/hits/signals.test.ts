import { describe, expect, test } from 'vitest'
import { hitErrorClasses } from '#lib/contract/hit.ts'
import { HitOutcomesSchema, latencyClass } from '#lib/contract/outcome.ts'
import { createSignals } from '#services/worker/hits/signals.ts'
import { FakeClock } from './fake-clock.ts'

const setUp = () => {
  const clock = new FakeClock()
  return { clock, signals: createSignals({ clock }) }
}
const nothing = { count: 0, p50: null, p95: null, p99: null }

describe('outcomes', () => {
  test('are counted by version, error class and latency, the newest version first', () => {
    const { signals } = setUp()
    signals.ended(7, { status: 'completed' }, 4)
    signals.ended(7, { status: 'completed' }, 4.5)
    signals.ended(8, { status: 'failed', error_class: 'timeout' }, 30_000)
    signals.ended(8, { status: 'failed', error_class: 'internal' }, undefined)
    const [newer, older, ...others] = signals.outcomes()
    expect(others).toEqual([])
    expect(newer).toMatchObject({ version: 8, completed: 0, failed: 2, by_error_class: { timeout: 1, internal: 1 } })
    expect(older).toMatchObject({ version: 7, completed: 2, failed: 0, by_error_class: {} })
    expect(older?.latency[latencyClass(4)]).toBe(2)
    expect(newer?.latency.reduce((sum, n) => sum + n, 0)).toBe(1)
    expect(HitOutcomesSchema.safeParse(signals.outcomes()).success).toBe(true)
  })

  test('are kept for the five newest versions, whichever ends last', async () => {
    const { clock, signals } = setUp()
    for (const version of [1, 2, 9, 4, 5, 6]) signals.ended(version, { status: 'completed' }, 1)
    signals.ended(3, { status: 'completed' }, 1)
    expect(signals.outcomes().map(({ version }) => version)).toEqual([9, 6, 5, 4, 3])
    await clock.pass(10_000)
    for (const version of [10, 11]) signals.ended(version, { status: 'completed' }, 1)
    expect(signals.outcomes().map(({ version }) => version)).toEqual([11, 10, 9, 6, 5])
  })
})

describe('figures', () => {
  test('are those of waits and attempts', () => {
    const { signals } = setUp()
    for (const ms of [1, 1, 1, 80]) signals.waited(ms)
    signals.attempted(12, undefined)
    signals.attempted(30_000, 'timeout')
    expect(signals.figures()).toEqual({
      wait_ms: { count: 4, p50: 1, p95: 100, p99: 100 },
      run_ms: { count: 2, p50: 15, p95: 30_000, p99: 30_000 },
      by_error_class: { timeout: 1 },
    })
  })

  test('know every class', () => {
    const { signals } = setUp()
    for (const name of hitErrorClasses) signals.attempted(1, name)
    expect(Object.keys(signals.figures().by_error_class).sort()).toEqual([...hitErrorClasses].sort())
  })

  test('a clock that was put back gives no strange wait', () => {
    const { signals } = setUp()
    signals.waited(-5000)
    expect(signals.figures().wait_ms).toMatchObject({ count: 1, p99: 1 })
  })
})

describe('the window', () => {
  test('forgets after five minutes, on an idle worker too', async () => {
    const { clock, signals } = setUp()
    signals.waited(1)
    signals.attempted(1, 'timeout')
    signals.ended(7, { status: 'completed' }, 1)
    await clock.pass(289_000)
    expect(signals.outcomes()).toHaveLength(1)
    await clock.pass(11_000)
    expect(signals.outcomes()).toEqual([])
    expect(signals.figures()).toEqual({ wait_ms: nothing, run_ms: nothing, by_error_class: {} })
  })

  test('forgets what it held when it comes round', async () => {
    const { clock, signals } = setUp()
    signals.ended(7, { status: 'completed' }, 1)
    await clock.pass(300_000)
    signals.ended(7, { status: 'completed' }, 1)
    expect(signals.outcomes()).toMatchObject([{ version: 7, completed: 1 }])
    await clock.pass(3_000_000)
    signals.ended(7, { status: 'failed' }, 1)
    expect(signals.outcomes()).toMatchObject([{ version: 7, completed: 0, failed: 1 }])
  })

  test('counts what came in all its parts', async () => {
    const { clock, signals } = setUp()
    for (let n = 0; n < 29; n += 1) {
      signals.ended(7, { status: 'completed' }, 1)
      await clock.pass(10_000)
    }
    expect(signals.outcomes()).toMatchObject([{ completed: 29 }])
  })
})
