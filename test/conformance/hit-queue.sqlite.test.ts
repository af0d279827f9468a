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
import { hitQueueCrashes } from './hit-queue-crashes.ts'
import { hitQueueDrain } from './hit-queue-drain.ts'
import { hitQueueKeys } from './hit-queue-keys.ts'
import { hitQueueOutages } from './hit-queue-outages.ts'

async function makeHarness(): Promise<HitQueueHarness> {
  const folder = mkdtempSync(join(tmpdir(), 'dcm-hits-'))
  const path = join(folder, 'hits.db')
  const open: HitQueue[] = []
  let other: SqliteDatabase | undefined
  return {
    store: JSON.stringify({ path }),
    open: async ({ logger = silentLogger, clock = systemClock } = {}) => {
      const queue = openSqliteHitQueue({ path, logger, clock })
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
  hitQueueCrashes(makeHarness)
  hitQueueOutages(makeHarness, ['written to by another program'])
})
