import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { silentLogger } from '#lib/observe/logger.ts'
import type { HitQueue } from '#lib/queue/port.ts'
import { openSqliteHitQueue } from '#lib/queue/sqlite/open.ts'
import { systemClock } from '#lib/runtime/clock.ts'
import { openDatabase, type SqliteDatabase } from '#lib/sqlite/open.ts'
import type { HitQueueHarness } from './harness.ts'
import { hitQueueBehaviour } from './hit-queue.ts'
import { hitQueueBacklog } from './hit-queue-backlog.ts'
import { hitQueueBulk } from './hit-queue-bulk.ts'
import { hitQueueCounts } from './hit-queue-counts.ts'
import { hitQueueCrashes } from './hit-queue-crashes.ts'
import { hitQueueDrain } from './hit-queue-drain.ts'
import { hitQueueHistory } from './hit-queue-history.ts'
import { hitQueueKeys } from './hit-queue-keys.ts'
import { hitQueueList } from './hit-queue-list.ts'
import { hitQueueMixed } from './hit-queue-mixed.ts'
import { hitQueueOutages } from './hit-queue-outages.ts'
import { hitQueuePause } from './hit-queue-pause.ts'
import { hitQueueRetry } from './hit-queue-retry.ts'

async function makeHarness(): Promise<HitQueueHarness> {
  const folder = mkdtempSync(join(tmpdir(), 'dcm-hits-'))
  const path = join(folder, 'hits.db')
  const open: HitQueue[] = []
  let other: SqliteDatabase | undefined
  return {
    store: JSON.stringify({ path }),
    open: async ({ logger = silentLogger, clock = systemClock, maxBacklog } = {}) => {
      const queue = openSqliteHitQueue({ path, logger, clock, ...(maxBacklog === undefined ? {} : { maxBacklog }) })
      open.push(queue)
      return queue
    },
    // The lock on the file shows that they are dead: nothing to wait for.
    expireLeases: async () => {},
    faults: [
      {
        name: 'written to by another program',
        outcome: 'refused',
        strike: () => {
          other = openDatabase(path)
          other.exec('BEGIN IMMEDIATE')
        },
        repair: () => void other?.close(),
      },
    ],
    async [Symbol.asyncDispose]() {
      for (const queue of open) await queue[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

describe('HitQueue, embedded', () => {
  hitQueueBehaviour(makeHarness)
  hitQueueKeys(makeHarness)
  hitQueueDrain(makeHarness)
  hitQueueHistory(makeHarness)
  hitQueueList(makeHarness)
  hitQueueRetry(makeHarness)
  hitQueuePause(makeHarness, { shared: false })
  hitQueueBulk(makeHarness)
  hitQueueBacklog(makeHarness)
  hitQueueCounts(makeHarness)
  hitQueueMixed(makeHarness, { runs: 30 })
  hitQueueCrashes(makeHarness)
  hitQueueOutages(makeHarness, ['written to by another program'])
})
