import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { expect, test, vi } from 'vitest'
import { MAX_CRASHES } from '#lib/queue/port.ts'
import { Dice } from '#test/_support/dice.ts'
import { sized } from '#test/torture/size.ts'
import { HitLedger } from './hit-ledger.ts'
import { Load } from './load.ts'
import { openNumberingTarget } from './numbering-target.ts'
import { configure, engines, kill, startWorker } from './worker-on.ts'

const KILLS = sized(3, 50)
const CALLERS = 8
/** The longest that a worker lives under load, in ms. */
const LIFE_MS = 400

test.concurrent.each(engines)(
  `a worker killed ${KILLS} times at random under load, %s: each acknowledged hit ends, and none with two results`,
  async (name, open) => {
    const dice = new Dice()
    await using store = await open()
    await using target = await openNumberingTarget({ delayMs: 5 })
    const ledger = new HitLedger({ workerDies: true })
    let port: number | undefined
    await using load = new Load(ledger, { port: () => port, callers: CALLERS, read: true })
    for (let round = 0; round < KILLS; round += 1) {
      await using worker = await startWorker(store)
      if (round === 0) await configure(worker, { url: target.url })
      const before = ledger.acknowledged.size
      port = worker.port
      await vi.waitFor(() => expect(ledger.acknowledged.size).toBeGreaterThan(before), { timeout: 20_000, interval: 5 })
      await delay(dice.whole(0, LIFE_MS))
      await kill(worker)
      port = undefined
    }
    await load.stop()
    {
      await using worker = await startWorker(store)
      await ledger.allEnd(worker.port, 60_000)
    }
    for (const [taskId, result] of ledger.results) {
      if (result.status === 'completed') {
        expect(target.answers.get(taskId)).toContain(result.body)
        continue
      }
      // One that was under way at so many kills looks like one that kills its worker.
      expect(KILLS, JSON.stringify(result)).toBeGreaterThanOrEqual(MAX_CRASHES)
      expect(result).toMatchObject({ status: 'failed', error_class: 'internal', attempts: 0, error: expect.stringContaining(`died ${MAX_CRASHES} times`) })
    }
    if (name !== 'embedded') return
    const db = new Database(store.folder.file('hits.db'), { readonly: true })
    try {
      expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    } finally {
      db.close()
    }
  },
  60_000 + KILLS * 5000,
)
