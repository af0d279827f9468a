import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DataScheduleSchema } from '#lib/contract/schedule.ts'
import { LATE_MS, ticksOf } from '#services/worker/schedule/ticks.ts'

const ticks = (schedule: unknown) => ticksOf(DataScheduleSchema.parse(schedule))
const cron = (expression: string, timezone: string) => ticks({ cron: expression, timezone })

/** The ticks between two moments. */
function between(schedule: ReturnType<typeof ticks>, from: string, to: string): string[] {
  const found: string[] = []
  for (let at = schedule.after(Date.parse(from)); at !== undefined && at <= Date.parse(to); at = schedule.after(at)) found.push(new Date(at).toISOString())
  return found
}

const anySchedule = fc.oneof(
  fc.integer({ min: 1, max: 86_400 }).map((every_seconds) => ({ every_seconds })),
  fc.record({
    cron: fc.constantFrom(
      '* * * * *',
      '*/7 * * * *',
      '30 2 * * *',
      '0 6 * * 1-5',
      '15,45 1-3 * * *',
      '0 0 1 * *',
      '59 23 31 12 *',
      '0 0 29 2 *',
      '0 12 * * 5L',
    ),
    timezone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'Pacific/Apia'),
  }),
)
const moment = fc.integer({ min: Date.parse('1990-01-01'), max: Date.parse('2090-01-01') })

test('an interval is counted from the epoch, so that all hosts have the same ticks', () => {
  const every = ticks({ every_seconds: 45 })
  expect([every.after(0), every.after(44_999), every.after(45_000), every.before(45_000), every.before(45_001)]).toEqual([45_000, 45_000, 90_000, 0, 45_000])
  expect([every.at(45_000), every.at(45_000 + LATE_MS - 1), every.at(45_000 + LATE_MS)]).toEqual([45_000, 45_000, undefined])
})

test('any schedule: the tick after a moment is behind it, and none lies between; the tick of a moment is its last one', () => {
  fc.assert(
    fc.property(anySchedule, moment, (schedule, from) => {
      const all = ticks(schedule)
      const next = all.after(from)
      if (next === undefined) throw new Error('it ends')
      expect(next).toBeGreaterThan(from)
      expect(all.before(next)).toBeLessThanOrEqual(from)
      expect(all.after(next - 1)).toBe(next)
      expect(all.before(next + 1)).toBe(next)
      const second = all.after(next) ?? Number.POSITIVE_INFINITY
      for (const late of [0, 1, LATE_MS - 1])
        expect(all.at(next + late)).toBe(next + late < second ? next : Math.floor((next + late - next) / (second - next)) * (second - next) + next)
      if (second > next + LATE_MS) expect(all.at(next + LATE_MS)).toBeUndefined()
      expect(second - next).toBeGreaterThanOrEqual('every_seconds' in schedule ? schedule.every_seconds * 1000 : 60_000)
    }),
    { numRuns: 300 },
  )
})

describe('where clocks change', () => {
  // Berlin: 2026-03-29 has no 02:00 to 03:00, 2026-10-25 has it twice.
  test('a time that is left out comes at the end of the gap, one that comes twice in its first turn', () => {
    expect(between(cron('30 2 * * *', 'Europe/Berlin'), '2026-03-28T00:00:00Z', '2026-03-30T12:00:00Z')).toEqual([
      '2026-03-28T01:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ])
    expect(between(cron('30 2,14 * * *', 'Europe/Berlin'), '2026-10-25T00:00:00Z', '2026-10-26T00:00:00Z')).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T13:30:00.000Z',
    ])
  })

  test('what comes every so many minutes goes on as if nothing had happened', () => {
    for (const [from, to] of [
      ['2026-03-29T00:00:00Z', '2026-03-29T03:00:00Z'],
      ['2026-10-25T00:00:00Z', '2026-10-25T03:00:00Z'],
    ] as const)
      expect(between(cron('*/20 * * * *', 'Europe/Berlin'), from, to)).toHaveLength(9)
  })

  test('a day with another length has its one tick, in zones of all kinds', () => {
    for (const timezone of ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'America/St_Johns', 'UTC'])
      expect(between(cron('15 2 * * *', timezone), '2026-01-01T00:00:00Z', '2026-12-31T23:59:00Z').length, timezone).toBe(365)
  })
})
