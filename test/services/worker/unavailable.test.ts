import { expect, test } from 'vitest'
import { QueueUnavailableError, type Unqueued } from '#lib/queue/port.ts'
import { errorOf } from '#test/_support/controller.ts'
import { TestWorker } from '#test/_support/worker.ts'

test.each<[Unqueued, Record<string, string>, string]>([
  ['refused', {}, 'Cannot queue the hit: it is away; nothing was queued, try again'],
  ['refused', { 'Idempotency-Key': 'k' }, 'Cannot queue the hit: it is away; nothing was queued, try again'],
  [
    'unknown',
    {},
    'Cannot queue the hit: it is away; the reply is missing, so the hit may have been queued, and trying again may make it twice; with an Idempotency-Key, the same each time, trying again is safe',
  ],
  [
    'unknown',
    { 'Idempotency-Key': 'k' },
    'Cannot queue the hit: it is away; the reply is missing, so the hit may have been queued; try again with the same Idempotency-Key, which makes that safe',
  ],
])('503 of a queue that is away says what is known of the hit: %s, %j', async (outcome, headers, message) => {
  await using worker = await TestWorker.open({ process: false })
  await worker.configure('http://localhost:1/')
  worker.deps.queue.enqueue = () => Promise.reject(new QueueUnavailableError('it is away', outcome))
  const answer = await worker.request('/hit', { method: 'POST', headers })
  expect(answer.headers.get('Retry-After')).toBe('1')
  expect((await errorOf(answer, 503, 'QUEUE_UNAVAILABLE')).message).toBe(message)
})
