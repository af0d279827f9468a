import { describe, expect, test } from 'vitest'
import { ReleaseBudget } from '#services/worker/hits/release-budget.ts'
import { WaitingLine } from '#services/worker/hits/waiting-line.ts'

const middle = { random: () => 0.5 }
/** The delays of as many hits that are given back at 0. */
const delays = (count: number, { step, from = 0, sparing = true }: { readonly step: number; readonly from?: number; readonly sparing?: boolean }) => {
  const line = new WaitingLine(middle)
  return Array.from({ length: count }, () => line.delay(0, from, step, sparing))
}

describe('places in the line', () => {
  test('are a step apart, from when the destination can be tried', () => {
    expect(delays(3, { step: 250 })).toEqual([250, 500, 750])
    expect(delays(3, { step: 250, from: 5000 })).toEqual([5250, 5500, 5750])
    expect(delays(3, { step: 0 })).toEqual([5, 10, 15])
  })

  test('move on with the time', () => {
    const line = new WaitingLine(middle)
    line.delay(0, 0, 1000, true)
    line.delay(0, 0, 1000, true)
    expect(line.delay(1500, 0, 1000, true)).toBe(1500)
    expect(line.delay(60_000, 0, 1000, true)).toBe(1000)
  })

  test('vary by a tenth', () => {
    const at = (random: number) => new WaitingLine({ random: () => random }).delay(0, 0, 1000, true)
    expect([at(0), at(0.999_999)]).toEqual([900, 1100])
  })

  test('are at most 30 s away where nobody else needs the slots; beyond that there is no order', () => {
    const all = delays(100, { step: 1000, sparing: false })
    expect(all[29]).toBe(30_000)
    expect(all.slice(30).every((delay) => delay === 22_500)).toBe(true)
  })

  test('are nearer together behind the first 30 s, and at most 5 minutes away, where others do', () => {
    const all = delays(10_000, { step: 1000 })
    expect(all[29]).toBe(30_000)
    expect(all[30]).toBe(30_030)
    expect(all[9000]).toBe(299_130)
    expect(all[9999]).toBe(225_000)
    expect(Math.max(...all)).toBeLessThanOrEqual(300_000)
  })
})

describe('the budget of releases', () => {
  const takenOf = (budget: ReleaseBudget, now: number, sparing: boolean): number => {
    let taken = 0
    while (taken < 10_000 && budget.take(now, sparing)) taken += 1
    return taken
  }

  test('is 2,000 at once, then 1,000 a second where others need the slots, else 100', () => {
    const budget = new ReleaseBudget(0)
    expect(takenOf(budget, 0, true)).toBe(2000)
    expect(takenOf(budget, 1000, true)).toBe(1000)
    expect(takenOf(budget, 2000, false)).toBe(100)
    expect(takenOf(budget, 2010, false)).toBe(1)
    expect(takenOf(budget, 1_000_000, false)).toBe(2000)
  })
})
