import { expect, test, vi } from 'vitest'
import { openDatabase } from '#lib/sqlite/open.ts'
import { linesWith } from '#test/_support/said.ts'
import { HitLedger } from './hit-ledger.ts'
import { openNumberingTarget } from './numbering-target.ts'
import { configure, engines, kill, type Store, startWorker, synced } from './worker-on.ts'

const soon = { timeout: 20_000, interval: 5 }

/** Lets nothing be written into a store from now on. @returns what ends that */
async function holdWrites({ redis, folder }: Store): Promise<() => Promise<void>> {
  if (redis !== undefined) {
    // Not hung: what is sent to a Redis that hangs waits in its socket, and is done when it wakes.
    await redis.kill()
    return () => redis.start()
  }
  const other = openDatabase(folder.file('hits.db'))
  other.exec('BEGIN IMMEDIATE')
  return async () => void other.close()
}

test.concurrent.each(engines)(
  'a worker killed between the answer of the target and the writing of the result, %s: the hit is made again, under its key, and ends once',
  async (_name, open) => {
    await using store = await open(synced)
    let goOn = async () => {}
    let first = true
    await using target = await openNumberingTarget({
      // The worker has made its request, and what it gets it cannot write down.
      beforeAnswer: async () => {
        if (first) goOn = await holdWrites(store)
        first = false
      },
    })
    const ledger = new HitLedger()
    try {
      await using worker = await startWorker(store)
      await configure(worker, { url: target.url })
      expect(await ledger.post(worker.port)).toBe(true)
      await vi.waitFor(() => expect(linesWith(worker.process, 'hit completed with 200')).toHaveLength(1), soon)
      await kill(worker)
    } finally {
      await goOn()
    }
    await using worker = await startWorker(store)
    await ledger.allEnd(worker.port, 30_000)
    const [taskId = ''] = ledger.acknowledged
    expect(target.answers).toEqual(new Map([[taskId, ['answer 1', 'answer 2']]]))
    expect(ledger.results.get(taskId)).toMatchObject({ status: 'completed', body: 'answer 2', attempts: 1 })
  },
  60_000,
)
