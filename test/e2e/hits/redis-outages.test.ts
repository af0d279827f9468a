import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { TestRedis } from '#test/_support/redis.ts'
import { linesWith } from '#test/_support/said.ts'
import { sized } from '#test/torture/size.ts'
import { HitLedger } from './hit-ledger.ts'
import { Load } from './load.ts'
import { openNumberingTarget } from './numbering-target.ts'
import { configure, startWorker, storeOn, synced } from './worker-on.ts'

const soon = { timeout: 20_000, interval: 20 }
const CALLERS = 4

const statusOf = async (port: number, path: string): Promise<number> => (await fetch(`http://127.0.0.1:${port}${path}`)).status

/** How a Redis goes away, and comes back. */
interface Outage {
  readonly name: string
  /** How long, in s. */
  readonly seconds: number
  readonly settings?: readonly string[]
  strike(redis: TestRedis): Promise<void> | void
  repair(redis: TestRedis): Promise<void> | void
  /** Whether what it held is gone with it. */
  readonly losesAll?: boolean
}

const killed = { strike: (redis: TestRedis) => redis.kill(), repair: (redis: TestRedis) => redis.start() }
const hanging = { strike: (redis: TestRedis) => redis.hang(), repair: (redis: TestRedis) => redis.wake() }
const outages: readonly Outage[] = [
  { name: 'killed, with an append-only file', seconds: 5, settings: synced, ...killed },
  // Longer than a lease, so that every lock has run out when it is back.
  { name: 'killed, with an append-only file', seconds: sized(15, 120), settings: synced, ...killed },
  { name: 'stopped by SIGSTOP, its connections half open', seconds: sized(8, 120), ...hanging },
  { name: 'restarted empty', seconds: sized(1, 15), settings: ['--appendonly', 'no'], ...killed, losesAll: true },
]

describe.concurrent('a Redis under load that is', () => {
  test.each(outages)(
    '$name, for $seconds s: each acknowledged hit ends once, and others are refused at once',
    async (outage) => {
      await using redis = await TestRedis.start(outage.settings)
      await using store = storeOn(redis)
      await using target = await openNumberingTarget({ delayMs: 30 })
      await using worker = await startWorker(store)
      await configure(worker, { url: target.url })
      const ledger = new HitLedger()
      await using load = new Load(ledger, { port: () => worker.port, callers: CALLERS, read: !outage.losesAll })
      await vi.waitFor(() => expect(ledger.acknowledged.size).toBeGreaterThan(50), soon)

      await outage.strike(redis)
      const until = performance.now() + outage.seconds * 1000
      await vi.waitFor(() => expect(ledger.refused).toBeGreaterThan(CALLERS), soon)
      await vi.waitFor(async () => expect(await statusOf(worker.port, '/ready')).toBe(503), soon)
      expect(await statusOf(worker.port, '/health')).toBe(200)
      await delay(until - performance.now())
      if (outage.losesAll) ledger.excuse()
      const before = ledger.acknowledged.size
      await outage.repair(redis)

      await vi.waitFor(() => expect(ledger.acknowledged.size).toBeGreaterThan(before + 50), soon)
      await load.stop()
      await ledger.allEnd(worker.port, 30_000)
      for (const [taskId, result] of ledger.results) {
        expect(result).toMatchObject({ status: 'completed', attempts: 1 })
        expect(target.answers.get(taskId), taskId).toContain(result.body)
      }
      expect(linesWith(worker.process, 'cannot be used')).toHaveLength(1)
      expect(linesWith(worker.process, 'is back after')).toHaveLength(1)
      await vi.waitFor(async () => expect(await statusOf(worker.port, '/ready')).toBe(200), soon)
      worker.process.signal('SIGTERM')
      expect(await worker.process.ended).toEqual({ code: 0, signal: null })
    },
    (sized(15, 120) + 90) * 1000,
  )
})

test('a Redis that was never up: the worker serves, refuses within a second, stops at SIGTERM; and works once it is there', { timeout: 60_000 }, async () => {
  await using redis = await TestRedis.prepare()
  await using store = storeOn(redis)
  await using target = await openNumberingTarget()
  const ledger = new HitLedger()
  {
    await using worker = await startWorker(store)
    await configure(worker, { url: target.url })
    for (let time = 0; time < 3; time += 1) expect(await ledger.post(worker.port)).toBe(false)
    expect([await statusOf(worker.port, '/ready'), await statusOf(worker.port, '/health')]).toEqual([503, 200])
    const stopping = performance.now()
    worker.process.signal('SIGTERM')
    expect(await worker.process.ended).toEqual({ code: 0, signal: null })
    expect(performance.now() - stopping).toBeLessThan(15_000)
  }
  await using worker = await startWorker(store)
  expect(await ledger.post(worker.port)).toBe(false)
  expect(ledger.refused).toBe(4)
  await redis.start()
  await vi.waitFor(async () => expect(await ledger.post(worker.port)).toBe(true), soon)
  await ledger.allEnd(worker.port, 15_000)
  expect(linesWith(worker.process, 'cannot be used')).toHaveLength(1)
})
