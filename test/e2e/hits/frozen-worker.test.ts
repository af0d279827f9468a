import { expect, test, vi } from 'vitest'
import { TestRedis } from '#test/_support/redis.ts'
import { linesWith } from '#test/_support/said.ts'
import { HitLedger } from './hit-ledger.ts'
import { openNumberingTarget } from './numbering-target.ts'
import { configure, startWorker, storeOn } from './worker-on.ts'

const soon = { timeout: 30_000, interval: 20 }

test('a worker that is frozen in a hit for longer than its lease: another makes the hit, and its result stands when the first goes on', {
  timeout: 90_000,
}, async () => {
  await using redis = await TestRedis.start()
  await using store = storeOn(redis)
  await using other = storeOn(redis)
  await using target = await openNumberingTarget()
  target.hold()
  await using frozen = await startWorker(store)
  await configure(frozen, { url: target.url })
  const ledger = new HitLedger()
  expect(await ledger.post(frozen.port)).toBe(true)
  const [taskId = ''] = ledger.acknowledged
  await vi.waitFor(() => expect(target.held).toBe(1), soon)
  frozen.process.signal('SIGSTOP')
  try {
    await using worker = await startWorker(other)
    await vi.waitFor(() => expect(target.held).toBe(2), soon)
    // Both are answered; only one of them can hear it.
    target.release()
    await ledger.allEnd(worker.port, 15_000)
    expect(ledger.results.get(taskId)).toMatchObject({ status: 'completed', attempts: 1, body: 'answer 2' })
    frozen.process.signal('SIGCONT')
    // It reads its answer, or learns first that it has lost the hit.
    const over = () => [...linesWith(frozen.process, 'hit completed with 200'), ...linesWith(frozen.process, 'hit stopped')]
    await vi.waitFor(() => expect(over()).toHaveLength(1), soon)
    // And goes on.
    expect(await ledger.post(frozen.port)).toBe(true)
    await ledger.allEnd(worker.port, 15_000)
    await ledger.allEnd(frozen.port, 15_000)
    expect(target.answers.get(taskId)).toEqual(['answer 1', 'answer 2'])
  } finally {
    frozen.process.signal('SIGCONT')
  }
})
