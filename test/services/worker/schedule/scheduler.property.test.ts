import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DataScheduleSchema, type Schedule } from '#lib/contract/schedule.ts'
import { LATE_MS, type Ticks, ticksOf } from '#services/worker/schedule/ticks.ts'
import { VirtualClock } from '#test/_support/virtual-clock.ts'
import { Line } from './line.ts'

const START = Date.parse('2026-10-24T22:00:00Z')
/** What a clock may have been set by without being noticed, and how long until it is, in ms. */
const UNSETTLED_MS = 20_000

const anySchedule: fc.Arbitrary<Schedule> = fc
  .oneof(
    fc.constantFrom(1, 2, 5, 10, 20, 45, 60, 90, 600, 3600).map((every_seconds) => ({ every_seconds })),
    fc.constantFrom('* * * * *', '*/20 * * * *', '*/20 1-3 * * *', '30 * * * *').map((cron) => ({ cron, timezone: 'Europe/Berlin' })),
  )
  .map((schedule) => DataScheduleSchema.parse(schedule))

/** The clock is set by so much, and then goes right for so many ms, but for long enough to see a few ticks. */
const stretch = (schedule: Schedule) =>
  fc.record({
    setBy: fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: -9000, max: 9000 }) },
      { weight: 3, arbitrary: fc.integer({ min: -90_000, max: 90_000 }) },
      { weight: 2, arbitrary: fc.integer({ min: -7_200_000, max: 7_200_000 }) },
      { weight: 1, arbitrary: fc.constantFrom(-50 * 365 * 86_400_000, 20 * 365 * 86_400_000, -86_400_000, 86_400_000, 3_600_000, -3_600_000) },
    ),
    lasts: fc.integer({ min: 1, max: 'cron' in schedule ? 3_000_000 : 100_000 + 4000 * schedule.every_seconds }),
  })
const anyCase = anySchedule.chain((schedule) => fc.tuple(fc.constant(schedule), fc.array(stretch(schedule), { minLength: 1, maxLength: 8 })))

/** The ticks of a schedule in a stretch of wall time, `from` excluded. */
function ticksIn(ticks: Ticks, from: number, to: number): number[] {
  const found: number[] = []
  for (let at = ticks.after(from); at !== undefined && at <= to; at = ticks.after(at)) found.push(at)
  return found
}

test('any schedule, however the clock is set: no burst and no stop', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(anyCase, fc.integer({ min: 0, max: 3_600_000 }), async ([schedule, stretches], offset) => {
      const clock = new VirtualClock(START + offset)
      const line = new Line(() => clock.monotonic())
      using _stop = stopping((signal) => line.scheduler(clock, () => schedule, signal))
      const ticks = ticksOf(schedule)
      await clock.pass(1)
      for (const { setBy, lasts } of stretches) {
        clock.set(setBy)
        const began = { wall: clock.now(), monotonic: clock.monotonic(), hits: line.taken.length }
        await clock.pass(lasts)
        const hits = line.taken.slice(began.hits).map(({ at }) => at - began.monotonic + began.wall)
        // No burst: each tick once, at its time; but for the first, which may be late.
        const made = hits.map((hit) => ticks.before(hit + 1))
        expect(new Set(made).size).toBe(made.length)
        for (const [index, hit] of hits.entries()) expect(hit - (made[index] ?? 0)).toBeLessThan(index === 0 ? LATE_MS : 1000)
        // No stop: once it is known that the clock was set, each tick but the first, which may be too near to the last hit.
        const [, ...wanted] = ticksIn(ticks, began.wall + UNSETTLED_MS, clock.now())
        for (const tick of wanted)
          expect(
            hits.some((hit) => hit >= tick && hit < tick + 1000),
            `no hit at ${tick}`,
          ).toBe(true)
      }
    }),
    { numRuns: 40 },
  )
})

test('however many workers share a queue, and whatever seconds their clocks differ by: one hit a tick', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(anySchedule, fc.array(fc.integer({ min: -4000, max: 4000 }), { minLength: 2, maxLength: 4 }), async (schedule, offsets) => {
      const clocks = offsets.map((offset) => new VirtualClock(START + 500_000 + offset))
      const line = new Line(() => clocks[0]?.monotonic() ?? 0)
      using _stop = stopping((signal) => {
        for (const clock of clocks) line.scheduler(clock, () => schedule, signal)
      })
      for (let passed = 0; passed < 600_000; passed += 500) await Promise.all(clocks.map((clock) => clock.pass(500)))
      const earliest = START + 500_000 + Math.min(...offsets)
      const latest = START + 500_000 + Math.max(...offsets)
      const made = line.taken.map(({ key }) => key)
      expect(new Set(made).size).toBe(made.length)
      const keys = new Set(made)
      for (const tick of ticksIn(ticksOf(schedule), latest, earliest + 600_000)) expect(keys.delete(`schedule ${tick}`), String(tick)).toBe(true)
      // What is left lies at the ends, where one clock is there and another is not yet.
      for (const key of keys) expect(Number(key.slice('schedule '.length))).toSatisfy((tick: number) => tick <= latest || tick > earliest + 600_000)
    }),
    { numRuns: 15 },
  )
})

/** Ends what was started when the test's scope does. */
function stopping(start: (signal: AbortSignal) => unknown): Disposable {
  const controller = new AbortController()
  start(controller.signal)
  return { [Symbol.dispose]: () => controller.abort() }
}
