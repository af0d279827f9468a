import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { DataScheduleSchema } from '#lib/contract/schedule.ts'
import type { Scheduler } from '#services/worker/schedule/scheduler.ts'
import { VirtualClock } from '#test/_support/virtual-clock.ts'
import { Line } from './line.ts'

/** Ten seconds behind a full hour: its tick may still be made, and the next minute is 50 s away. */
const START = Date.parse('2026-11-24T09:00:10Z')
const at = (time: string) => `schedule ${Date.parse(`2026-11-24T${time}Z`)}`
const MINUTE = 60_000

let clock: VirtualClock
let line: Line
let stopping: AbortController
beforeEach(() => {
  clock = new VirtualClock(START)
  line = new Line(() => clock.monotonic())
  stopping = new AbortController()
})
afterEach(() => stopping.abort())

const keys = () => line.taken.map(({ key }) => key)
const follow = (schedule: unknown): Scheduler => {
  const parsed = DataScheduleSchema.parse(schedule)
  return line.scheduler(clock, () => parsed, stopping.signal)
}

test('a hit at each tick, at its time', async () => {
  follow({ cron: '*/2 9 * * *' })
  await clock.pass(5 * MINUTE)
  expect(keys()).toEqual([at('09:00:00'), at('09:02:00'), at('09:04:00')])
  expect(line.taken.map((one) => one.at)).toEqual([0, 110_000, 230_000])
})

describe('at the start', () => {
  test('a tick that came while the worker was restarted is made', async () => {
    follow({ every_seconds: 3600 })
    await clock.pass(1)
    expect(keys()).toEqual([at('09:00:00')])
  })

  test('once: the worker before may have made it', async () => {
    follow({ every_seconds: 3600 })
    await clock.pass(1000)
    stopping.abort()
    stopping = new AbortController()
    follow({ every_seconds: 3600 })
    await clock.pass(1000)
    expect(keys()).toEqual([at('09:00:00')])
  })

  test('one that came longer ago is not', async () => {
    clock.set(20_000)
    follow({ every_seconds: 3600 })
    await clock.pass(30 * MINUTE)
    expect(keys()).toEqual([])
  })
})

describe('a config that changes', () => {
  let schedule: unknown
  let config: unknown
  let scheduler: Scheduler
  beforeEach(() => {
    schedule = undefined
    config = { version: 1 }
    scheduler = line.scheduler(
      clock,
      () => (schedule === undefined ? undefined : DataScheduleSchema.parse(schedule)),
      stopping.signal,
      () => config,
    )
  })
  const take = (version: number, next: unknown) => {
    config = { version }
    schedule = next
    scheduler.configChanged()
  }

  test('takes over at once, and with it nothing that lies behind', async () => {
    await clock.pass(30 * MINUTE)
    expect(scheduler.status).toBeUndefined()
    take(2, { every_seconds: 20 })
    await clock.pass(9_999)
    expect(keys()).toEqual([])
    await clock.pass(20_001)
    expect(keys()).toEqual([at('09:30:20'), at('09:30:40')])
    take(3, { cron: '* * * * *' })
    await clock.pass(MINUTE)
    expect(keys().slice(2)).toEqual([at('09:31:00')])
    take(4, undefined)
    await clock.pass(30 * MINUTE)
    expect(keys()).toHaveLength(3)
    expect(scheduler.status).toBeUndefined()
  })

  test('but not the schedule: that goes on', async () => {
    take(2, { every_seconds: 60 })
    for (let version = 3; version < 23; version++) {
      await clock.pass(MINUTE / 4)
      take(version, { every_seconds: 60 })
    }
    expect(keys()).toEqual(['09:01:00', '09:02:00', '09:03:00', '09:04:00', '09:05:00'].map(at))
  })

  test('makes other hits: none waits for the last one of the config before', async () => {
    line.quick = false
    take(2, { every_seconds: 60 })
    await clock.pass(3 * MINUTE)
    expect(keys()).toEqual([at('09:01:00')])
    // The same config once more, as an agent gives it, changes nothing.
    take(2, { every_seconds: 60 })
    await clock.pass(MINUTE)
    expect(keys()).toHaveLength(1)
    take(3, { every_seconds: 60 })
    await clock.pass(MINUTE)
    expect(keys()).toEqual([at('09:01:00'), at('09:05:00')])
  })
})

describe('what is missed is not made up', () => {
  test('while the queue is away; the tick of the moment is made once it is back', async () => {
    line.failing = 'away'
    const scheduler = follow({ every_seconds: 60 })
    await clock.pass(5 * MINUTE + 55_000)
    expect(keys()).toEqual([])
    line.failing = undefined
    await clock.pass(10_000)
    expect(keys()).toEqual([at('09:06:00')])
    line.failing = 'away'
    await clock.pass(65_000)
    line.failing = undefined
    await clock.pass(1000)
    expect(keys()).toEqual([at('09:06:00'), at('09:07:00')])
    expect(scheduler.status).toMatchObject({ last_tick_at: '2026-11-24T09:07:00.000Z', skipped: null })
  })

  test('while it is paused: that is no waiting', async () => {
    line.paused = true
    const scheduler = follow({ every_seconds: 60 })
    await clock.pass(3 * MINUTE)
    expect(keys()).toEqual([])
    expect(scheduler.status).toMatchObject({ last_tick_at: '2026-11-24T09:03:00.000Z', last_task_id: null, skipped: 'the queue is paused' })
    line.paused = false
    await clock.pass(49_000)
    expect(keys()).toEqual([])
    await clock.pass(1000)
    expect(keys()).toEqual([at('09:04:00')])
  })
})

test('nothing piles up: while the last hit has not ended, ticks are skipped, and it is said', async () => {
  line.quick = false
  const scheduler = follow({ every_seconds: 60 })
  await clock.pass(5 * MINUTE)
  expect(keys()).toEqual([at('09:00:00')])
  const [first] = line.taken
  expect(scheduler.status).toEqual({
    schedule: { every_seconds: 60 },
    next_at: '2026-11-24T09:06:00.000Z',
    last_tick_at: '2026-11-24T09:05:00.000Z',
    last_task_id: first?.task_id,
    skipped: `the hit before, ${first?.task_id}, has not ended`,
  })
  line.endAll()
  await clock.pass(MINUTE)
  expect(keys()).toEqual([at('09:00:00'), at('09:06:00')])
  expect(scheduler.status?.skipped).toBeNull()
})

test.each(['full', 'nothing to hit'] as const)('a tick for which nothing can be queued is skipped, and it is said: %s', async (failing) => {
  const scheduler = follow({ every_seconds: 60 })
  line.failing = failing
  await clock.pass(MINUTE)
  expect(scheduler.status?.skipped).toBe(failing === 'full' ? '7 hits wait, and at most 7 may' : 'no url configured')
  line.failing = undefined
  await clock.pass(MINUTE)
  expect(keys()).toEqual([at('09:02:00')])
})

describe('a wall clock that is set', () => {
  test('back by less than an interval: the tick that comes again was made', async () => {
    follow({ every_seconds: 60 })
    await clock.pass(55_000)
    clock.set(-30_000)
    await clock.pass(2 * MINUTE)
    expect(keys()).toEqual([at('09:00:00'), at('09:01:00'), at('09:02:00')])
  })

  test('back by hours: its ticks come again, under keys of their own', async () => {
    follow({ every_seconds: 60 })
    await clock.pass(2 * MINUTE)
    clock.set(-3 * MINUTE)
    await clock.pass(6 * MINUTE)
    expect(keys()).toEqual([
      ...['09:00:00', '09:01:00', '09:02:00', '09:00:00', '09:01:00', '09:02:00'].map((time, index) => at(time) + (index < 3 ? '' : ' again 1')),
      ...['09:03:00', '09:04:00', '09:05:00'].map(at),
    ])
  })

  test('forward and back again on one of two hosts: still one hit a tick, and once more the one that was made ahead of its time', async () => {
    const other = new VirtualClock(START)
    line.scheduler(other, () => DataScheduleSchema.parse({ every_seconds: 60 }), stopping.signal)
    follow({ every_seconds: 60 })
    const both = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 1000) await Promise.all([clock.pass(1000), other.pass(1000)])
    }
    await both(2 * MINUTE)
    clock.set(10 * MINUTE)
    await both(20_000)
    clock.set(-10 * MINUTE)
    await both(20 * MINUTE)
    const again = keys().filter((key) => key.includes('again'))
    expect(again).toEqual([`${at('09:12:00')} again 1`])
    expect(
      keys()
        .filter((key) => !again.includes(key))
        .sort(),
    ).toEqual(Array.from({ length: 23 }, (_, minute) => at(`09:${String(minute).padStart(2, '0')}:00`)))
  })
})

test('a tick that is farther away than a timer can be set for', async () => {
  const sleep = vi.spyOn(clock, 'sleep')
  const scheduler = follow({ cron: '0 0 1 6 *' })
  await clock.pass(MINUTE)
  expect(scheduler.status?.next_at).toBe('2027-06-01T00:00:00.000Z')
  // A timer that is set for longer than 24.8 days fires at once.
  expect(sleep.mock.calls.map(([ms]) => ms)).toEqual(Array.from({ length: 7 }, () => 10_000))
})
