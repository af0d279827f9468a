import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ReportSchema } from '#lib/contract/fleet.ts'
import { hitErrorClasses } from '#lib/contract/hit.ts'
import { type HitOutcome, latencyBoundsMs, latencyClass, MAX_OUTCOME_VERSIONS, percentilesOf, shownOutcome } from '#lib/contract/outcome.ts'

const classes = latencyBoundsMs.length + 1
const outcome = (version: number, fields: Partial<HitOutcome> = {}): HitOutcome => ({
  version,
  completed: 0,
  failed: 0,
  by_error_class: {},
  latency: Array.from({ length: classes }, () => 0),
  ...fields,
})

test('a duration falls into the class whose bound is the first that is not smaller', () => {
  fc.assert(
    fc.property(fc.oneof(fc.double({ min: 0, max: 400_000, noNaN: true }), fc.constantFrom(...latencyBoundsMs)), (ms) => {
      const expected = latencyBoundsMs.findIndex((bound) => ms <= bound)
      expect(latencyClass(ms)).toBe(expected === -1 ? classes - 1 : expected)
    }),
  )
})

test('percentiles are the upper bound of the class of the hit that they fall on', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 400_000, noNaN: true }), { minLength: 1, maxLength: 200 }), (durations) => {
      const counts = Array.from({ length: classes }, () => 0)
      for (const ms of durations) counts[latencyClass(ms)] = (counts[latencyClass(ms)] ?? 0) + 1
      const sorted = [...durations].sort((a, b) => a - b)
      const bound = (share: number) => latencyBoundsMs[Math.min(latencyClass(sorted[Math.ceil(share * sorted.length) - 1] ?? 0), classes - 2)]
      expect(percentilesOf(counts)).toEqual({ count: durations.length, p50: bound(0.5), p95: bound(0.95), p99: bound(0.99) })
    }),
  )
  expect(percentilesOf([])).toEqual({ count: 0, p50: null, p95: null, p99: null })
})

test('an outcome is shown with its ratio, which is none where nothing ended', () => {
  expect(shownOutcome(outcome(7, { completed: 3, failed: 1, by_error_class: { timeout: 1 } }))).toMatchObject({
    version: 7,
    success_ratio: 0.75,
    by_error_class: { timeout: 1 },
  })
  expect(shownOutcome(outcome(7)).success_ratio).toBeNull()
})

describe('the hits of a report', () => {
  const report = (hits: unknown) => ReportSchema.safeParse({ version: 1, state: 'applied', hits })

  test('may be absent, empty, or of a few versions', () => {
    expect(ReportSchema.parse({ version: 1, state: 'applied' })).not.toHaveProperty('hits')
    expect(report([]).success).toBe(true)
    expect(report(Array.from({ length: MAX_OUTCOME_VERSIONS }, (_, version) => outcome(version))).success).toBe(true)
  })

  test.each([
    ['of more versions', Array.from({ length: MAX_OUTCOME_VERSIONS + 1 }, (_, version) => outcome(version))],
    ['of one version twice', [outcome(1), outcome(1)]],
    ['with other classes', [{ ...outcome(1), latency: [1, 2, 3] }]],
    ['with another error class', [{ ...outcome(1), by_error_class: { weather: 1 } }]],
    ['with less than nothing', [outcome(1, { failed: -1 })]],
  ])('and are refused %s', (_, hits) => {
    expect(report(hits).success).toBe(false)
  })

  test('fit into a report, whatever they count', () => {
    const most = Number.MAX_SAFE_INTEGER
    const by_error_class = Object.fromEntries(hitErrorClasses.map((name) => [name, most]))
    const hits = Array.from({ length: MAX_OUTCOME_VERSIONS }, (_, i) =>
      outcome(most - i, { completed: most, failed: most, by_error_class, latency: Array.from({ length: classes }, () => most) }),
    )
    expect(report(hits).success).toBe(true)
    // What POST /agents/:id/report takes, with the longest reason as JSON writes it at its worst.
    expect(JSON.stringify({ version: most, state: 'failed', error: '\u0001'.repeat(1000), hits }).length).toBeLessThan(16 * 1024)
  })
})
