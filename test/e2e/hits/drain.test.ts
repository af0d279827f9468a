import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { expect, test, vi } from 'vitest'
import type { TestRedis } from '#test/_support/redis.ts'
import { linesWith, said } from '#test/_support/said.ts'
import { HitLedger } from './hit-ledger.ts'
import { openNumberingTarget } from './numbering-target.ts'
import { configure, engines, startWorker } from './worker-on.ts'

const HITS = 100
/** How long the target takes over those that are under way at the signal, in ms. */
const TAKES_MS = 4000
const slots = { WORKER_CONCURRENCY: String(HITS), HIT_PER_HOST: String(HITS) }
const soon = { timeout: 30_000, interval: 10 }

/** Hits that a worker has not given back. */
async function leasedIn({ port }: TestRedis): Promise<number> {
  const redis = new Redis({ port, db: 1 })
  try {
    return await redis.llen('bull:hits:active')
  } finally {
    redis.disconnect()
  }
}

/** Asks for as many hits as there are slots, and more, and waits until all slots are taken. */
async function fill(ledger: HitLedger, port: number, target: { readonly answers: ReadonlyMap<string, unknown> }): Promise<void> {
  const accepted = await Promise.all(Array.from({ length: HITS }, () => ledger.post(port)))
  expect(accepted).toEqual(accepted.map(() => true))
  await vi.waitFor(() => expect(target.answers.size).toBe(HITS), soon)
}

test.concurrent.each(engines)(
  `SIGTERM with ${HITS} hits of ${TAKES_MS / 1000} s under way, %s: they end in the time to drain, what waits is kept, and nothing runs twice`,
  async (_name, open) => {
    await using store = await open()
    await using target = await openNumberingTarget()
    target.hold()
    const ledger = new HitLedger()
    {
      await using worker = await startWorker(store, { ...slots, SHUTDOWN_TIMEOUT_SECONDS: '20' })
      await configure(worker, { url: target.url })
      await fill(ledger, worker.port, target)
      // These wait in line, and no slot may be given to them.
      for (let more = 0; more < 3; more += 1) expect(await ledger.post(worker.port)).toBe(true)
      worker.process.signal('SIGTERM')
      await said(worker.process, 'draining')
      await delay(TAKES_MS)
      target.release()
      expect(await worker.process.ended).toEqual({ code: 0, signal: null })
    }
    expect(target.answers.size).toBe(HITS)
    await using worker = await startWorker(store)
    await ledger.allEnd(worker.port, 30_000)
    for (const result of ledger.results.values()) expect(result).toMatchObject({ status: 'completed', attempts: 1 })
    expect([...target.answers.values()].map(({ length }) => length)).toEqual(Array.from({ length: HITS + 3 }, () => 1))
  },
  90_000,
)

test.concurrent.each(engines)(
  `SIGTERM with ${HITS} hits under way that outlast the time to drain, %s: all are given back uncharged, and run by the next worker`,
  async (_name, open) => {
    await using store = await open()
    await using target = await openNumberingTarget()
    target.hold()
    const ledger = new HitLedger()
    let late = 0
    {
      await using worker = await startWorker(store, { ...slots, SHUTDOWN_TIMEOUT_SECONDS: '2' })
      await configure(worker, { url: target.url })
      await fill(ledger, worker.port, target)
      const stopping = performance.now()
      worker.process.signal('SIGTERM')
      expect(await worker.process.ended).toEqual({ code: 0, signal: null })
      expect(performance.now() - stopping).toBeLessThan(15_000)
      late = worker.process.lines.filter(({ msg }) => /could not be given back in time|not everything ended/.test(msg)).length
    }
    target.release()
    // A worker that has no time for all of them, on a machine that is busy with other tests, leaves some to their leases, and says so.
    if (store.redis !== undefined && late === 0) expect(await leasedIn(store.redis)).toBe(0)
    await using worker = await startWorker(store)
    await ledger.allEnd(worker.port, 30_000)
    if (late === 0) expect(linesWith(worker.process, 'were running when the worker ended')).toEqual([])
    for (const result of ledger.results.values()) expect(result).toMatchObject({ status: 'completed', attempts: 1 })
    expect([...target.answers.values()].map(({ length }) => length)).toEqual(Array.from({ length: HITS }, () => 2))
  },
  90_000,
)
