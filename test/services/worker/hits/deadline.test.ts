import { describe, expect, test } from 'vitest'
import { createDeadlines } from '#services/worker/hits/deadline.ts'
import { AttemptStopped } from '#services/worker/hits/failure.ts'
import { FakeClock } from './fake-clock.ts'

const never = (): AbortSignal => new AbortController().signal

describe('a deadline', () => {
  test('ends its attempt when its time is over, and not before; the signal says the same', async () => {
    const clock = new FakeClock()
    const deadlines = createDeadlines(clock)
    const deadline = deadlines.start(1500, never())
    const ended: unknown[] = []
    deadline.ends((reason) => ended.push(reason))
    await clock.pass(1499)
    expect(deadline.reason).toBeUndefined()
    expect(deadline.signal.aborted).toBe(false)
    await clock.pass(1)
    expect(deadline.reason).toMatchObject({ error_class: 'timeout', message: 'no complete answer within 1.5 s' })
    expect(ended).toEqual([deadline.reason])
    expect(deadline.signal.reason).toBe(deadline.reason)
  })

  test('of each attempt is its own, in whatever order they come', async () => {
    const clock = new FakeClock()
    const deadlines = createDeadlines(clock)
    const over: number[] = []
    for (const ms of [30_000, 100, 5000, 200, 30_000]) deadlines.start(ms, never()).ends(() => over.push(clock.monotonic()))
    await clock.pass(60_000)
    expect(over).toEqual([100, 200, 5000, 30_000, 30_000])
    expect(clock.waiting).toBe(0)
  })

  test('that is done ends nothing any more', async () => {
    const clock = new FakeClock()
    const deadlines = createDeadlines(clock)
    const stop = new AbortController()
    const deadline = deadlines.start(100, stop.signal)
    deadline.ends(() => expect.unreachable())
    deadline.done()
    stop.abort()
    await clock.pass(1000)
    expect(deadline.reason).toBeUndefined()
  })

  test('keeps one timer for all', () => {
    const clock = new FakeClock()
    const deadlines = createDeadlines(clock)
    for (let n = 0; n < 1000; n += 1) deadlines.start(30_000, never()).done()
    expect(clock.waiting).toBe(1)
  })

  test('is over where its attempt is told to stop, before or later, and ends what is said after that at once', () => {
    const deadlines = createDeadlines(new FakeClock())
    const stop = new AbortController()
    const deadline = deadlines.start(1000, stop.signal)
    const { signal } = deadline
    stop.abort()
    expect(deadline.reason).toBeInstanceOf(AttemptStopped)
    expect(signal.reason).toBe(deadline.reason)
    const ended: Error[] = []
    deadline.ends((reason) => ended.push(reason))
    expect(ended).toEqual([deadline.reason])
    expect(deadlines.start(1000, AbortSignal.abort()).signal.aborted).toBe(true)
  })

  test('the first reason stays', async () => {
    const clock = new FakeClock()
    const stop = new AbortController()
    const deadline = createDeadlines(clock).start(100, stop.signal)
    await clock.pass(100)
    stop.abort()
    expect(deadline.reason).toMatchObject({ error_class: 'timeout' })
  })

  test('close stops all, also those that begin later, and leaves no timer', () => {
    const clock = new FakeClock()
    const deadlines = createDeadlines(clock)
    const running = deadlines.start(1000, never())
    deadlines.close()
    expect(running.reason).toBeInstanceOf(AttemptStopped)
    expect(deadlines.start(1000, never()).reason).toBeInstanceOf(AttemptStopped)
    expect(clock.waiting).toBe(0)
  })
})
