import { expect, test } from 'vitest'
import { RedisReach } from '#lib/queue/bullmq/reach.ts'
import { QueueUnavailableError } from '#lib/queue/port.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { recordingLogger, until } from '#test/conformance/harness.ts'

const timedOut = () => new Error('Command timed out')

test('what began before Redis was back, and fails after, is no outage of its own; what began after is', async () => {
  const { logger, lines } = recordingLogger()
  const closing = new AbortController()
  // Without clients to ask, each probe succeeds: it is back with the first.
  const reach = new RedisReach({ store: 'Redis', clients: () => [], logger, clock: systemClock, closed: closing.signal })
  const late = Promise.withResolvers<never>()
  const slow = reach.run(() => late.promise).catch((error: unknown) => error)
  await expect(reach.run(() => Promise.reject(timedOut()))).rejects.toBeInstanceOf(QueueUnavailableError)
  const told = (text: string) => lines.filter(({ msg }) => msg.includes(text)).length
  await until('it is back', () => told('is back after') === 1)

  late.reject(timedOut())
  expect(await slow).toBeInstanceOf(QueueUnavailableError)
  expect([told('cannot be used'), reach.outage.isDown]).toEqual([1, false])
  await expect(reach.run(() => Promise.reject(timedOut()))).rejects.toBeInstanceOf(QueueUnavailableError)
  expect([told('cannot be used'), reach.outage.isDown]).toEqual([2, true])
  closing.abort()
})
