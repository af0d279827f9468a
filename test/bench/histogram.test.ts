import { describe, expect, it } from 'vitest'
import { bucketsOf, histogramText, spreadOf, spreadText } from '../../bench/fleet/histogram.ts'

describe('bucketsOf', () => {
  it('counts by 1, 2, 5 and their tens, the lower bound within, without gaps', () => {
    expect(bucketsOf([0.99, 1, 1.5, 9.99, 10])).toEqual([
      { from: 0.5, to: 1, count: 1 },
      { from: 1, to: 2, count: 2 },
      { from: 2, to: 5, count: 0 },
      { from: 5, to: 10, count: 1 },
      { from: 10, to: 20, count: 1 },
    ])
  })

  it('takes what is least and what is most', () => {
    expect(bucketsOf([0, 0.05])).toEqual([{ from: 0, to: 0.1, count: 2 }])
    expect(bucketsOf([123_456])).toEqual([{ from: 100_000, to: 200_000, count: 1 }])
    expect(bucketsOf([])).toEqual([])
  })

  it('loses none', () => {
    const values = Array.from({ length: 5000 }, (_, index) => 1.003 ** index)
    expect(bucketsOf(values).reduce((sum, { count }) => sum + count, 0)).toBe(5000)
  })
})

describe('as text', () => {
  it('the longest bar is that of the fullest range, and none that holds anything is empty', () => {
    const lines = histogramText([
      { from: 5, to: 10, count: 1 },
      { from: 10, to: 20, count: 4000 },
      { from: 20, to: 50, count: 0 },
    ]).split('\n')
    expect(lines).toEqual([
      expect.stringMatching(/^ {3}5–10 ms {2}█ +1$/),
      expect.stringMatching(/^ {2}10–20 ms {2}█{40} {2}4,000$/),
      expect.stringMatching(/^ {2}20–50 ms {42,}0$/),
    ])
  })

  it('a spread is nearest rank', () => {
    const spread = spreadOf(Array.from({ length: 100 }, (_, index) => 100 - index))
    expect(spread).toEqual({ count: 100, p50: 50, p90: 90, p99: 99, max: 100 })
    expect(spreadText(spread)).toBe('p50 50.0  p90 90.0  p99 99.0  max 100.0 ms')
  })
})
